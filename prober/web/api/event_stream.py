"""Events as they happen, as server-sent events.

Clients have no queues: each remembers the last event it was sent, and continues in the event log. A
client that falls so far behind that the log has dropped the next event is disconnected. It comes
back with its Last-Event-ID and is told to start over (`event: resync`).
"""

import asyncio

from aiohttp import web

from prober.state.events import CAPACITY, Event, EventLog
from prober.web.api.event_shapes import EVENT
from prober.web.server.followers import RETRY, Follower, Followers
from prober.web.server.json_answer import json_text
from prober.web.server.query import read_query, whole_number

_LAST_EVENT_ID = whole_number(
    "last_event_id", 0, 10**18 - 1, "resume after this event; Last-Event-ID takes precedence"
)
STREAM_QUERY = (_LAST_EVENT_ID,)

_BATCH = 100
_MISSED = {"message": "events were missed; request the current state"}


class Streams:
    """All clients that follow the events.

    A silent stream sends a comment every `heartbeat` seconds; `backlog` is the number of events by
    which a client may be behind.
    """

    def __init__(self, log: EventLog, *, heartbeat: float, backlog: int = CAPACITY) -> None:
        self._log = log
        self._heartbeat = heartbeat
        self._backlog = backlog
        self._followers = Followers()

    def __len__(self) -> int:
        return len(self._followers)

    def end(self) -> None:
        """End every stream at once."""
        self._followers.end()

    async def serve(self, request: web.Request, last_seen: int | None) -> web.StreamResponse:
        """Send the events after the last one seen, then new ones as they come."""
        sent, greeting = self._log.last_id, f"{RETRY}id: {self._log.last_id}\n\n"
        if last_seen is not None and self._log.reaches_back_to(last_seen):
            sent, greeting = last_seen, f"{RETRY}\n"
        elif last_seen is not None:
            greeting += f"event: resync\ndata: {json_text(_MISSED)}\n\n"

        async def feed(follower: Follower) -> None:
            await self._feed(follower, greeting, sent)

        return await self._followers.serve(request, feed)

    async def _feed(self, follower: Follower, greeting: str, sent: int) -> None:
        """Send what comes after the event with the id `sent`."""

        def notice(event: Event) -> None:
            follower.wake.set()
            if event.id - sent > self._backlog:
                follower.end()

        with self._log.followed_by(notice):
            await follower.write(greeting)
            while not follower.ended:
                follower.wake.clear()
                batch = self._log.after(sent)[:_BATCH]
                if batch:
                    await follower.write("".join(map(_event_text, batch)))
                    sent = batch[-1].id
                    await asyncio.sleep(0)
                elif not await follower.is_woken(self._heartbeat):
                    await follower.write(": heartbeat\n\n")


def _event_text(event: Event) -> str:
    return f"id: {event.id}\nevent: {event.kind}\ndata: {json_text(EVENT.render(event))}\n\n"


STREAMS = web.AppKey("STREAMS", Streams)


async def get_stream(request: web.Request) -> web.StreamResponse:
    """Status changes and other events as they happen, as server-sent events."""
    last_seen = read_query(request, *STREAM_QUERY)["last_event_id"]
    header = request.headers.get("Last-Event-ID")
    if header is not None:
        last_seen = _LAST_EVENT_ID.value(header)
    return await request.app[STREAMS].serve(request, last_seen)
