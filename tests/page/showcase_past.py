"""The past of the world that pictures are taken of: ninety days, with what goes wrong in them."""

import math
import threading
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from prober.model.status import Reason, Status
from prober.state.archive import DAY
from prober.state.database import Database
from prober.state.database_table import table
from prober.state.events import OVERLOAD_OVER, OVERLOADED, POOL_STATUS, TRANSITION, Event
from prober.state.histogram import LATENCY
from prober.state.history import pool_key
from prober.state.slots import (
    BUCKETS,
    COLUMNS,
    FINE,
    HOUR,
    MAINTENANCE,
    SPENT_IN,
    WIDTH,
    pack_counts,
)
from tests.running import PATIENCE
from tests.web.world import World

HOURS = table("hours", ("start", "check_id"), COLUMNS)
PART = -7
"""A part of the history that no process here has."""


class Trouble(NamedTuple):
    """Something was not OK: hours before now, for how many, and why."""

    ago: float
    hours: float
    status: str
    reason: Reason


OUTAGES: dict[str, list[Trouble]] = {
    "web-3": [
        Trouble(0.0125, 1, Status.CRITICAL, Reason.UNEXPECTED_STATUS),
        Trouble(16.2, 0.6, Status.CRITICAL, Reason.UNEXPECTED_STATUS),
        Trouble(51, 0.3, Status.CRITICAL, Reason.TIMEOUT),
        Trouble(7.4 * 24, 2.5, Status.CRITICAL, Reason.UNEXPECTED_STATUS),
        Trouble(31 * 24, 5, Status.CRITICAL, Reason.REFUSED),
    ],
    "checkout-2": [
        Trouble(9.5, 0.4, Status.CRITICAL, Reason.TIMEOUT),
        Trouble(3 * 24, 1.2, Status.CRITICAL, Reason.RESET),
        Trouble(19.3 * 24, 6, Status.CRITICAL, Reason.UNEXPECTED_STATUS),
    ],
    "checkout-1": [Trouble(19.3 * 24, 6, Status.CRITICAL, Reason.UNEXPECTED_STATUS)],
    "inv-b": [Trouble(4.1, 0.2, Status.WARNING, Reason.NOT_SERVING)],
    "redis-1": [Trouble(44 * 24, 0.5, Status.CRITICAL, Reason.REFUSED)],
    "redis-2": [Trouble(44 * 24, 0.5, Status.CRITICAL, Reason.REFUSED)],
    "api.example": [Trouble(5 * 24, 5 * 24, Status.WARNING, Reason.EXPIRES_SOON)],
}
_UNKNOWN = Trouble(12.5, 1.1, Status.UNKNOWN, Reason.NO_ROUTE)
_WORK = Trouble(6.0, 1.5, MAINTENANCE, Reason.OK)
_MAINTAINED = ("redis-1", "redis-2", "sessions")
"""What was in maintenance: backends, and their pool."""
_NOT_RUNNING = (62.0, 9.0)
"""Hours ago, and for how many, nobody was there to see."""


class _Line(NamedTuple):
    """The past of one check or pool: its number in the history, and how it went."""

    number: int
    troubles: list[Trouble]
    usual: float
    per_hour: int


def past(world: World, database: Database, usual: dict[str, float]) -> None:
    """Write the past of all checks and pools; `usual` is how fast those of a pool are."""
    assert world.history is not None
    chance = Random(11)
    events = _own(world.wall)
    for state in world.store:
        name, pool = str(state.check.backend.name), state.check.pool.name
        troubles = [*OUTAGES.get(name, ()), _UNKNOWN]
        number = world.history._numbers[state.check.key]
        _settle(database)
        lasting = [*troubles, _WORK] if name in _MAINTAINED else troubles
        _write(world.wall, database, _Line(number, lasting, usual[pool], 720), chance)
        for trouble in troubles:
            events += _events(world.wall, trouble, state.check.key, pool)
    for pool_ in world.store.pools.values():
        members = [str(backend.name) for backend in pool_.backends]
        troubles = [
            _of_pool(each, len(members)) for name in members for each in OUTAGES.get(name, ())
        ]
        number = world.history._number_of(pool_key(pool_.name))
        _settle(database)
        work = [_WORK] if pool_.name in _MAINTAINED else []
        line = _Line(number, [*troubles, *work, _UNKNOWN], usual[pool_.name], 2000)
        _write(world.wall, database, line, chance)
        for trouble in troubles:
            events += _events(world.wall, trouble, None, pool_.name)
    for event in sorted(events, key=lambda event: event.at):
        world.store.events.add(event._replace(id=world.store.events.last_id + 1))


