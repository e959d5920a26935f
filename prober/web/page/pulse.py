"""The pulse: a stream that says, at most twice a second, that something has changed.

The page then loads itself again, so it needs no details: a thousand changes a second are two
lines.
"""

from aiohttp import web

from prober.state.events import Event, EventLog
from prober.web.server.followers import RETRY, Follower, Followers

BEAT = 5.0
"""Seconds without a change after which the stream sends a heartbeat."""
REST = 0.5
"""Minimum seconds between two messages about changes."""

_ALIVE = "event: alive\ndata:\n\n"  # an event without data would not be dispatched
_CHANGED = "event: changed\ndata:\n\n"


class Pulses:
    """The streams to all open pages."""

    def __init__(self, log: EventLog, *, beat: float = BEAT, rest: float = REST) -> None:
        self._log = log
        self._beat = beat
        self._rest = rest
        self._followers = Followers()

    def __len__(self) -> int:
        return len(self._followers)

    def end(self) -> None:
        """End every stream at once."""
        self._followers.end()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Send changes to a page while it is open."""
        return await self._followers.serve(request, self._feed)

    async def _feed(self, follower: Follower) -> None:
        def notice(_: Event) -> None:
            follower.wake.set()

        with self._log.followed_by(notice):
            await follower.write(f"{RETRY}{_ALIVE}")
            while not follower.ended:
                if await follower.is_woken(self._beat):
                    follower.wake.clear()
                    await follower.write(_CHANGED)
                    await follower.rest(self._rest)
                else:
                    await follower.write(_ALIVE)


PULSES = web.AppKey("PULSES", Pulses)


async def get_pulse(request: web.Request) -> web.StreamResponse:
    """Whether anything has changed, as server-sent events for the status page."""
    return await request.app[PULSES].serve(request)
