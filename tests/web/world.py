"""A prober without an engine: real state, fed by hand, on clocks that stand still."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp import web

from prober.model.cluster_view import ClusterView, MemberView
from prober.model.kernel_view import KernelView
from prober.model.monitor import Model, Monitor
from prober.model.option import ReadContext, section
from prober.model.pool import Backend, Pool
from prober.model.probe import Probe
from prober.model.status import NO_PHASES, FactValue, Outcome, Phases, Reason
from prober.probes import PROBE_TYPES
from prober.state.database import Database
from prober.state.history import History
from prober.state.journal import Journal
from prober.state.last_known import LastKnown
from prober.state.notices import Notices
from prober.state.pool_watch import PoolWatch
from prober.state.shared_store import SharedStore
from prober.state.store import Store
from prober.state.vitals import Vitals
from prober.web.app import make_app
from prober.web.server.services import Services

WALL = 1_800_000_000.25
NOW = "2027-01-15T08:00:00.250Z"
HOSTILE = "<script>alert('\"\\ \N{PILE OF POO} %2F {x} /&?#"


def backends(*keys: str) -> tuple[Backend, ...]:
    """Return backends by `address:port`."""
    parts = (key.rpartition(":") for key in keys)
    return tuple(Backend(address=host.strip("[]"), port=int(port)) for host, _, port in parts)


def monitor(name: str, *targets: str, probe: Probe | None = None, **more: Any) -> Monitor:
    """Return a monitor: of these targets, or of the pool in `more`."""
    kind = more.pop("type", "HTTP")
    probe = probe or example(kind)
    return Monitor(name=name, type=kind, targets=backends(*targets), probe=probe, **more)


def example(type_name: str) -> Probe:
    """Return the probe that a type shows as its example."""
    cls = PROBE_TYPES[type_name]
    probe: Probe = section(cls).read(dict(cls.example), ReadContext("/", str, {}))
    return probe


@contextmanager
def kept(folder: Path) -> "Iterator[World]":
    """Yield a world with a state directory."""

    def report(what: str, detail: str) -> None:
        raise AssertionError(f"{what}: {detail}")

    database = Database(str(folder / "state"), report=report)
    yield World(database)
    database.close()


CLUSTER = ClusterView(
    "prod",
    "here",
    degraded=False,
    endpoint="http://127.0.0.1:2379",
    members=(
        MemberView("here", "fra", "http://10.0.0.1:7762", "1", WALL, 3, False, "aa", 10.0),
        MemberView("there", HOSTILE, "", "1", WALL, 0, True, "bb", 10.0),
    ),
    shards=16_384,
    checks_owned=3,
    takeovers={"joined": 7},
    errors={"timeout": 1},
)
"""What a member of a cluster may know of it."""


class World:
    """The state, the clocks and what the tests do to them; of a `member`, if it is a cluster's."""

    def __init__(self, database: Database | None = None, *, member: str | None = None) -> None:
        self.wall = WALL
        self.clock = 1000.0
        self.history, self._journal = None, None
        self._database = database
        if database is not None:
            self.history = History(database, wall=lambda: self.wall, awake=lambda: self.clock)
            self._journal = Journal(database, wall=lambda: self.wall)
        make = Store if member is None else partial(SharedStore, member, "")
        self.store: Store = make(
            wall=lambda: self.wall,
            awake=lambda: self.clock,
            journal=self._journal,
            history=self.history,
        )
        self.notices = Notices(note=self.store.note, journal=self._journal)
        self.vitals = Vitals(name="here", version="1.2.3", started_at=WALL - 60)

    def configure(self, *monitors: Monitor, pools: tuple[Pool, ...] = ()) -> None:
        """Take over a configuration; a monitor with targets gets its pool."""
        named = tuple(Pool(name=m.name, backends=m.targets) for m in monitors if m.targets)
        model = Model(monitors, (*pools, *named))
        checks = {check.key: check for check in model.checks()}
        for key in [state.check.key for state in self.store]:
            if key not in checks:
                self.store.remove(key)
        self.store.adopt(model)
        for check in checks.values():
            self.store.add(check)

    def own_pools(self) -> tuple[Pool, ...]:
        """Return the pools that are not made of a monitor's targets."""
        made = {monitor.name for monitor in self.store.model.monitors if monitor.targets}
        return tuple(pool for pool in self.store.model.pools if pool.name not in made)

    def record(
        self,
        name: str,
        key: str,
        reason: Reason = Reason.OK,
        *,
        times: int = 1,
        facts: dict[str, FactValue] | None = None,
        phases: Phases = NO_PHASES,
        detail: str = "",
        kernel: KernelView | None = None,
    ) -> None:
        """Let a check have this result, some times in a row."""
        state = self.store.get((name, key))
        assert state is not None
        outcome = Outcome(
            reason, detail or reason.sentence, facts, self.wall, 0.125, phases, kernel=kernel
        )
        for _ in range(times):
            self.store.record(state, outcome)

    def app(self, **more: Any) -> web.Application:
        """Return the application that shows this world."""
        return make_app(
            Services(
                store=self.store,
                vitals=self.vitals,
                known=LastKnown(self.store, wall=lambda: self.wall),
                pools=PoolWatch(self.store, wall=lambda: self.wall, history=self.history),
                wall=lambda: self.wall,
                clock=lambda: self.clock,
                history=self.history,
                notices=self.notices,
                **more,
            )
        )

    def end(self) -> None:
        """Write everything down, as a daemon does that stops."""
        if self._journal and self._database:
            self.store.save_all()
            self._journal.flush()
            self._database.close()
            self._database = None

    def wait(self, seconds: float) -> None:
        """Let both clocks go on."""
        self.wall += seconds
        self.clock += seconds
