"""The last results of a check, packed: 7 bytes each for TCP, 17 for HTTP."""

import math
import struct
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import islice
from operator import itemgetter
from typing import Any, Final, NamedTuple

from prober.model.status import PHASES, Fact, Outcome, Phases, Reason

CAPACITY = 100

_REASONS: Final = tuple(Reason)
_NUMBER: Final = {reason: number for number, reason in enumerate(_REASONS)}
_GOOD: Final = frozenset(number for reason, number in _NUMBER.items() if reason.is_good)
_CODES: Final = ("http_status_code", "grpc_status_code")
_ERA_BITS: Final = 32
_ERA: Final = 1 << _ERA_BITS
"""Hundredths of a second, 497 days: what a row tells apart. A ring knows the era of its newest."""
_WITHIN: Final = _ERA - 1
_LONGEST: Final = 65504.0  # seconds; what half a float can hold

_CONNECT: Final = PHASES.index("connect")
_SECONDS: Final = len(PHASES)
_CODE: Final = _SECONDS + 1
_ABSENT: Final = (math.nan,) * _CODE + (0xFFFF,)  # a packed row has no None

Values = tuple[Any, ...]
"""Seconds of each of PHASES, seconds of the whole, the status code; None for what is not there."""


class PastResult(NamedTuple):
    """One remembered result; durations are kept to three digits, times to 10 ms."""

    at: float
    reason: Reason
    code: int | None
    seconds: float
    phases: Phases


class _Shape:
    """Which of the values a packed row holds, by their index."""

    __slots__ = ("held", "left_out", "pack_into", "pick", "row", "size")

    def __init__(self, held: tuple[int, ...]) -> None:
        self.held = held
        self.left_out = len(_ABSENT) - len(held)
        self.pick = _picker(held)
        # unix time in hundredths less those of its era, reason, then what is held
        self.row = struct.Struct("<IB" + "".join("H" if i == _CODE else "e" for i in held))
        self.size = self.row.size
        self.pack_into = self.row.pack_into


def _picker(held: tuple[int, ...]) -> Callable[[Values], Values]:
    if len(held) > 1:
        return itemgetter(*held)
    if not held:
        return lambda _: ()
    (only,) = held
    return lambda values: (values[only],)  # itemgetter gives no tuple then


_shape = cache(_Shape)


class Recent:
    """A ring of the last CAPACITY results.

    Its rows are of one shape, the smallest that has a place for all that any of them holds: a
    check has few of the values, and mostly the same. A probe that was nothing but a connection has
    its seconds only once. What a clock said that was wrong by years is forgotten when it is right.
    """

    __slots__ = ("_count", "_era", "_next", "_rows", "_shape")

    def __init__(self) -> None:
        self._count = self._next = 0
        self._era = 0  # how often _ERA hundredths had passed before the newest
        self._shape = _shape(())
        self._rows = bytearray()  # from the first result on as large as it will ever be

    def __len__(self) -> int:
        return self._count

    def add(self, outcome: Outcome) -> None:
        """Remember one more result, forgetting the oldest when full."""
        reason, _, facts, at, seconds, phases, _, _ = outcome
        whole = None if seconds == phases[_CONNECT] else seconds
        values = (*phases, whole, _code(facts) if facts else None)
        shape = self._shape
        picked = shape.pick(values)
        if None in picked or values.count(None) != shape.left_out:
            picked = self._fit(values)
            shape = self._shape
        hundredths = int(at * 100)
        era = hundredths >> _ERA_BITS
        if era != self._era:
            if not -1 <= era - self._era <= 1:
                self._count = self._next = 0
            self._era = era
        at, number = hundredths & _WITHIN, _NUMBER[reason]
        try:
            shape.pack_into(self._rows, self._next * shape.size, at, number, *picked)
        except OverflowError:
            self.add(_shortened(outcome))
            return
        self._next = (self._next + 1) % CAPACITY
        if self._count < CAPACITY:
            self._count += 1

    def _fit(self, values: Values) -> Values:
        """Return what is to be packed of these values, for which all rows are widened if needed."""
        held = {index for index, value in enumerate(values) if value is not None}
        if self._count:
            held.update(self._shape.held)
        if len(held) != len(self._shape.held):
            self._reshape(_shape(tuple(sorted(held))))
        return tuple(
            _ABSENT[index] if value is None else value
            for index, value in zip(self._shape.held, self._shape.pick(values), strict=True)
        )

    def _reshape(self, shape: _Shape) -> None:
        rows = bytearray(CAPACITY * shape.size)
        for number, (head, values) in enumerate(self._unpacked()):
            shape.pack_into(rows, number * shape.size, *head, *shape.pick(values))
        self._rows, self._shape = rows, shape

    def _unpacked(self) -> Iterator[tuple[Values, Values]]:
        """Yield what each row begins with, and its values, in the order in which they lie."""
        held = self._shape.held
        for row in islice(self._shape.row.iter_unpack(self._rows), self._count):
            values = list(_ABSENT)
            for index, value in zip(held, row[2:], strict=True):
                values[index] = value
            yield row[:2], tuple(values)

    def good_seconds(self) -> list[float]:
        """Return how long the good ones took, in no order; ten times as fast as looking at all."""
        held = self._shape.held
        places = [2 + held.index(each) for each in (_SECONDS, _CONNECT) if each in held]
        if not places:
            return []
        place, other = places[0], places[-1]
        rows = islice(self._shape.row.iter_unpack(self._rows), self._count)
        good = (row for row in rows if row[1] in _GOOD)
        return [row[other] if math.isnan(row[place]) else row[place] for row in good]

    def newest_first(self) -> Iterator[PastResult]:
        """Yield what is remembered, the newest first."""
        rows = list(self._unpacked())
        newest = rows[self._next - 1][0][0] if rows else 0
        for back in range(1, len(rows) + 1):
            (at, number), values = rows[self._next - back]
            *phases, seconds, code = values
            seconds = phases[_CONNECT] if math.isnan(seconds) else seconds
            era = self._era - (at > newest + _ERA // 2)
            yield PastResult(
                (era * _ERA + at) / 100,
                _REASONS[number],
                None if code == _ABSENT[_CODE] else code,
                round(seconds, 6),
                tuple(None if math.isnan(phase) else round(phase, 6) for phase in phases),
            )


def _code(facts: Mapping[str, Fact]) -> int | None:
    for name in _CODES:
        if name in facts:
            return int(facts[name])
    return None


def _shortened(outcome: Outcome) -> Outcome:
    """Return the outcome with no duration that is too long to be packed."""
    phases = tuple(None if each is None else min(each, _LONGEST) for each in outcome.phases)
    return outcome._replace(seconds=min(outcome.seconds, _LONGEST), phases=phases)
