"""What the daemon gives the application, and handlers find there."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from aiohttp import web

from prober.blackbox.request import ProbeAnswer, ProbeRequest
from prober.edits.contract import Editor
from prober.outputs.envoy_eds import EndpointDiscovery
from prober.state.history import History
from prober.state.last_known import LastKnown
from prober.state.store import Key, Store
from prober.state.vitals import Vitals
from prober.web.server.callers import Access

HEARTBEAT = 15.0
"""Seconds after which a silent event stream shows that it lives."""


class Moment(NamedTuple):
    """One instant: `wall` in unix seconds, `clock` on the monotonic clock of `next_due`."""

    wall: float
    clock: float


class PageSettings(NamedTuple):
    """The settings of the page: its title, and whether it is public.

    A public page hides addresses, details, errors and configuration.
    """

    title: str = ""
    public: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What an application shows and what it may ask for; None where there is no such thing.

    Attributes:
        store: The state of all checks.
        vitals: How the daemon itself is.
        known: What is known of each backend.
        wall: Returns unix time.
        clock: Returns the monotonic time of `CheckState.next_due`.
        history: What was written of the past.
        access: Who may call.
        page: Returns how the page shows itself, as it is configured now.
        editor: Makes edits, and knows those that there are.
        reload: Reads the configuration again and returns its problems, nothing if it was taken.
        allows_reload: Returns whether reloading over HTTP is on at the moment.
        probe_now: Has a check probed now, as `Scheduler.probe_now`.
        probe_on_demand: Answers `GET /probe`.
        discovery: Returns what answers Envoy at the moment.
        heartbeat: Seconds after which a silent event stream shows that it lives.
    """

    store: Store
    vitals: Vitals
    known: LastKnown
    wall: Callable[[], float]
    clock: Callable[[], float]
    history: History | None = None
    access: Access = field(default_factory=Access)
    page: Callable[[], PageSettings] = PageSettings
    editor: Editor | None = None
    reload: Callable[[], Awaitable[list[str]]] | None = None
    allows_reload: Callable[[], bool] = lambda: True
    probe_now: Callable[[Key, Callable[[], None]], float | None] | None = None
    probe_on_demand: Callable[[ProbeRequest], Awaitable[ProbeAnswer]] | None = None
    discovery: Callable[[], EndpointDiscovery | None] = lambda: None
    heartbeat: float = HEARTBEAT

    def now(self) -> Moment:
        """Read both clocks."""
        return Moment(self.wall(), self.clock())


SERVICES = web.AppKey("SERVICES", Services)


def services_of(request: web.Request) -> Services:
    """Return what the application of a request has."""
    return request.app[SERVICES]
