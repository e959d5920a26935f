"""The stored history: reading it, combining slots to hours, and deleting what is too old."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from prober.state.database_table import Row
from prober.state.events import Event, EventFilter
from prober.state.journal import EVENT_COLUMNS, event_of
from prober.state.rows import number as _number
from prober.state.rows import readable
from prober.state.slots import (
    COLUMNS,
    FINE,
    HOUR,
    SPENT_IN,
    WIDTH,
    Slot,
    add_slots,
    capped,
    capped_seconds,
    empty_slot,
    pack_counts,
    slot_of_row,
    unpack_counts,
)

if TYPE_CHECKING:
    import sqlite3

    from prober.state.database import Database

DAY = 86400
BATCH = 500
"""The number of checks or events that the upkeep handles at once."""
WINDOWS = {"24h": DAY, "7d": 7 * DAY, "30d": 30 * DAY, "90d": 90 * DAY}
"""The windows for uptime, in seconds back from now."""

StatusSeconds = tuple[float, ...]
"""Seconds spent in each of SPENT_IN."""
NO_SECONDS: StatusSeconds = (0.0,) * len(SPENT_IN)

_LIST = ", ".join(COLUMNS)
_STATUS_COLUMNS = slice(COLUMNS.index("ok"), COLUMNS.index("ok") + len(SPENT_IN))
_SUMS = ", ".join(
    {"least": "min(least)", "most": "max(most)", "counts": "add_counts(counts)"}.get(
        column, f"sum({column})"
    )
    for column in COLUMNS
)
_UPDATES = ", ".join(f"{column} = excluded.{column}" for column in COLUMNS)
_STARTS = ", ".join("?" * (HOUR // WIDTH))
_MERGE = f"""
    INSERT INTO hours (start, check_id, {_LIST})
    SELECT ?, check_id, {_SUMS} FROM slots
    WHERE start IN ({_STARTS}) AND check_id BETWEEN ? AND ? GROUP BY check_id
    ON CONFLICT (start, check_id) DO UPDATE SET {_UPDATES}
    WHERE excluded.probes >= hours.probes
