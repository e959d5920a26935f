"""The HTTP prober: requests that follow redirects, and the judgement of the last reply."""

import asyncio
import re
from typing import NamedTuple
from urllib.parse import unquote, urljoin, urlsplit

from prober import __version__
from prober.blackbox.exchange import BODY_LIMIT, Reply, exchange
from prober.blackbox.judge import judge
from prober.blackbox.names import checked_host
from prober.blackbox.runner import ModuleRunner, Run
from prober.config.blackbox.modules import BasicAuth, HttpModule
from prober.model.file_kinds import Secret
from prober.model.probe import StartTls, Target, TlsSession
from prober.model.status import Outcome, Result
from prober.probes.http_proxy import WayThrough, tunnelled
from prober.probes.tls import handshake
from prober.protocols.http1 import request_target, write_request

REDIRECT_LIMIT = 10
"""Maximum number of redirects to follow."""

_USER_AGENT = f"prober/{__version__} (/probe)"
_PHASES = ("resolve", "connect", "tls", "processing", "transfer")
_PORTS = {"http": 80, "https": 443}


class Place(NamedTuple):
    """The target of a request; `netloc` is host and port as written."""

    scheme: str
    host: str
    port: int
    netloc: str
    path: str
    user: str | None
    password: str | None


def parse_url(url: str) -> Place:
    """Read a URL; raise ValueError. Surrogates stand for the bytes that they were made from."""
    parts = urlsplit(url)
    if parts.scheme not in _PORTS:
        raise ValueError(f"unsupported protocol scheme {parts.scheme!r}")
    host = checked_host(parts.hostname or "")
    written = parts.netloc.rpartition("@")[2]
    if not written.isascii():
        written = f"{host}:{parts.port}" if parts.port else host
    user, password = parts.username, parts.password or ""
    return Place(
        scheme=parts.scheme,
        host=host,
        port=parts.port or _PORTS[parts.scheme],
        netloc=written,
        path=request_target(f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"),
        user=None if user is None else unquote(user, errors="surrogateescape"),
        password=unquote(password, errors="surrogateescape"),
    )


def _joined(url: str, location: str) -> str:
    """Return the URL for a Location; raise ValueError where urljoin() does not."""
    if re.search(r"[\x00-\x1f\x7f]", location):
        raise ValueError("invalid control character in URL")
    return urljoin(url, location)


async def probe_http(
    runner: ModuleRunner, module: HttpModule, target: str, hostname: str | None
) -> bool:
    """Probe a URL and return whether it is good; the findings have the details."""
    findings = runner.findings
    for phase in _PHASES:
        findings.add("probe_http_duration_seconds", 0, phase=phase)
    for name in ("status_code", "content_length", "uncompressed_body_length", "redirects"):
        findings.set(f"probe_http_{name}", 0)
    for name in ("http_ssl", "http_version", "failed_due_to_regex"):
        findings.set(f"probe_{name}", 0)
    if not target.startswith(("http://", "https://")):
        target = f"http://{target}"
    try:
        place = parse_url(target)
    except (ValueError, UnicodeError) as error:
        findings.log("Could not parse target URL", "error", err=error)
        return False
    family, fallback = module.preferred_ip_protocol, module.ip_protocol_fallback
    started = runner.time_left
    if module.leaves_names_to_proxy:
        return await _Journey(runner, module, hostname).go(place, target, place.host)
    address = await runner.choose_address(place.host, family, fallback=fallback)
    findings.add("probe_http_duration_seconds", started - runner.time_left, phase="resolve")
    if address is None:
        return False
    return await _Journey(runner, module, hostname).go(place, target, address)


class _Journey:
    """One probe, from its first request to its last reply."""

    def __init__(self, runner: ModuleRunner, module: HttpModule, hostname: str | None) -> None:
        self._runner = runner
        self._findings = runner.findings
        self._module = module
        self._headers = dict(module.headers)
        if hostname:
            self._headers = {k: v for k, v in self._headers.items() if k.lower() != "host"}
            self._headers["Host"] = hostname
        if module.compression:
            self._headers = {"Accept-Encoding": module.compression, **self._headers}
        self._method = module.method
        self._body = (module.body or module.body_file).encode()
        self._cookies: dict[tuple[str, str], str] = {}

    async def go(self, place: Place, url: str, address: str) -> bool:
        """Follow redirects, and return whether the last reply is good."""
        first, redirects, host = place, 0, address
        while True:
            reply, run = await self._ask(place, host, first)
            if run.outcome.result is not Result.OK and not reply.status:
                self._findings.log("Error for HTTP request", "error", err=run.outcome.detail)
                return False
            if not reply.location:
                return await self._conclude(place, reply, run, final=True)
            redirects += 1
            self._findings.set("probe_http_redirects", redirects)
            self._findings.log("Received redirect", location=reply.location)
            if not self._module.follows or redirects > REDIRECT_LIMIT:
                self._findings.log("Not following redirect")
                return await self._conclude(place, reply, run, final=False)
            try:
                url = _joined(url, reply.location)
                place = parse_url(url)
            except (ValueError, UnicodeError) as error:
                self._findings.log("Error for HTTP request", "error", err=error)
                return False
            host = place.host
            if reply.status in (301, 302, 303) and self._method != "HEAD":
                self._method, self._body = "GET", b""

    async def _ask(self, place: Place, host: str, first: Place) -> tuple[Reply, Run]:
        """Send one request; `host` is the host to connect to."""
        headers = self._headers_for(place, first)
        path, proxy = place.path, self._module.proxy_url
        if proxy is not None and place.scheme == "http":
            path = f"http://{place.netloc}{path}"
            headers |= WayThrough(proxy.credentials).headers
        agent = {"User-Agent": _USER_AGENT}
        request = write_request(self._method, path, agent, headers, self._body)
        limit = min(self._module.body_size_limit or BODY_LIMIT, BODY_LIMIT)
        reply = Reply()
        self._findings.log("Making HTTP request", url=f"{place.scheme}://{place.netloc}", host=host)
        start, proxy = self._handshake(place, first), self._module.proxy_url
        steps = exchange(start, request, reply, method=self._method, limit=limit)
        target = Target(host, place.port)
        way = WayThrough(proxy.credentials) if proxy is not None and start is not None else None
        begin = tunnelled(way, target, lambda: steps)
        run = await self._runner.run(target, begin(), proxy=proxy.address if proxy else None)
        self._add_times(run.outcome)
        if reply.status:
            self._findings.log("Received HTTP response", status_code=reply.status)
        if run.outcome.result is not Result.OK:
            self._findings.log(run.outcome.reason.sentence, "error", err=run.outcome.detail)
        self._take_cookies(place, reply)
        return reply, run

    def _handshake(self, place: Place, first: Place) -> StartTls | None:
        if place.scheme != "https":
            return None
        settings = self._module.tls_config.settings()
        name = place.host
        if place.netloc != first.netloc:
            settings = self._module.tls_config.settings(for_redirect=True)
        elif named := [value for key, value in self._headers.items() if key.lower() == "host"]:
            name = re.sub(r":[0-9]*$", "", named[0])
        return handshake(settings, name, ("http/1.1",))

    def _headers_for(self, place: Place, first: Place) -> dict[str, str]:
        """Return the headers of a request; credentials go to the first host only, and over TLS."""
        headers = {"Host": place.netloc, **_titled(self._headers)}
        if place.host != first.host:
            headers["Host"] = place.netloc
        if place.host != first.host or (first.scheme, place.scheme) == ("https", "http"):
            headers = {k: v for k, v in headers.items() if k not in ("Authorization", "Cookie")}
        elif credentials := self._credentials(place):
            headers.setdefault("Authorization", credentials.content)
        jar = self._cookies.items()
        cookies = [f"{name}={value}" for (host, name), value in jar if host == place.host]
        if cookies:
            headers["Cookie"] = "; ".join([*filter(None, [headers.get("Cookie")]), *cookies])
        return headers

    def _credentials(self, place: Place) -> Secret | None:
        if place.user is not None:
            password = Secret(place.password or "", masked=True)
            return BasicAuth(username=place.user, password=password).header()
        return self._module.credentials()

    def _take_cookies(self, place: Place, reply: Reply) -> None:
        for value in reply.values("set-cookie"):
            name, separator, content = value.partition(";")[0].partition("=")
            if separator:
                self._cookies[place.host, name.strip()] = content.strip()

    def _add_times(self, outcome: Outcome) -> None:
        resolve, connect, tls, send, first_byte, transfer = outcome.phases
        processing = (send or 0.0) + (first_byte or 0.0)
        times = (resolve, connect, tls, processing, transfer)
        for phase, seconds in zip(_PHASES, times, strict=True):
            self._findings.add("probe_http_duration_seconds", seconds or 0.0, phase=phase)

    async def _conclude(self, place: Place, reply: Reply, run: Run, *, final: bool) -> bool:
        judgement, length = await asyncio.to_thread(judge, self._module, reply, final=final)
        findings = self._findings
        findings.set("probe_http_status_code", reply.status)
        findings.set("probe_http_version", float(reply.version))
        findings.set("probe_http_content_length", reply.content_length)
        findings.set("probe_http_uncompressed_body_length", length)
        findings.set("probe_failed_due_to_regex", judgement.by_pattern)
        if reply.last_modified is not None:
            findings.set("probe_http_last_modified_timestamp_seconds", reply.last_modified)
        good = judgement.good
        if not good:
            findings.log(judgement.why, status_code=reply.status)
        return self._judge_tls(run.session if place.scheme == "https" else None) and good

    def _judge_tls(self, session: TlsSession | None) -> bool:
        if session is None:
            if self._module.fail_if_not_ssl:
                self._findings.log("Final request was not over SSL", "error")
            return not self._module.fail_if_not_ssl
        self._findings.set("probe_http_ssl", 1)
        self._findings.saw_tls(session)
        if self._module.fail_if_ssl:
            self._findings.log("Final request was over SSL", "error")
        return not self._module.fail_if_ssl


def _titled(headers: dict[str, str]) -> dict[str, str]:
    """Return headers with their names as in Go: each part capitalized."""
    return {
        "-".join(part.capitalize() for part in name.split("-")): value
        for name, value in headers.items()
    }