def _settle(database: Database) -> None:
    """Wait until what was put is written: there is room for some of it only."""
    written = threading.Event()
    database.write_now(lambda _: written.set())
    assert written.wait(PATIENCE)


def _of_pool(trouble: Trouble, backends: int) -> Trouble:
    """Return what a pool makes of the trouble of one of its backends."""
    bad = trouble.status is Status.CRITICAL and backends < 3
    return trouble._replace(status=Status.CRITICAL if bad else Status.WARNING)


def _events(
    now: float, trouble: Trouble, key: tuple[str, str] | None, pool: str
) -> Iterator[Event]:
    start = now - trouble.ago * HOUR
    monitor, backend = key or (None, None)
    kind = TRANSITION if key else POOL_STATUS
    reason = trouble.reason if key else None
    bad, good = "1 of 2 backends in service", "2 of 2 backends in service"
    if key:
        bad = f"3 bad in a row, last {trouble.reason.result} ({trouble.reason}): as it was"
        good = "2 good in a row, last OK (ok): as expected"
    before, after = Status.OK, Status(trouble.status)
    yield Event(0, start, kind, monitor, pool, backend, before, after, reason, -3, bad)
    end = start + trouble.hours * HOUR
    if end < now:
        why = Reason.OK if key else None
        yield Event(0, end, kind, monitor, pool, backend, after, before, why, 2, good)


def _own(now: float) -> list[Event]:
    late = "31% of the probes of the last 10 s started more than half an interval late"
    told = (
        (12.51, "local_trouble", "no route from this host (no_route)"),
        (11.4, "local_trouble_over", "over: no_route (8,412 probes without a verdict)"),
        (9.6, OVERLOADED, late),
        (9.4, OVERLOAD_OVER, "probes start on time again"),
        (5.0, "reload", "2 added, 1 removed, 1 changed, 10 unchanged"),
    )
    nothing = (None,) * 7
    return [Event(0, now - ago * HOUR, kind, *nothing, cause) for ago, kind, cause in told]


def _write(now: float, database: Database, line: _Line, chance: Random) -> None:
    fine = int((now - 2 * DAY) // HOUR) * HOUR
    for start in range(int((now - 90 * DAY) // HOUR) * HOUR, fine, HOUR):
        if row := _row(now, range(start, start + HOUR), line, chance):
            database.put(HOURS, (start, line.number), row)
    for start in range(fine, int(now) - WIDTH, WIDTH):
        if row := _row(now, range(start, start + WIDTH), line, chance):
            database.put(FINE, (start, line.number, PART), row)


def _row(now: float, slot: range, line: _Line, chance: Random) -> tuple[object, ...] | None:
    """Return the COLUMNS of a slot, None if nobody was there to see."""
    began = now - _NOT_RUNNING[0] * HOUR
    if began <= slot.start < began + _NOT_RUNNING[1] * HOUR:
        return None
    width = len(slot)
    seconds, left, reason = dict.fromkeys(map(str, SPENT_IN), 0.0), float(width), Reason.OK
    for trouble in line.troubles:
        low = now - trouble.ago * HOUR
        spent = min(low + trouble.hours * HOUR, slot.stop) - max(low, slot.start)
        if 0 < spent <= left:
            seconds[trouble.status] += spent
            left, reason = left - spent, trouble.reason
    seconds[Status.OK] = left
    probes = line.per_hour * width // HOUR
    bad, unknown = (
        round(probes * seconds[status] / width) for status in (Status.CRITICAL, Status.UNKNOWN)
    )
    good = probes - bad - unknown
    slow = 1 + 0.35 * math.sin(slot.start / DAY * 2 * math.pi) + 0.1 * abs(chance.gauss(0, 1))
    took = line.usual * slow * (2.5 if reason is Reason.TIMEOUT else 1)
    counts = array("L", bytes(array("L").itemsize * BUCKETS))
    for share, part in ((0.7, 0.2), (0.85, 0.3), (1, 0.25), (1.2, 0.18), (1.9, 0.07)):
        counts[bisect_left(LATENCY, took * share)] += int(good * part)
    counts[bisect_left(LATENCY, took)] += good - sum(counts)
    return (
        *(probes, good, bad, *(round(seconds[status], 3) for status in SPENT_IN)),
        round(took * good * 1e6),
        round(took * 0.6 * 1e6) if good else None,
        round(took * 2.2 * 1e6) if good else None,
        pack_counts(counts),
    )
