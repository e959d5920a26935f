"""`GET /metrics`: chooses the format, and sends a large scrape in pieces."""

import re
import zlib
from collections.abc import Iterable
from contextlib import suppress
from typing import Protocol

from aiohttp import ClientConnectionError, hdrs, web
from prometheus_client import exposition as plain
from prometheus_client.openmetrics import exposition as openmetrics

from prober.state.pace import Pace
from prober.web.metrics.check_metrics import Metrics
from prober.web.server.services import services_of

_PLAIN = plain.CONTENT_TYPE_PLAIN_0_0_4
_OPENMETRICS = openmetrics.CONTENT_TYPE_LATEST
_WEIGHT = re.compile(r"[01](?:\.[0-9]{0,3})?")
_SQUEEZE_FROM = 50  # checks: below, an answer fits into a few packets
_SEND_FROM = 65536
_GZIP = 31


class Squeeze(Protocol):
    """A compressor, such as that of zlib."""

    def compress(self, content: bytes, /) -> bytes:
        """Compress content; return what is ready."""

    def flush(self) -> bytes:
        """Return the rest."""


async def get_metrics(request: web.Request) -> web.StreamResponse:
    """All metrics, in Prometheus' text format or, if the client prefers it, in OpenMetrics."""
    as_openmetrics = prefers_openmetrics(_header(request, hdrs.ACCEPT))
    squeeze = _squeeze_for(request)
    response = web.StreamResponse(headers={hdrs.VARY: "Accept, Accept-Encoding"})
    response.headers[hdrs.CONTENT_TYPE] = _OPENMETRICS if as_openmetrics else _PLAIN
    if squeeze:
        response.headers[hdrs.CONTENT_ENCODING] = "gzip"
    await response.prepare(request)
    if request.method != hdrs.METH_HEAD:
        services = services_of(request)
        pieces = Metrics(services.store, services.vitals).pieces(as_openmetrics=as_openmetrics)
        with suppress(ClientConnectionError):
            await _send(response, pieces, squeeze)
    return response


def _header(request: web.Request, name: str) -> str:
    return ",".join(request.headers.getall(name, []))


def _squeeze_for(request: web.Request) -> Squeeze | None:
    is_large = len(services_of(request).store) >= _SQUEEZE_FROM
    if is_large and _weights(_header(request, hdrs.ACCEPT_ENCODING)).get("gzip", 0.0) > 0:
        return zlib.compressobj(level=1, wbits=_GZIP)
    return None


async def _send(
    response: web.StreamResponse, pieces: Iterable[str], squeeze: Squeeze | None
) -> None:
    """Send the pieces in larger chunks, compressed if requested, and let other tasks run."""
    pace, waiting, size = Pace(), list[str](), 0
    for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size >= _SEND_FROM:
            await response.write(_packed(waiting, squeeze))
            waiting, size = [], 0
        await pace.pause()
    last = _packed(waiting, squeeze)
    await response.write(last + squeeze.flush() if squeeze else last)


def _packed(pieces: list[str], squeeze: Squeeze | None) -> bytes:
    content = "".join(pieces).encode(errors="replace")
    return squeeze.compress(content) if squeeze else content


def prefers_openmetrics(accept: str) -> bool:
    """Return whether an Accept header asks for OpenMetrics at least as much as for plain text."""
    weights = _weights(accept)
    asked = weights.get("application/openmetrics-text", 0.0)
    return asked > 0 and asked >= weights.get("text/plain", 0.0)


def _weights(header: str) -> dict[str, float]:
    """Return the values of a header such as Accept, with weights (RFC 9110, section 12.4.2)."""
    weights: dict[str, float] = {}
    for part in header.lower().split(","):
        name, *parameters = (each.strip() for each in part.split(";"))
        found = [each[2:] for each in parameters if each.startswith("q=")]
        weight = float(found[0]) if found and _WEIGHT.fullmatch(found[0]) else 1.0
        weights[name] = max(weight, weights.get(name, 0.0))
    return weights
