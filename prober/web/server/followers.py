"""Streams of server-sent events, which do not end by themselves, and the clients that follow them.

Source: WHATWG HTML, section 9.2 (server-sent events).
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress

from aiohttp import ClientConnectionError, hdrs, web

RETRY = "retry: 2000\n"
"""The first line of a stream: milliseconds after which a browser reconnects."""
_HEADERS = {
    hdrs.CONTENT_TYPE: "text/event-stream",
    "X-Accel-Buffering": "no",  # otherwise nginx holds back events until its buffer is full
}


class Follower:
    """One client of a stream, and whether the stream is over.

    `wake` is set when there is something to send, and cleared by the function that feeds it.
    """

    def __init__(self, request: web.Request) -> None:
        self.wake = asyncio.Event()
        self._over = asyncio.Event()
        self.response = web.StreamResponse(headers=_HEADERS)
        self._request = request
        self._writing = False

    async def write(self, text: str) -> None:
        """Send text, waiting if the client reads slowly."""
        self._writing = True
        await self.response.write(text.encode(errors="replace"))
        self._writing = False

    @property
    def ended(self) -> bool:
        """Whether the stream is over."""
        return self._over.is_set()

    async def is_woken(self, seconds: float) -> bool:
        """Wait for a wake-up for at most this time; return whether there was one."""
        return await _is_set(self.wake, seconds)

    async def rest(self, seconds: float) -> None:
        """Wait for this time, or until the stream is over."""
        await _is_set(self._over, seconds)

    def end(self) -> None:
        """End the stream at once, even if the client reads nothing."""
        self._over.set()
        self.wake.set()
        if self._writing and self._request.transport:
            self._request.transport.abort()


async def _is_set(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False


class Followers:
    """All clients of one kind of stream."""

    def __init__(self) -> None:
        self._all: set[Follower] = set()

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Follower]:
        return iter(self._all)

    def end(self) -> None:
        """End all streams at once; clients may reconnect."""
        for follower in self._all:
            follower.end()

    async def serve(
        self, request: web.Request, feed: Callable[[Follower], Awaitable[None]]
    ) -> web.StreamResponse:
        """Answer with a stream that `feed` writes until the follower has ended or disconnected."""
        follower = Follower(request)
        await follower.response.prepare(request)
        if request.method != hdrs.METH_HEAD:
            self._all.add(follower)
            try:
                with suppress(ClientConnectionError):
                    await feed(follower)
            finally:
                self._all.remove(follower)
        return follower.response
