"""Answers `GET /probe`: finds the module, the time limit and a slot, and returns the findings."""

import asyncio
import math
import time
from collections.abc import Callable

import structlog
import yaml

from prober.blackbox.dns_module import probe_dns
from prober.blackbox.findings import Findings
from prober.blackbox.http_module import probe_http
from prober.blackbox.icmp_module import probe_icmp
from prober.blackbox.names import NotAHostError, check_hostname, check_target
from prober.blackbox.other_modules import probe_grpc, probe_tcp
from prober.blackbox.request import ProbeAnswer, ProbeRequest
from prober.blackbox.runner import ModuleRunner, OwnTrouble
from prober.config.blackbox.modules import Module
from prober.config.blackbox.reading import Modules
from prober.engine.reactor import Engine
from prober.engine.resolver import Resolver
from prober.engine.target_policy import Objection
from prober.model.option import show_options

log = structlog.get_logger()

DEFAULT_MODULE = "http_2xx"
SCRAPE_SECONDS = 120.0
"""Time limit of a probe if the scraper sends none, as in blackbox_exporter."""
LONGEST = 3600.0
"""Maximum time limit of a probe, like the `timeout` of a monitor."""
OFFSET_SECONDS = 0.5
"""Share of the scraper's time reserved for sending the answer, as in blackbox_exporter."""


def probe_seconds(scrape_timeout: str | None, module: Module) -> float:
    """Return the time limit of a probe; raise ValueError."""
    scrape = float(scrape_timeout) if scrape_timeout else 0.0
    if not math.isfinite(scrape):
        raise ValueError(f"{scrape_timeout!r} is not a number of seconds")
    most = min(scrape or SCRAPE_SECONDS, LONGEST) - OFFSET_SECONDS
    own = module.timeout or 0.0
    return own if 0 < own < most or most < 0 else most


class ProbeService:
    """Probes on demand.

    Args:
        engine: The engine of the daemon.
        modules: Returns the modules of the running configuration, or None.
        most: Maximum number of probes in flight; more wait for their turn.
        objection: Returns why an address and port must not be probed for a caller, or None.
    """

    def __init__(
        self,
        engine: Engine,
        modules: Callable[[], Modules | None],
        *,
        most: int,
        objection: Objection | None = None,
    ) -> None:
        loop = asyncio.get_running_loop()
        self._engine = engine
        self._modules = modules
        self._objection = objection
        self._slots = asyncio.Semaphore(most)
        self._resolver = Resolver(clock=time.monotonic, soon=loop.call_soon_threadsafe)

    async def answer(self, request: ProbeRequest) -> ProbeAnswer:
        """Probe, and return the answer."""
        modules = self._modules()
        if modules is None:
            message = "probing on demand is disabled; set server.blackbox_modules to enable it"
            return ProbeAnswer(404, f"{message}\n")
        name = request.module or DEFAULT_MODULE
        module = modules.usable.get(name)
        if module is None:
            if why := modules.refused.get(name):
                return ProbeAnswer(400, f"Module {name!r} is refused: {why}\n")
            return ProbeAnswer(400, f"Unknown module {name!r}\n")
        if not request.target:
            return ProbeAnswer(400, "Target parameter is missing\n")
        if trouble := _wrong_host(module, request):
            return ProbeAnswer(400, f"{trouble}\n")
        try:
            seconds = probe_seconds(request.scrape_timeout, module)
        except ValueError as error:
            message = f"Failed to parse timeout from Prometheus header: {error}"
            return ProbeAnswer(500, f"{message}\n")
        return await self._in_turn(request, name, module, seconds)

    async def _in_turn(
        self, request: ProbeRequest, name: str, module: Module, seconds: float
    ) -> ProbeAnswer:
        """Probe when a slot is free; the wait is not part of the probe, but of its time limit."""
        deadline = time.monotonic() + seconds
        try:
            async with asyncio.timeout(seconds):
                await self._slots.acquire()
        except TimeoutError:
            return ProbeAnswer(503, "too many probes on demand are in flight\n")
        try:
            return await self._probe(request, name, module, deadline)
        except OwnTrouble as trouble:
            log.warning("probe_on_demand_failed", module=name, reason=str(trouble))
            return ProbeAnswer(503, f"inconclusive, the problem is on prober's side: {trouble}\n")
        finally:
            self._slots.release()

    async def _probe(
        self, request: ProbeRequest, name: str, module: Module, deadline: float
    ) -> ProbeAnswer:
        findings = Findings(time.time, module=name, target=request.target)
        runner = ModuleRunner(
            self._engine,
            self._resolver,
            findings,
            clock=time.monotonic,
            deadline=deadline,
            objection=self._objection,
        )
        started = time.monotonic()
        findings.log("Beginning probe", probe=module.prober, timeout_seconds=deadline - started)
        good = await _run(runner, module, request)
        seconds = time.monotonic() - started
        findings.set("probe_duration_seconds", seconds)
        findings.set("probe_success", good)
        if good:
            findings.log("Probe succeeded", duration_seconds=seconds)
        else:
            findings.log("Probe failed", "error", duration_seconds=seconds)
        return ProbeAnswer(200, _debug(findings, module) if request.debug else findings.metrics())

    def close(self) -> None:
        """Stop the threads of the resolver."""
        self._resolver.close()


async def _run(runner: ModuleRunner, module: Module, request: ProbeRequest) -> bool:
    hostname = request.hostname or None
    if module.prober == "http":
        return await probe_http(runner, module.http, request.target, hostname)
    if module.prober == "tcp":
        return await probe_tcp(runner, module.tcp, request.target, hostname)
    if module.prober == "dns":
        return await probe_dns(runner, module.dns, request.target)
    if module.prober == "icmp":
        return await probe_icmp(runner, module.icmp, request.target)
    return await probe_grpc(runner, module.grpc, request.target)


def _wrong_host(module: Module, request: ProbeRequest) -> str | None:
    """Return what is wrong with the hosts in a request, or None."""
    named = "target"
    try:
        check_target(request.target, is_url=module.prober in ("http", "grpc"))
        named = "hostname"
        if request.hostname:
            check_hostname(request.hostname)
    except NotAHostError as error:
        return f"parameter {named!r}: {error}"
    return _host_twice(module, request.hostname)


def _host_twice(module: Module, hostname: str) -> str | None:
    """Return a message if module and parameter ask for different Host headers, or None."""
    if module.prober == "http" and hostname:
        for name, value in module.http.headers.items():
            if name.lower() == "host" and value != hostname:
                return (
                    f"host header defined both in module configuration ({value}) "
                    f"and with URL-parameter 'hostname' ({hostname})"
                )
    return None


def _debug(findings: Findings, module: Module) -> str:
    """Return the details for a person: the log, the metrics and the module."""
    section = show_options(getattr(module, module.prober))
    shown = {"prober": module.prober, module.prober: section}
    if module.timeout:
        shown["timeout"] = f"{module.timeout:g}s"
    return (
        f"Logs for the probe:\n{findings.logs()}\n\n\n"
        f"Metrics that would have been returned:\n{findings.metrics()}\n\n\n"
        f"Module configuration:\n{yaml.safe_dump(shown, sort_keys=False)}"
    )
