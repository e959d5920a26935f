"""The events live, as server-sent events.

No client has a queue of its own: each remembers the last event that it was sent, and reads on in
the log. One that falls so far behind that the log forgets what it misses is hung up on; it comes
back with its Last-Event-ID and is told to start afresh (`event: resync`).
"""

import asyncio
from contextlib import suppress

from aiohttp import ClientConnectionError, hdrs, web

from prober.state.events import CAPACITY, Event, EventLog
from prober.web.api.render import event_json
from prober.web.server.json_answer import json_text
from prober.web.server.query import read_query, whole_number

_LAST_EVENT_ID = whole_number(
    "last_event_id", 0, 10**18 - 1, "resume after this event; the header Last-Event-ID precedes"
)
STREAM_QUERY = (_LAST_EVENT_ID,)

_BATCH = 100
_MISSED = {"message": "events were missed; ask for the present state"}


class _Follower:
    """One client: the last event that it was sent, and whether its end has come."""

    def __init__(self, request: web.Request, sent: int) -> None:
        self.sent = sent
        self.ended = False
        self.wake = asyncio.Event()
        self.response = web.StreamResponse(headers={hdrs.CONTENT_TYPE: "text/event-stream"})
        self._request = request
        self._writing = False

    async def write(self, text: str) -> None:
        """Send text, waiting for a client that is slow to take it."""
        self._writing = True
        await self.response.write(text.encode(errors="replace"))
        self._writing = False

    def end(self) -> None:
        """End the stream at once, even if the client takes nothing."""
        self.ended = True
        self.wake.set()
        if self._writing and self._request.transport:
            self._request.transport.abort()


class Streams:
    """All clients that follow the events.

    `heartbeat` is the number of seconds after which a silent stream shows that it lives;
    `backlog` the number of events that a client may be behind.
    """

    def __init__(self, log: EventLog, *, heartbeat: float, backlog: int = CAPACITY) -> None:
        self._log = log
        self._heartbeat = heartbeat
        self._backlog = backlog
        self._followers: set[_Follower] = set()

    def __len__(self) -> int:
        return len(self._followers)

    def end(self) -> None:
        """End every stream at once."""
        for follower in self._followers:
            follower.end()

    async def serve(self, request: web.Request, last_seen: int | None) -> web.StreamResponse:
        """Send what came after an event, then all that comes."""
        follower = _Follower(request, self._log.last_id)
        greeting = f"retry: 2000\nid: {self._log.last_id}\n\n"
        if last_seen is not None and self._log.reaches_back_to(last_seen):
            follower.sent, greeting = last_seen, "retry: 2000\n\n"
        elif last_seen is not None:
            greeting += f"event: resync\ndata: {json_text(_MISSED)}\n\n"
        await follower.response.prepare(request)
        if request.method != hdrs.METH_HEAD:
            await self._follow(follower, greeting)
        return follower.response

    async def _follow(self, follower: _Follower, greeting: str) -> None:
        def notice(event: Event) -> None:
            follower.wake.set()
            if event.id - follower.sent > self._backlog:
                follower.end()

        self._followers.add(follower)
        try:
            with self._log.followed_by(notice), suppress(ClientConnectionError):
                await follower.write(greeting)
                while not follower.ended:
                    await self._feed(follower)
        finally:
            self._followers.remove(follower)

    async def _feed(self, follower: _Follower) -> None:
        """Send the next events, or wait for some."""
        follower.wake.clear()
        batch = self._log.after(follower.sent)[:_BATCH]
        if batch:
            await follower.write("".join(map(_event_text, batch)))
            follower.sent = batch[-1].id
            await asyncio.sleep(0)
            return
        try:
            async with asyncio.timeout(self._heartbeat):
                await follower.wake.wait()
        except TimeoutError:
            await follower.write(": heartbeat\n\n")


def _event_text(event: Event) -> str:
    return f"id: {event.id}\nevent: {event.kind}\ndata: {json_text(event_json(event))}\n\n"


STREAMS = web.AppKey("STREAMS", Streams)


async def get_stream(request: web.Request) -> web.StreamResponse:
    """Changes of status as they happen, as server-sent events."""
    last_seen = read_query(request, *STREAM_QUERY)["last_event_id"]
    header = request.headers.get("Last-Event-ID")
    if header is not None:
        last_seen = _LAST_EVENT_ID.value(header)
    return await request.app[STREAMS].serve(request, last_seen)
