"""What handlers find in the application: typed keys, and the clocks that they read."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from aiohttp import web

from prober.state.history import History
from prober.state.last_known import LastKnown
from prober.state.store import Key, Store
from prober.state.vitals import Vitals


class Moment(NamedTuple):
    """One instant: `wall` in unix seconds, `clock` on the monotonic clock of `next_due`."""

    wall: float
    clock: float


class Clocks(NamedTuple):
    """Where the time comes from."""

    wall: Callable[[], float]
    clock: Callable[[], float]

    def now(self) -> Moment:
        """Read both clocks."""
        return Moment(self.wall(), self.clock())


class Lifecycle(NamedTuple):
    """What may be done to the daemon over HTTP; `reload` is None where that is switched off.

    `reload` returns the problems of a configuration that was not taken, or nothing; `is_on` tells
    whether it may be called now.
    """

    reload: Callable[[], Awaitable[list[str]]] | None
    is_on: Callable[[], bool] = lambda: True


class Probing(NamedTuple):
    """Who probes; `probe_now` is `Scheduler.probe_now`, None where nothing is probed."""

    probe_now: Callable[[Key, Callable[[], None]], float | None] | None


class PageSettings(NamedTuple):
    """How the page shows itself: its title, and whether everybody may see it.

    What everybody sees has no addresses, details, errors or configuration in it.
    """

    title: str = ""
    public: bool = False


class Facade(NamedTuple):
    """Where the page's settings come from: a reload may change them."""

    front: Callable[[], PageSettings]


class Past(NamedTuple):
    """What is kept of the past; `history` is None where nothing is kept on disk."""

    history: History | None


STORE = web.AppKey("STORE", Store)
VITALS = web.AppKey("VITALS", Vitals)
CLOCKS = web.AppKey("CLOCKS", Clocks)
LIFECYCLE = web.AppKey("LIFECYCLE", Lifecycle)
PROBING = web.AppKey("PROBING", Probing)
FACADE = web.AppKey("FACADE", Facade)
HISTORY = web.AppKey("HISTORY", Past)
KNOWN = web.AppKey("KNOWN", LastKnown)
