"""Kubernetes: the readiness of a selector-less Service's endpoints, as EndpointSlices.

For each pool the Service of the pool's name gets slices of prober's own, written by server-side
apply with a field manager of its own (Kubernetes documentation: EndpointSlices, Server-Side Apply).
Backends of one address family and one port share a slice, as all endpoints of a slice must.
"""

import asyncio
import json
import re
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any, ClassVar

from prober.files.bounded import aside
from prober.files.regular import read_in_time
from prober.model.admin import AdminState
from prober.model.file_kinds import PEM_FILE, SECRET, Secret
from prober.model.kinds import matching
from prober.model.known_status import ServedBackend
from prober.model.option import option, section
from prober.outputs.alertmanager import HTTP_URL
from prober.outputs.envoy_eds import Assignments, is_address
from prober.outputs.output import Desk, Feed, keep_option
from prober.outputs.posting import POST_ERRORS, Poster, PostFailed

MANAGER = "prober"
"""The field manager of the slices, and the value of their label `managed-by`."""
TIMEOUT = 10.0
"""Seconds to wait for an answer of the API server."""
RETRY = (1.0, 60.0)
"""Seconds until a failed write is retried: the first time, and at most."""
MOST_ENDPOINTS = 1000
"""Maximum endpoints of one slice; the API server enforces it."""
_TOKEN_LIMIT = 64 * 1024
_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
_NAME = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_NAMESPACE = matching(_NAME, "the name of a namespace", longest=63)

Json = dict[str, Any]

_SERVICE = "kubernetes.io/service-name"
_OUT = {"ready": False, "serving": False, "terminating": False}


def endpoint_json(backend: ServedBackend) -> Json:
    """Return an endpoint; a drained one is still serving, but not ready."""
    draining = backend.admin is AdminState.DRAIN
    up = backend.known is None or backend.known.status.in_service
    return {
        "addresses": [str(ip_address(backend.backend.address))],
        "conditions": {
            "ready": backend.in_service is True,
            "serving": (draining and up) or backend.in_service is True,
            "terminating": draining,
        },
    }


