"""The services that the daemon gives to the application, for its handlers."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from aiohttp import web

from prober.blackbox.request import ProbeAnswer, ProbeRequest
from prober.edits.contract import Editor
from prober.model.notice import Notice
from prober.model.reach import Network
from prober.state.check_state import Key
from prober.state.history import History
from prober.state.last_known import LastKnown
from prober.state.notices import Notices
from prober.state.pool_watch import PoolWatch
from prober.state.slots import Slot
from prober.state.store import Store
from prober.state.vitals import Vitals
from prober.web.server.callers import Access

if TYPE_CHECKING:
    from prober.outputs.envoy_eds import EndpointDiscovery

FROM_MEMBER = "X-Prober-Member"
"""The header with which a member of a cluster asks another: it is not asked in turn."""
HEARTBEAT = 15.0
"""Seconds after which a silent event stream sends a comment."""


class Moment(NamedTuple):
    """One instant: `wall` in unix seconds, `clock` on the monotonic clock of `next_due`."""

    wall: float
    clock: float


class OtherMembers(Protocol):
    """The other members of a cluster."""

    async def answer(self, key: Key) -> Mapping[str, Any] | None:
        """Return what the API of a check's owner says of it; None: it cannot be reached."""

    async def probe(self, key: Key, seconds: float) -> tuple[int, Any] | None:
        """Have its owner probe a check; return status and JSON of the answer, None without one."""

    async def refresh(self, keys: Iterable[Key]) -> None:
        """Bring the last results of these checks up to date where other members probe them."""

    async def slots(self, key: Key, times: range) -> list[Sequence[Slot]]:
        """Return what each other member has recorded of a check or a pool."""


class PageSettings(NamedTuple):
    """The settings of the page: its title, and whether it is public.

    A public page hides addresses, details, errors and configuration. `base` is the path or URL at
    which a proxy serves it; `trusted_proxies` are the networks of proxies that are believed.
    `notices` are for the readers of a public page.
    """

    title: str = ""
    public: bool = False
    base: str = ""
    trusted_proxies: tuple[Network, ...] = ()
    notices: tuple[Notice, ...] = ()


ProbeOnDemand = Callable[[ProbeRequest], Awaitable[ProbeAnswer]]
"""Makes the probe that `GET /probe` asks for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What an application shows, and what it can ask the daemon to do; None: not available.

    Attributes:
        store: The state of all checks.
        vitals: The state of the daemon itself.
        known: The last known status of each backend.
        pools: The summaries of all pools.
        wall: Returns unix time.
        clock: Returns the monotonic time of `CheckState.next_due`.
        history: The stored history.
        access: Who may call.
        notices: The notices that were published over the API.
        page: Returns the current settings of the page.
        public_gates: Returns whether gates answer without credentials.
        editor: Makes and lists edits.
        reload: Reloads the configuration and returns its problems, or nothing on success.
        allows_reload: Returns whether reloading over HTTP is currently enabled.
        probe_now: Probes a check now, as `Scheduler.probe_now`.
        on_demand: Returns what answers `GET /probe` at the moment.
        others: The other members of the cluster; None: there is no cluster.
        discovery: Returns the current source of answers for Envoy.
        heartbeat: Seconds after which a silent event stream sends a comment.
    """

    store: Store
    vitals: Vitals
    known: LastKnown
    pools: PoolWatch
    wall: Callable[[], float]
    clock: Callable[[], float]
    history: History | None = None
    access: Access = field(default_factory=Access)
    notices: Notices = field(default_factory=Notices)
    page: Callable[[], PageSettings] = PageSettings
    public_gates: Callable[[], bool] = lambda: False
    editor: Editor | None = None
    reload: Callable[[], Awaitable[list[str]]] | None = None
    allows_reload: Callable[[], bool] = lambda: True
    probe_now: Callable[[Key, Callable[[], None]], float | None] | None = None
    others: OtherMembers | None = None
    on_demand: Callable[[], ProbeOnDemand | None] = lambda: None
    discovery: "Callable[[], EndpointDiscovery | None]" = lambda: None
    heartbeat: float = HEARTBEAT

    def now(self) -> Moment:
        """Read both clocks."""
        return Moment(self.wall(), self.clock())


SERVICES = web.AppKey("SERVICES", Services)


def services_of(request: web.Request) -> Services:
    """Return the services of the application that handles a request."""
    return request.app[SERVICES]
