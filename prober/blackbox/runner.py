"""Runs the steps of one probe on demand with the engine of the daemon, under one deadline."""

import asyncio
import socket
from collections.abc import Callable
from ipaddress import ip_address
from typing import NamedTuple

from prober.blackbox.exchange import BODY_LIMIT
from prober.blackbox.findings import Findings
from prober.engine.attempt import Job
from prober.engine.reactor import Engine
from prober.engine.resolver import PATIENCE, Addresses, Answer, Resolver, literal
from prober.engine.target_policy import Objection
from prober.model.egress import Egress
from prober.model.probe import EchoOptions, StartTls, Steps, Target, TlsSession, Trouble
from prober.model.status import Outcome, Reason, Verdict

REPLY_LIMIT = BODY_LIMIT + 1024 * 1024
"""Maximum bytes to read from one connection: a whole body, its head, and chunk framing."""

_OURS = (
    Reason.NO_DESCRIPTORS,
    Reason.NO_PORTS,
    Reason.NO_MEMORY,
    Reason.NO_TRUST_STORE,
    Reason.STALLED,
    Reason.INTERNAL,
)
_FAMILIES = {"ip4": socket.AF_INET, "ip6": socket.AF_INET6}


class OwnTrouble(Exception):  # noqa: N818  (describes what happened to prober)
    """The probe is inconclusive: the problem was on prober's side."""


class Run(NamedTuple):
    """The result of a probe; `session` is that of its last handshake."""

    outcome: Outcome
    session: TlsSession | None


class ModuleRunner:
    """One probe on demand.

    Args:
        engine: Runs the connections.
        resolver: Resolves the name of the target.
        findings: Receives the findings.
        clock: A monotonic clock.
        deadline: When the probe must have ended, on that clock.
        objection: Judges each address before it is connected to.
    """

    def __init__(
        self,
        engine: Engine,
        resolver: Resolver,
        findings: Findings,
        *,
        clock: Callable[[], float],
        deadline: float,
        objection: Objection | None = None,
    ) -> None:
        self._engine = engine
        self._resolver = resolver
        self.findings = findings
        self._clock = clock
        self._deadline = deadline
        self._objection = objection

    @property
    def time_left(self) -> float:
        """Seconds until the deadline."""
        return self._deadline - self._clock()

    async def choose_address(self, host: str, family: str, *, fallback: bool) -> str | None:
        """Return the address of a host in the preferred family, or None if it has none."""
        findings, started = self.findings, self._clock()
        findings.set("probe_ip_protocol", 0)
        findings.set("probe_ip_addr_hash", 0)
        findings.log("Resolving target address", host=host, ip_protocol=family)
        answer = await self._addresses(host)
        findings.set("probe_dns_lookup_time_seconds", self._clock() - started)
        if isinstance(answer, Trouble):
            findings.log("Resolution with IP protocol failed", "error", err=answer)
            return None
        chosen = choose(answer, family, fallback=fallback)
        if chosen is None:
            findings.log("Resolution with IP protocol failed", "error", err="no such address")
            return None
        findings.log("Resolved target address", host=host, ip=chosen)
        findings.set("probe_ip_protocol", ip_address(chosen).version)
        findings.set("probe_ip_addr_hash", address_hash(chosen))
        return chosen

    async def _addresses(self, host: str) -> Answer:
        if addresses := literal(host):
            return addresses
        told: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        patience = PATIENCE * max(0.0, self.time_left)
        answer = self._resolver.resolve(host, told.set_result, patience=patience)
        if answer is not None:
            return answer
        wait = patience if self._resolver.kept(host) else self.time_left
        try:
            async with asyncio.timeout(max(0.0, wait)):
                return await told
        except TimeoutError:
            trouble = Trouble(Reason.DNS_UNAVAILABLE, "no answer from the resolver in time")
            return self._resolver.kept(host) or trouble
        finally:
            self._resolver.forget(host, told.set_result)

    async def run(
        self,
        target: Target,
        steps: Steps,
        *,
        datagram: bool = False,
        echo: EchoOptions | None = None,
        source: str | None = None,
        proxy: Target | None = None,
    ) -> Run:
        """Connect and run the steps, over UDP with `datagram`; raise `OwnTrouble`.

        With `echo` they are ICMP echo requests. Connections start at the `source`, if one is given.
        With a `proxy`, the connection is made to that, and the steps lead on to the target.
        """
        sessions: list[TlsSession] = []
        finished: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        job = Job(
            proxy or target,
            lambda: _watched(steps, sessions),
            timeout=max(0.001, self.time_left),
            datagram=datagram,
            echo=echo,
            egress=Egress(source) if source else None,
            reply_limit=REPLY_LIMIT,
            objection=self._objection,
            beyond=target if proxy else None,
        )
        attempt = self._engine.start(job, finished.set_result)
        try:
            outcome = await finished
        finally:
            self._engine.cancel(attempt)
        if outcome.reason in _OURS:
            raise OwnTrouble(f"{outcome.reason.sentence}: {outcome.detail}")
        return Run(outcome, sessions[-1] if sessions else None)


def choose(addresses: Addresses, family: str, *, fallback: bool) -> str | None:
    """Return the first address of a family or, with `fallback`, the last of the other."""
    preferred = [each.host for each in addresses if each.family == _FAMILIES[family]]
    if preferred:
        return preferred[0]
    return addresses[-1].host if fallback and addresses else None


def address_hash(address: str) -> int:
    """Return the FNV-1a hash of an address."""
    value = 0x811C9DC5
    for byte in ip_address(address).packed:
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return value


def _watched(steps: Steps, sessions: list[TlsSession]) -> Steps:
    """Run the steps, and keep the sessions of their handshakes with the certificates."""
    try:
        step = next(steps)
        while True:
            try:
                value = yield step._replace(chain=True) if isinstance(step, StartTls) else step
            except Trouble as trouble:
                step = steps.throw(trouble)
                continue
            if isinstance(step, StartTls):
                sessions.append(value)
            step = steps.send(value)
    except StopIteration as stop:
        verdict: Verdict = stop.value
        return verdict