def slices_of(pool: str, namespace: str, backends: Iterable[ServedBackend]) -> dict[str, Json]:
    """Return the slices of a pool by name; backends without an address or port are left out."""
    groups: dict[tuple[str, int], list[ServedBackend]] = {}
    for each in backends:
        if is_address(each.backend.address) and each.backend.port:
            family = f"IPv{ip_address(each.backend.address).version}"
            groups.setdefault((family, each.backend.port), []).append(each)
    found: dict[str, Json] = {}
    for (family, port), members in groups.items():
        for start in range(0, len(members), MOST_ENDPOINTS):
            number = f"-{start // MOST_ENDPOINTS}" if start else ""
            name = f"{pool}-{MANAGER}-{family.lower()}-{port}{number}"
            found[name] = {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {
                    "name": name,
                    "namespace": namespace,
                    "labels": {
                        _SERVICE: pool,
                        "endpointslice.kubernetes.io/managed-by": MANAGER,
                    },
                },
                "addressType": family,
                "ports": [{"name": "", "port": port, "protocol": "TCP"}],
                "endpoints": [
                    endpoint_json(each) for each in members[start : start + MOST_ENDPOINTS]
                ],
            }
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiServer:
    """How to reach the API server; the defaults are those inside a pod."""

    url: str = option(
        HTTP_URL, default="https://kubernetes.default.svc", doc="address of the API server"
    )
    token: Secret | None = option(
        SECRET, default=None, secret=True, doc="bearer token; default: the service account's"
    )
    ca_file: str | None = option(
        PEM_FILE, default=None, doc="CA certificate of the server; default: the service account's"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class KubernetesOutput:
    """Write the EndpointSlices of Services without a selector; a pool has its Service's name."""

    errors: ClassVar[tuple[str, ...]] = (*POST_ERRORS, "name")

    namespace: str = option(_NAMESPACE, doc="namespace of the Services")
    api: ApiServer = option(section(ApiServer), default=ApiServer(), doc="the API server")
    keep: float = keep_option()

    @asynccontextmanager
    async def run(self, desk: Desk) -> AsyncIterator[None]:
        """Write slices while the context lasts; its end removes none."""
        async with (
            Poster(timeout=TIMEOUT, tls=self._tls) as poster,
            desk.following(_Slices(self, desk, poster).follow),
        ):
            yield

    def _tls(self) -> ssl.SSLContext | None:
        if not self.api.url.startswith("https:"):
            return None
        default = Path(_ACCOUNT, "ca.crt")
        file = self.api.ca_file or (str(default) if default.exists() else None)
        return ssl.create_default_context(cafile=file)

    def headers(self) -> Mapping[str, str]:
        """Return the headers of a request; the service account's token is read every time."""
        token = self.api.token.content if self.api.token else ""
        if not token:
            with suppress(OSError):  # it is renewed every hour
                content = read_in_time(f"{_ACCOUNT}/token", _TOKEN_LIMIT)
                token = content.decode("ascii").strip()
        authorization = {"Authorization": f"Bearer {token}"} if token else {}
        return {"Content-Type": "application/apply-patch+yaml", **authorization}


class _Slices:
    """The slices that were written, and the pools that wait to be written."""

    def __init__(self, settings: KubernetesOutput, desk: Desk, poster: Poster) -> None:
        self._settings = settings
        self._desk = desk
        self._poster = poster
        self._assignments = Assignments(desk, settings.keep)
        self._written: dict[str, dict[str, Json]] = {}
        self._remembered = desk.memory.recall()
        for content in self._remembered.values():
            if (found := _recalled(content)) is not None:
                pool, old = found
                self._written.setdefault(pool, {})[old["metadata"]["name"]] = old
        self._waiting: dict[str, None] = {}
        desk.measure_queue(lambda: len(self._waiting))

    async def follow(self, feed: Feed) -> None:
        """Write changes until the task is cancelled; failed writes wait for a retry."""
        (delay, most), clock = RETRY, asyncio.get_running_loop().time
        again = clock() + delay
        while True:
            try:
                async with asyncio.timeout_at(again if self._waiting else None):
                    names = await feed.take()
            except TimeoutError:
                names, delay = list(self._waiting), min(2 * delay, most)
                again = clock() + delay
            if not self._waiting:
                delay = RETRY[0]
                again = clock() + delay
            self._assignments.update(names)
            self._waiting.update(dict.fromkeys(names))
            for name in names:
                if await self._write(name):
                    del self._waiting[name]

    async def _write(self, pool: str) -> bool:
        """Write the slices of a pool; return whether all writes succeeded."""
        backends = self._assignments.backends(pool)
        if not backends:
            return True
        if not re.fullmatch(_NAME, pool):
            self._desk.failed("name", f"pool {pool!r} is not a valid Service name")
            return True
        wanted = slices_of(pool, self._settings.namespace, backends.values())
        written = self._written.setdefault(pool, {})
        gone = {name: _out_of_service(old) for name, old in written.items() if name not in wanted}
        return await self._write_slices(written, {**wanted, **gone})

    async def _write_slices(self, written: dict[str, Json], every: Mapping[str, Json]) -> bool:
        namespace = self._settings.namespace
        for name, wanted in every.items():
            if written.get(name) == wanted:
                continue
            path = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices/{name}"
            url = f"{self._settings.api.url.rstrip('/')}{path}?fieldManager={MANAGER}&force=true"
            try:
                await self._poster.post(
                    url,
                    json.dumps(wanted).encode(),
                    method="PATCH",
                    headers=await aside(self._settings.headers),
                )
            except PostFailed as failed:
                self._desk.failed(failed.reason, f"{name}: {failed}")
                return False
            written[name] = wanted
            self._remember(name, wanted)
            self._desk.succeeded()
        return True

    def _remember(self, name: str, wanted: Json) -> None:
        """Remember the endpoints of a slice, so that they can be taken out after a restart."""
        content = _without_conditions(wanted)
        if self._remembered.get(name) != content:
            self._remembered = {**self._remembered, name: content}
            self._desk.memory.remember(name, content)


def _without_conditions(wanted: Json) -> Json:
    endpoints = [{"addresses": each["addresses"]} for each in wanted["endpoints"]]
    return {**wanted, "endpoints": endpoints}


def _recalled(content: Any) -> tuple[str, Json] | None:
    """Return the pool and the slice that were remembered, or None if the content is invalid."""
    try:
        pool, name = content["metadata"]["labels"][_SERVICE], content["metadata"]["name"]
        addresses = [each["addresses"] for each in content["endpoints"]]
    except (KeyError, TypeError):
        return None
    if not (isinstance(pool, str) and isinstance(name, str)):
        return None
    return (pool, content) if all(isinstance(each, list) for each in addresses) else None


def _out_of_service(old: Json) -> Json:
    """Return a slice without its backends: its endpoints get no more traffic."""
    endpoints = [{**each, "conditions": _OUT} for each in old["endpoints"]]
    return {**old, "endpoints": endpoints}
