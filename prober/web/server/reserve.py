"""Connections in reserve: for liveness, readiness and scrapes, when clients hold all others.

What a client requests is known only when its headers have arrived. So a connection that finds no
room enters the reserve: it has a moment to send its request, gets one answer if that is vital, and
ends. Any other request is answered 503.
"""

from collections.abc import Iterable
from typing import Generic, NamedTuple, Protocol, TypeVar

SCRAPES = "/metrics"
GATES = "/health/"
"""Where the paths of the pools' health gates start: the readiness of pods and of load balancers."""
LIVENESS = ("/-/healthy", "/-/ready")

PLACES = 16
"""Number of connections in reserve, at most half of them for scrapes."""
GRACE = 0.1
"""Seconds that a connection has for its headers while others wait for its place."""
SLOW = 10.0
"""Seconds after which a scrape has to make room for another."""


class ReserveMember(Protocol):
    """A connection, as far as the reserve needs one.

    `idle_since` is since when it has waited for headers, None while it is answered; `entered_at`
    is when it came, `scrapes` whether it is being answered with metrics.
    """

    peer: str
    idle_since: float | None
    entered_at: float
    scrapes: bool


M = TypeVar("M", bound=ReserveMember)


class ReservePlace(NamedTuple, Generic[M]):
    """Whether there is a place, and which connection has to leave for it."""

    free: bool
    victim: M | None = None


def place_for(
    peer: str, inside: Iterable[M], places: int, now: float, *, local: bool
) -> ReservePlace[M]:
    """Decide on a connection of this peer; one that is not `local` gets a quarter of the places."""
    everybody = list(inside)
    own = [each for each in everybody if each.peer == peer]
    if not local and len(own) >= max(1, places // 4):
        crowd = own
    elif len(everybody) >= places:
        crowd = everybody
    else:
        return ReservePlace(free=True)
    victim = first_to_leave(crowd, now)
    return ReservePlace(victim is not None, victim)


def first_to_leave(crowd: Iterable[M], now: float) -> M | None:
    """Return who has waited for its headers for longest, or scrapes too slowly; None: nobody."""
    leaving = [
        (each.idle_since is None, each.entered_at, number, each)
        for number, each in enumerate(crowd)
        if (each.idle_since is not None and now - each.idle_since > GRACE)
        or (each.scrapes and now - each.entered_at > SLOW)
    ]
    return min(leaving)[-1] if leaving else None


def is_vital(path: str) -> bool:
    """Return whether a request for this path is answered in reserve."""
    return path in LIVENESS or path == SCRAPES or path.startswith(GATES)


def may_scrape(inside: Iterable[ReserveMember], places: int) -> bool:
    """Return whether one more of these connections may be answered with metrics."""
    return sum(each.scrapes for each in inside) < max(1, places // 2)
