"""Limits on the resources of a client: connections, time and bodies.

A client that sends nothing, sends too slowly, or does not read the answer is disconnected. Answers
that are slow by design, such as event streams, may take their time.
"""

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple, cast

from aiohttp import hdrs, web
from aiohttp.http import HttpProcessingError
from aiohttp.typedefs import Handler

from prober.web.server import reserve
from prober.web.server.errors import error_response

_LINGER = 2.0  # seconds in which to receive and discard the rest of an unread body
_SHOWN = 100  # characters of a parser's message


class Limits(NamedTuple):
    """The limits on a client.

    Times are in seconds: `headers` from the connection, or from the first byte of a further
    request, to the end of its headers; `idle` between two requests; `body` from the headers to
    the end of the body; `stall` without reading any of a response. `reserved` connections are
    additional, for vital requests.
    """

    headers: float = 10.0
    idle: float = 75.0
    body: float = 30.0
    stall: float = 60.0
    connections: int = 256
    per_peer: int = 32
    reserved: int = reserve.PLACES

    def of_peer(self, peer: str) -> int:
        """Return the maximum number of connections of a peer.

        The page, Prometheus, the command line and often a proxy share the loopback address, so it
        gets all connections except a share for others.
        """
        if is_local(peer):
            return max(self.connections - self.per_peer, self.connections // 2)
        return min(self.connections, self.per_peer)


def is_local(peer: str) -> bool:
    """Return whether a peer is this machine."""
    return peer == "::1" or peer.startswith("127.")


class _Alarm:
    """Calls a function after a time, unless it is stopped before."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, seconds: float, call: Callable[[], None]
    ) -> None:
        self._loop = loop
        self._seconds = seconds
        self._call = call
        self._timer: asyncio.TimerHandle | None = None

    def set(self) -> None:
        """Start the timer, unless it is running already."""
        if self._timer is None:
            self._timer = self._loop.call_later(self._seconds, self._call)

    def stop(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class LimitedConnection(web.RequestHandler):
    """One connection of a client, with limits on its times.

    Args:
        server: The server of the application.
        loop: The event loop.
        limits: The limits on the client.
        peer: The address that counts as one client.
        admits: For a reserved connection, decides about the path of its request; otherwise None.
        welcome: Returns whether the client is accepted, given the transport after TLS.
        left: Called when the connection has ended.
    """

    def __init__(
        self,
        server: web.Server,
        *,
        loop: asyncio.AbstractEventLoop,
        limits: Limits,
        peer: str,
        welcome: Callable[[asyncio.BaseTransport], bool],
        left: Callable[["LimitedConnection"], None],
        admits: Callable[["LimitedConnection", str], bool] | None = None,
    ) -> None:
        super().__init__(
            server,
            loop=loop,
            access_log=None,  # type: ignore[arg-type]  # aiohttp accepts None for no log
            keepalive_timeout=limits.idle,
            lingering_time=0 if admits else _LINGER,
            auto_decompress=False,
        )
        self.limits = limits
        self.peer = peer
        self.entered_at = loop.time()
        self.idle_since: float | None = self.entered_at
        self.scrapes = False
        self._heard = False
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
        """Whether the client is connected, including TLS."""
        return self._wire is not None

    @property
    def is_reserved(self) -> bool:
        """Whether there was no room for it but in the reserve."""
        return self._admits is not None

    def admits(self, path: str) -> bool:
        """Return whether a request for this path is answered here."""
        return self._admits is None or self._admits(self, path)

    def began(self) -> None:
        """Note that the headers are complete; the answer may now take its time."""
        self.idle_since = None
        self._late.stop()

    def drop(self) -> None:
        """End the connection at once, whatever is in progress."""
        self._unwanted = True
        if self._wire is not None:
            self._wire.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start, unless it is too late or the client's certificate is not accepted."""
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
        """Receive bytes; those of a further request start the time limit for its headers."""
        if self.idle_since is not None:
            self._late.set()
            if not self._heard:  # what it sends first buys it a moment, what follows does not
                self._heard, self.idle_since = True, self._time()
        super().data_received(data)

    def pause_writing(self) -> None:
        """Wait for a client that reads slowly, but not forever."""
        super().pause_writing()
        self._unsent = self._left_to_send()
        self._stalled.set()

    def resume_writing(self) -> None:
        """Continue: the client has read most of what was waiting."""
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
        """Send the rest of an answer; after that, the connection is idle."""
        try:
            return await super().finish_response(*arguments)
        finally:
            self._late.stop()
            self._heard, self.idle_since = False, self._time()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer a request that is not HTTP briefly, without a traceback in the log."""
        if not isinstance(exc, HttpProcessingError):
            return super().handle_error(request, status, exc, message)
        response = error_response(400, f"not valid HTTP: {exc.message.splitlines()[0][:_SHOWN]}")
        response.headers.update({hdrs.SERVER: "prober", hdrs.CACHE_CONTROL: "no-store"})
        response.force_close()
        return response


@web.middleware
async def within_limits(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Tell the connection that a request has started; if reserved, answer only vital requests."""
    connection = request.protocol
    if not isinstance(connection, LimitedConnection):
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
    """Return the limits on the client that sent a request."""
    protocol = request.protocol
    return protocol.limits if isinstance(protocol, LimitedConnection) else Limits()
