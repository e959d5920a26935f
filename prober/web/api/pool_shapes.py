"""The JSON shapes of monitors, pools, backends and the overview."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from prober.model.admin import AdminEntry
from prober.model.aggregate import pool_status, worst
from prober.model.pool import Pool
from prober.model.shown import monitor_json, origin_json
from prober.model.status import Status
from prober.state.check_state import BackendState, CheckState
from prober.state.store import Statuses
from prober.state.vitals import Vitals
from prober.web.api.admin_shapes import ADMIN
from prober.web.api.shape import (
    ADDRESS,
    BOOLEAN,
    COUNT,
    SECONDS,
    STATUS,
    TEXT,
    TIME,
    UUID,
    JsonMember,
    JsonType,
    Shape,
    listed,
    member,
    nullable,
    one_word_of,
    ref,
    through,
)


class PoolState(NamedTuple):
    """A pool and the states of its backends."""

    pool: Pool
    backends: Sequence[BackendState]

    @property
    def statuses(self) -> list[Status]:
        """The statuses of the backends that count."""
        return [each.status for each in self.backends if each.counts]

    @property
    def counts(self) -> Counter[Status]:
        """The number of enabled checks with each status."""
        checks = (state for each in self.backends if each.counts for state in each.checks)
        return Counter(state.status for state in checks if state.check.enabled)


class GatedPool(NamedTuple):
    """A pool, and the required number of healthy backends."""

    state: PoolState
    min_healthy: int

    @property
    def healthy(self) -> int:
        """The number of backends in service."""
        return sum(each.in_service for each in self.state.backends)


class GatedOne(NamedTuple):
    """A backend of a pool, or of a check; `of` is the name of the pool or of the monitor.

    `known` is whether it was in service when its status was last known; None if it never was known.
    """

    of: str
    backend: str
    status: Status
    known: bool | None
    admin: AdminEntry | None

    @property
    def held(self) -> bool:
        """Whether the last known status applies."""
        return self.admin is None and self.status is Status.UNKNOWN and self.known is not None

    @property
    def in_service(self) -> bool:
        """Whether it is in service, or was when its status was last known; an admin state wins."""
        if self.admin is not None:
            return self.admin.state.in_service
        return bool(self.known) if self.status is Status.UNKNOWN else self.status.in_service


class Glance(NamedTuple):
    """All statuses, and the state of prober itself."""

    statuses: Statuses
    vitals: Vitals
    checks: int


class PoolInShort(NamedTuple):
    """A pool in the overview."""

    pool: Pool
    statuses: Statuses


def _summed(counts: Iterable[Counter[Status]]) -> dict[Status, int]:
    found = list(counts)
    return {status: sum(each[status] for each in found) for status in Status}


COUNTS: JsonType[Iterable[Counter[Status]]] = JsonType(ref("Counts"), _summed)
"""The number of checks with each status; includes all statuses."""

ORIGIN: Shape[Mapping[str, Any]] = Shape(
    "",
    member(
        "origin", one_word_of(("file", "api")), itemgetter("origin"), "where it was first defined"
    ),
    member("edited", BOOLEAN, itemgetter("edited"), "whether it differs from the file"),
)
"""Shown in addition to the definition of a monitor or a pool: `origin_json`."""

MONITORS: Shape[None] = Shape(
    "Monitors", lists={"monitors": JsonType(ref("Monitor"), monitor_json)}
)

_CHECK_IN_SHORT: Shape[CheckState] = Shape(
    "",
    member("monitor", TEXT, lambda state: state.check.monitor.name),
    member("type", TEXT, lambda state: state.check.monitor.type),
    member("status", STATUS, lambda state: state.status),
)
BACKEND: Shape[BackendState] = Shape(
    "Backend",
    member("backend", ADDRESS, lambda state: state.key),
    member("name", nullable(TEXT), lambda state: state.backend.name),
    member("status", STATUS, lambda state: state.status),
    member("admin", nullable(ADMIN.type), lambda state: state.admin),
    member("checks", listed(_CHECK_IN_SHORT.type), lambda state: state.checks),
)
_ORIGIN_OF_POOL: list[JsonMember[PoolState]] = through(
    lambda state: origin_json(state.pool.origin), ORIGIN
)
POOL: Shape[PoolState] = Shape(
    "Pool",
    member("name", TEXT, lambda state: state.pool.name),
    member("id", UUID, lambda state: state.pool.id),
    member("load_balancer", TEXT, lambda state: state.pool.load_balancer),
    member("project_id", TEXT, lambda state: state.pool.project_id),
    member("public_gate", BOOLEAN, lambda state: state.pool.public_gate),
    *_ORIGIN_OF_POOL,
    member("status", STATUS, lambda state: pool_status(state.statuses)),
    member("counts", COUNTS, lambda state: [state.counts]),
    doc="`counts` are of enabled checks",
    lists={"backends": BACKEND.type},
)
POOLS: Shape[None] = Shape("Pools", lists={"pools": JsonType(ref("Pool"))})

GATE: Shape[GatedPool] = Shape(
    "Gate",
    member("pool", TEXT, lambda gated: gated.state.pool.name),
    member("status", STATUS, lambda gated: pool_status(gated.state.statuses)),
    member("healthy", COUNT, lambda gated: gated.healthy),
    member("backends", COUNT, lambda gated: len(gated.state.backends)),
    member("min_healthy", COUNT, lambda gated: gated.min_healthy),
)

_GATED: tuple[JsonMember[GatedOne], ...] = (
    member("backend", ADDRESS, lambda gated: gated.backend),
    member("status", STATUS, lambda gated: gated.status),
    member("in_service", BOOLEAN, lambda gated: gated.in_service),
    member("held", BOOLEAN, lambda gated: gated.held),
    member("admin", nullable(ADMIN.type), lambda gated: gated.admin),
)
_HELD = "`held`: the status is UNKNOWN, and the last known status applies"
BACKEND_GATE: Shape[GatedOne] = Shape(
    "BackendGate", member("pool", TEXT, lambda gated: gated.of), *_GATED, doc=_HELD
)
CHECK_GATE: Shape[GatedOne] = Shape(
    "CheckGate", member("monitor", TEXT, lambda gated: gated.of), *_GATED, doc=_HELD
)

_PROBER: Shape[Glance] = Shape(
    "",
    member("name", TEXT, lambda glance: glance.vitals.name),
    member("version", TEXT, lambda glance: glance.vitals.version),
    member("started_at", TIME, lambda glance: glance.vitals.started_at),
    member("config_hash", TEXT, lambda glance: glance.vitals.config_hash),
    member("checks", COUNT, lambda glance: glance.checks),
    member("probes_in_flight", COUNT, lambda glance: glance.vitals.probes_in_flight),
    member("loop_lag_seconds", SECONDS, lambda glance: glance.vitals.loop_lag),
    member("overloaded", BOOLEAN, lambda glance: glance.vitals.load.overload is not None),
    member(
        "overload",
        nullable(TEXT),
        lambda glance: glance.vitals.load.overload and glance.vitals.load.overload.sentence,
        "how far prober is behind its schedule, and why",
    ),
    member(
        "state_trouble",
        nullable(TEXT),
        lambda glance: glance.vitals.state_trouble,
        "what keeps the state from being stored",
    ),
)
_LOAD_BALANCER: Shape[tuple[str, Status]] = Shape(
    "",
    member("name", TEXT, lambda item: item[0]),
    member("status", STATUS, lambda item: item[1]),
)
_POOL_IN_SHORT: Shape[PoolInShort] = Shape(
    "",
    member("name", TEXT, lambda short: short.pool.name),
    member("load_balancer", TEXT, lambda short: short.pool.load_balancer),
    member("status", STATUS, lambda short: short.statuses.pools[short.pool.name]),
    member("counts", COUNTS, lambda short: [short.statuses.counts[short.pool.name]]),
)
OVERVIEW: Shape[Glance] = Shape(
    "Overview",
    member("status", STATUS, lambda glance: worst(glance.statuses.load_balancers.values())),
    member("counts", COUNTS, lambda glance: glance.statuses.counts.values()),
    member("prober", _PROBER.type, lambda glance: glance),
    doc="`status` is the worst status of the load balancers; `counts` are of enabled checks",
    lists={"load_balancers": _LOAD_BALANCER.type, "pools": _POOL_IN_SHORT.type},
)

RELOADED: Shape[Vitals] = Shape(
    "Reloaded", member("config_hash", TEXT, lambda vitals: vitals.config_hash)
)
