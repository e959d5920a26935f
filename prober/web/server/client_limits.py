"""Bounds on what a client may hold: a connection of the API, its time and its bodies.

A client that sends nothing, too slowly, or takes nothing loses its connection. What is answered
slowly by design, such as the stream of events, may last.
"""

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple, cast

from aiohttp import hdrs, web
from aiohttp.http import HttpProcessingError
from aiohttp.typedefs import Handler

from prober.web.server import reserve
from prober.web.server.errors import error_response

_LINGER = 2.0  # seconds in which the rest of a body that nobody wants is taken and thrown away
_SHOWN = 100  # characters of a parser's complaint


class Limits(NamedTuple):
    """What a client may hold.

    Times are in seconds: `headers` from the connection, or from the first byte of a further
    request, to the end of its headers; `idle` between two requests; `body` from the headers to
    the end of the body; `stall` without taking anything of an answer. `reserved` connections come
    on top of the others, for what is vital.
    """

    headers: float = 10.0
    idle: float = 75.0
    body: float = 30.0
    stall: float = 60.0
    connections: int = 256
    per_peer: int = 32
    reserved: int = reserve.PLACES

    def of_peer(self, peer: str) -> int:
        """Return the connections that one peer may have.

        Page, Prometheus, command line and often a proxy share the loopback address: it has all
        but a share for others.
        """
        if is_local(peer):
            return max(self.connections - self.per_peer, self.connections // 2)
        return min(self.connections, self.per_peer)


def is_local(peer: str) -> bool:
    """Return whether a peer is this machine."""
    return peer == "::1" or peer.startswith("127.")


class _Alarm:
    """Calls something after some seconds, unless it is stopped before."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, seconds: float, call: Callable[[], None]
    ) -> None:
        self._loop = loop
        self._seconds = seconds
        self._call = call
        self._timer: asyncio.TimerHandle | None = None

    def set(self) -> None:
        """Begin to count, unless that has begun already."""
        if self._timer is None:
            self._timer = self._loop.call_later(self._seconds, self._call)

    def stop(self) -> None:
        """Do not call."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class GuardedConnection(web.RequestHandler):
    """One connection of a client, which may not keep it waiting.

    Args:
        server: The server of the application.
        loop: The event loop.
        limits: What the client may hold.
        peer: Who counts as one client.
        admits: For a connection in reserve: decides on the path of its request. None for others.
        welcome: Tells by the transport, once TLS is spoken, whether the client may come in.
        left: Is called when the connection has ended.
    """

    def __init__(
        self,
        server: web.Server,
        *,
        loop: asyncio.AbstractEventLoop,
        limits: Limits,
        peer: str,
        welcome: Callable[[asyncio.BaseTransport], bool],
        left: Callable[["GuardedConnection"], None],
        admits: Callable[["GuardedConnection", str], bool] | None = None,
    ) -> None:
        super().__init__(
            server,
            loop=loop,
            access_log=None,  # type: ignore[arg-type]  # aiohttp takes None for none
            keepalive_timeout=limits.idle,
            lingering_time=0 if admits else _LINGER,
            auto_decompress=False,
        )
        self.limits = limits
        self.peer = peer
        self.entered_at = loop.time()
        self.idle_since: float | None = self.entered_at
        self.scrapes = False
        self._admits = admits
        self._welcome = welcome
        self._left = left
        self._time = loop.time
        self._wire: asyncio.Transport | None = None
        self._unwanted = False
        self._late = _Alarm(loop, limits.headers, self.drop)
        self._stalled = _Alarm(loop, limits.stall, self._drop_if_stalled)
        self._unsent = 0
        self._late.set()

    @property
    def is_met(self) -> bool:
        """Whether the client is connected, TLS included."""
        return self._wire is not None

    @property
    def is_reserved(self) -> bool:
        """Whether there was no room for it but in the reserve."""
        return self._admits is not None

    def admits(self, path: str) -> bool:
        """Return whether a request for this path is answered here."""
        return self._admits is None or self._admits(self, path)

    def began(self) -> None:
        """Note that the headers are there: from now on the answer may take its time."""
        self.idle_since = None
        self._late.stop()

    def drop(self) -> None:
        """End the connection at once, whatever is under way."""
        self._unwanted = True
        if self._wire is not None:
            self._wire.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, unless it is too late or the client's certificate is of no use."""
        self._wire = cast("asyncio.Transport", transport)
        if not self._unwanted and self._welcome(transport):
            super().connection_made(transport)
        else:
            self.drop()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget the client."""
        self._late.stop()
        self._stalled.stop()
        self._left(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes; those of a further request start the clock for its headers."""
        if self.idle_since is not None:
            self._late.set()
        super().data_received(data)

    def pause_writing(self) -> None:
        """Wait for a client that is slow to take an answer, but not for ever."""
        super().pause_writing()
        self._unsent = self._left_to_send()
        self._stalled.set()

    def resume_writing(self) -> None:
        """Go on: the client has taken most of what was waiting for it."""
        self._stalled.stop()
        super().resume_writing()

    def _left_to_send(self) -> int:
        return self._wire.get_write_buffer_size() if self._wire is not None else 0

    def _drop_if_stalled(self) -> None:
        before, self._unsent = self._unsent, self._left_to_send()
        if self._unsent < before:
            self._stalled.stop()
            self._stalled.set()
        else:
            self.drop()

    async def finish_response(self, *arguments: Any) -> tuple[web.StreamResponse, bool]:
        """Send the rest of an answer; afterwards the connection is idle."""
        try:
            return await super().finish_response(*arguments)
        finally:
            self._late.stop()
            self.idle_since = self._time()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is not HTTP in a few words, and without a traceback in the log."""
        if not isinstance(exc, HttpProcessingError):
            return super().handle_error(request, status, exc, message)
        response = error_response(400, f"not valid HTTP: {exc.message.splitlines()[0][:_SHOWN]}")
        response.headers.update({hdrs.SERVER: "prober", hdrs.CACHE_CONTROL: "no-store"})
        response.force_close()
        return response


@web.middleware
async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Tell the connection that a request has begun; in reserve, answer only what is vital."""
    connection = request.protocol
    if not isinstance(connection, GuardedConnection):
        return await handler(request)
    connection.began()
    if not connection.is_reserved:
        return await handler(request)
    if connection.admits(request.path):
        response = await handler(request)
    else:
        response = error_response(503, "too many connections; try again later")
        response.headers[hdrs.RETRY_AFTER] = "1"
    response.force_close()
    return response


def limits_of(request: web.BaseRequest) -> Limits:
    """Return what the client that sent a request may hold."""
    protocol = request.protocol
    return protocol.limits if isinstance(protocol, GuardedConnection) else Limits()