"""  # noqa: S608  (our own names)


class Retention(NamedTuple):
    """How many seconds the history is kept: as a whole (like events), and in 5-minute slots."""

    whole: float = 90.0 * DAY
    fine: float = 2.0 * DAY

    def fine_from(self, now: float) -> int:
        """Return the unix time from which there are 5-minute slots."""
        return hour_of(now - self.fine)


class Uptime(NamedTuple):
    """The share of the known time in which a check was in service; None if nothing is known."""

    share: float | None
    known: float


def hour_of(at: float) -> int:
    """Return the start of the hour of a unix time."""
    return int(at // HOUR) * HOUR


def read_slots(
    database: "Database", number: int, times: range, *, merged: bool = False
) -> list[Slot]:
    """Return all slots of a check that begin at these times, including slots without data.

    The times are multiples of their step. Times with only hourly slots are left out if the step is
    not a multiple of an hour. With `merged`, hourly rows replace their 5-minute slots: this is
    fast, but misses slots rewritten since the last upkeep because the clock was set back.
    """
    step, found = times.step, dict[int, Slot]()
    for slot in _pieces(database, number, times, merged=merged):
        at = slot.start // step * step
        found[at] = add_slots(found.get(at) or empty_slot(at), slot)
    return [capped(found[at], step) if at in found else empty_slot(at) for at in times]


def read_uptime(database: "Database", number: int, now: float) -> dict[str, Uptime]:
    """Return the uptime over each of WINDOWS; the longer windows start at a full hour."""
    oldest = hour_of(now - max(WINDOWS.values()))
    pieces = list(_pieces(database, number, range(oldest, int(now) + 1, HOUR)))
    uptimes = {}
    for name, seconds in WINDOWS.items():
        start = int((now - seconds) // WIDTH) * WIDTH if seconds <= DAY else hour_of(now - seconds)
        inside = [piece for piece in pieces if piece.start >= start]
        known = sum(piece.known for piece in inside)
        in_service = sum(piece.in_service for piece in inside)
        uptimes[name] = Uptime(in_service / known if known else None, known)
    return uptimes


class _Wanted(NamedTuple):
    """The rows to read: their unix times, whether hourly rows count too, and which of COLUMNS.

    `waiting` are rows that are not written yet. With `merged`, hourly rows are preferred to their
    5-minute slots.
    """

    waiting: Mapping[Row, Row]
    start: int
    end: int
    coarse: bool
    columns: slice = slice(0, len(COLUMNS))
    merged: bool = False


def read_statuses(
    database: "Database", numbers: Sequence[int], times: range
) -> list[dict[int, StatusSeconds]]:
    """Return the seconds in each status for some checks or pools, by slots.

    Slots without data are left out; otherwise as in `read_slots` with `merged`.
    """
    known = frozenset(numbers)
    waiting = database.waiting(FINE, lambda key: key[1] in known)
    coarse = times.step % HOUR == 0
    wanted = _Wanted(waiting, times.start, times.stop, coarse, _STATUS_COLUMNS, merged=True)

    def question(connection: "sqlite3.Connection") -> list[dict[int, StatusSeconds]]:
        return [_add_up(_raw(connection, number, wanted), times.step) for number in numbers]

    return database.read(question)


def _add_up(rows: Iterable[Row], step: int) -> dict[int, StatusSeconds]:
    sums: dict[int, StatusSeconds] = {}
    for at, seconds in readable(rows, lambda row: (row[0], tuple(map(_number, row[1:])))):
        slot = at // step * step
        sums[slot] = add_seconds(sums.get(slot, NO_SECONDS), seconds)
    return {slot: capped_seconds(seconds, step) for slot, seconds in sums.items()}


def add_seconds(one: StatusSeconds, other: StatusSeconds) -> StatusSeconds:
    """Return the sum of both."""
    return tuple(a + b for a, b in zip(one, other, strict=True))


def _pieces(
    database: "Database", number: int, times: range, *, merged: bool = False
) -> Iterator[Slot]:
    """Yield what is known, with hourly rows where there is nothing finer."""
    waiting = database.waiting(FINE, lambda key: key[1] == number)
    coarse = times.step % HOUR == 0
    wanted = _Wanted(waiting, times.start, times.stop, coarse, merged=merged)
    rows = database.read(lambda connection: _raw(connection, number, wanted))
    yield from readable(rows, lambda row: slot_of_row(row[0], row[1:]))


def _raw(connection: "sqlite3.Connection", number: int, wanted: _Wanted) -> list[Row]:
    """Return start and columns of all rows of a check."""
    start, end = wanted.start, wanted.end
    first, low = _first(connection, "slots"), wanted.start
    if first is not None and wanted.merged and wanted.coarse:
        last = _first(connection, "hours", "1 ORDER BY start DESC")
        first = first if last is None else max(first, last)  # that may be half merged
        low = max(start, hour_of(first))  # what waits yet and is older is in the hours already
    border = max(start, hour_of(first)) if first is not None else end
    times = range(border // WIDTH * WIDTH, end, WIDTH)
    fine = _rows(connection, "slots", number, times, wanted.columns)
    oldest = _first(connection, "hours")
    hours: list[Row] = []
    if wanted.coarse and oldest is not None:
        times = range(max(hour_of(start), oldest), min(border, end), HOUR)
        hours = _rows(connection, "hours", number, times, wanted.columns)
    newest = {(row[0], row[1]): row[2:] for row in fine}
    for key, row in wanted.waiting.items():
        if key[1] == number:
            newest[key[0], key[2]] = row[wanted.columns]
    inside = ((key[0], *row) for key, row in newest.items() if low <= key[0] < end)
    return [*((row[0], *row[2:]) for row in hours), *inside]


def _rows(
    connection: "sqlite3.Connection", table: str, number: int, times: range, columns: slice
) -> list[Row]:
    """Return start, part and columns of a check's rows, with one index lookup per slot."""
    part = "part" if table == "slots" else "0"
    start, end, width = times.start, times.stop, times.step
    question = f"""
        WITH RECURSIVE at (start) AS
            (SELECT ? WHERE ? < ? UNION ALL SELECT start + ? FROM at WHERE start + ? < ?)
        SELECT {table}.start, {part}, {", ".join(COLUMNS[columns])}
        FROM at CROSS JOIN {table} USING (start) WHERE check_id = ?
    """  # noqa: S608  (our own names)
    return connection.execute(question, (start, start, end, width, width, end, number)).fetchall()


def read_events(
    database: "Database",
    *,
    before: int,
    after: int = 0,
    since: float | None = None,
    wanted: EventFilter = EventFilter(),  # noqa: B008  (it is immutable)
    limit: int,
) -> list[Event]:
    """Return stored events with ids between `after` and `before`, newest first."""
    values: list[object] = [before, after, since if since is not None else float("-inf")]
    conditions = "id < ? AND id > ? AND at >= ?"
    for column, allowed in zip(EventFilter._fields, wanted, strict=True):
        if allowed:
            conditions += f" AND {column} IN ({', '.join('?' * len(allowed))})"
            values += sorted(allowed)

    sql = f"SELECT {EVENT_COLUMNS} FROM events WHERE {conditions} ORDER BY id DESC LIMIT ?"  # noqa: S608  (our own names)

    def question(connection: "sqlite3.Connection") -> list[Event]:
        rows = connection.execute(sql, (*values, limit))
        return list(readable(rows, event_of))

    return database.read(question)


