"""The pulse of the page: that something has changed, at most twice a second, whatever it was.

A page asks for itself again then, so it needs to know no more; of a thousand changes a second it is
sent two lines.
"""

from aiohttp import web

from prober.state.events import Event, EventLog
from prober.web.server.followers import RETRY, Follower, Followers

BEAT = 5.0
"""Seconds after which a pulse shows that the prober lives although nothing has changed."""
REST = 0.5
"""Seconds between two changes that are told."""

_ALIVE = "event: alive\ndata:\n\n"  # an event without data would not be dispatched
_CHANGED = "event: changed\ndata:\n\n"


class Pulses:
    """The pages that are open and listen."""

    def __init__(self, log: EventLog, *, beat: float = BEAT, rest: float = REST) -> None:
        self._log = log
        self._beat = beat
        self._rest = rest
        self._followers = Followers()

    def __len__(self) -> int:
        return len(self._followers)

    def end(self) -> None:
        """End every pulse at once."""
        self._followers.end()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Tell a page of changes as long as it listens."""
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
    """Whether anything has changed, live, for the status page (server-sent events)."""
    return await request.app[PULSES].serve(request)