class _Adder:
    """The SQL aggregate function that adds up packed counts."""

    def __init__(self) -> None:
        self._sums = [0] * len(unpack_counts(b""))

    def step(self, packed: Any) -> None:
        """Add the counts of one row, if they are readable."""
        with suppress(ValueError):
            for index, count in enumerate(unpack_counts(packed)):
                self._sums[index] += count

    def finalize(self) -> Any:
        """Return the sum."""
        return pack_counts(self._sums)


class Due(NamedTuple):
    """The work for an upkeep.

    `now` is the credible unix time, `settled` the time up to which everything is written, `touched`
    the start of the earliest slot that was written since the last upkeep. `removed` are the numbers
    of checks that are not configured; `unused` is called with each that has no history left.
    """

    now: float
    settled: float
    touched: int
    removed: Sequence[int] = ()
    unused: Callable[[int], None] = lambda _: None


def upkeep(connection: "sqlite3.Connection", retention: Retention, due: Due) -> Iterator[None]:
    """Combine settled slots to hours, and delete what is too old, in small steps."""
    now, settled, touched, removed, unused = due
    until = hour_of(settled)
    yield from _merge(connection, until, hour_of(touched))
    yield from _delete(connection, "slots", min(retention.fine_from(now), until))
    yield from _delete(connection, "hours", hour_of(now - retention.whole))
    while connection.execute(
        "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE at < ? "
        "AND id < (SELECT max(id) FROM events) ORDER BY at LIMIT ?)",
        (now - retention.whole, BATCH),
    ).rowcount:
        yield
    for number in removed:
        if not _has_history(connection, number):
            unused(number)
        yield


def _has_history(connection: "sqlite3.Connection", number: int) -> bool:
    """Return whether a check has any slot left, with one index lookup per existing start."""
    question = """
        WITH RECURSIVE at (start) AS
            (SELECT min(start) FROM {0} UNION ALL
             SELECT (SELECT min(start) FROM {0} WHERE start > at.start) FROM at
             WHERE at.start IS NOT NULL)
        SELECT 1 FROM at CROSS JOIN {0} USING (start) WHERE check_id = ? LIMIT 1
    """
    return any(
        connection.execute(question.format(table), (number,)).fetchone()
        for table in ("slots", "hours")
    )


def _merge(connection: "sqlite3.Connection", until: int, touched: int) -> Iterator[None]:
    """Combine the slots of hours that have any; hours without, which may be many, cost nothing."""
    connection.create_aggregate("add_counts", 1, _Adder)
    done = _first(connection, "hours", "start < ? ORDER BY start DESC", until)
    after = min(touched, done) if done is not None else 0
    while (start := _first(connection, "slots", "start >= ? ORDER BY start", after)) is not None:
        hour = hour_of(start)
        if hour >= until:
            return
        starts = range(hour, hour + HOUR, WIDTH)
        for first, last in _batches(connection):
            connection.execute(_MERGE, (hour, *starts, first, last))
            yield
        after = hour + HOUR


def _first(
    connection: "sqlite3.Connection", table: str, which: str = "1 ORDER BY start", *values: int
) -> int | None:
    """Return the first start in a table, or None if it has no valid one."""
    row = connection.execute(
        f"SELECT start FROM {table} WHERE typeof(start) = 'integer' AND {which} LIMIT 1",  # noqa: S608  (our own names)
        values,
    ).fetchone()
    return row and int(row[0])


def _batches(connection: "sqlite3.Connection") -> Iterator[tuple[int, int]]:
    """Yield the first and the last number of each batch of BATCH checks."""
    last = -1
    while True:
        ids = connection.execute(
            "SELECT id FROM names WHERE id > ? ORDER BY id LIMIT ?", (last, BATCH)
        ).fetchall()
        if not ids:
            return
        (first,), (last,) = ids[0], ids[-1]
        yield first, last


def _delete(connection: "sqlite3.Connection", table: str, before: int) -> Iterator[None]:
    """Delete old rows, those with the same start at a time."""
    while connection.execute(
        f"DELETE FROM {table} WHERE start = "  # noqa: S608  (our own names)
        f"(SELECT start FROM {table} WHERE start < ? ORDER BY start LIMIT 1)",
        (before,),
    ).rowcount:
        yield
