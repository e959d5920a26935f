"""The last results of a check, packed: 7 bytes each for TCP, 17 for HTTP."""

import math
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from itertools import islice
from operator import itemgetter
from typing import Any, Final, NamedTuple

from prober.model.fact import VALUES
from prober.model.status import PHASES, FactValue, Outcome, Phases, Reason

CAPACITY: Final = 100

_REASONS: Final = tuple(Reason)
_NUMBER: Final = {reason: number for number, reason in enumerate(_REASONS)}
_GOOD: Final = frozenset(number for reason, number in _NUMBER.items() if reason.is_good)
_ERA_BITS: Final = 32
_ERA: Final = 1 << _ERA_BITS
"""Hundredths of a second, 497 days: the range of a row. A ring knows the era of its newest row."""
_WITHIN: Final = _ERA - 1
_LONGEST: Final = 65504.0  # seconds; the maximum of a half-precision float

_CONNECT: Final = PHASES.index("connect")
_SECONDS: Final = len(PHASES)
_FACT: Final = _SECONDS + 1
_ABSENT: Final[tuple[Any, ...]] = (math.nan,) * _FACT + (0xFFFF,)  # a packed row has no None

Values = tuple[Any, ...]
"""Seconds of each of PHASES, seconds of the whole, the number of a fact; None: absent."""


class PastResult(NamedTuple):
    """One stored result; durations have three significant digits, times a resolution of 10 ms.

    `fact` is the name and value of the one fact that is stored, if the result had it.
    """

    at: float
    reason: Reason
    fact: tuple[str, FactValue] | None
    seconds: float
    phases: Phases


class _Numbers(dict[FactValue, int | None]):
    """The numbers that stand for the values of one fact in rows; at most VALUES of them."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __missing__(self, value: FactValue) -> int | None:
        if len(self) == VALUES or len(_KNOWN) == _ABSENT[_FACT]:
            return None
        self[value] = number = len(_KNOWN)
        _KNOWN.append((self._name, value))
        return number


_KNOWN: Final[list[tuple[str, FactValue]]] = []
"""The known values of facts, by their numbers: few, and shared by all checks."""
_numbers = cache(_Numbers)


class _Shape:
    """Which values a packed row contains, by index.

    `facts` are the names of the stored facts, each with its numbers.
    """

    __slots__ = ("facts", "held", "left_out", "names", "pack_into", "pick", "row", "size")

    def __init__(self, held: tuple[int, ...], names: tuple[str, ...]) -> None:
        self.held = held
        self.names = names
        self.facts = tuple((name, _numbers(name)) for name in names)
        self.left_out = len(_ABSENT) - len(held)
        self.pick = _picker(held)
        # unix time in hundredths minus those of its era, reason, then the values
        self.row = struct.Struct("<IB" + "".join("H" if i == _FACT else "e" for i in held))
        self.size = self.row.size
        self.pack_into = self.row.pack_into

    def number(self, facts: Mapping[str, FactValue]) -> int | None:
        """Return the number of the fact to store, if there is one."""
        for name, numbers in self.facts:
            if name in facts:
                return numbers[facts[name]]
        return None


def _picker(held: tuple[int, ...]) -> Callable[[Values], Values]:
    if len(held) > 1:
        return itemgetter(*held)
    if not held:
        return lambda _: ()
    (only,) = held
    return lambda values: (values[only],)  # itemgetter does not return a tuple then


_shape = cache(_Shape)


class Recent:
    """A ring of the last CAPACITY results.

    All rows have one shape, the smallest with room for all values in any of them: a check has few
    of the values, and usually the same ones. A probe that was only a connection stores its seconds
    only once. Times from a clock that was wrong by years are dropped once it is right. `names` are
    the facts to store: the first of them that a result has.
    """

    __slots__ = ("_count", "_era", "_next", "_rows", "_shape")

    def __init__(self, names: tuple[str, ...] = ()) -> None:
        self._count = self._next = 0
        self._era = 0  # the number of times that _ERA hundredths had passed before the newest
        self._shape = _shape((), names)
        self._rows = bytearray()  # has its final size from the first result on

    def __len__(self) -> int:
        return self._count

    def remember(self, names: tuple[str, ...]) -> None:
        """Store these facts from now on; those of existing results are kept."""
        self._shape = _shape(self._shape.held, names)

    def add(self, outcome: Outcome) -> None:
        """Add one result, dropping the oldest when full."""
        reason, _, facts, at, seconds, phases, _, _, _ = outcome
        whole = None if seconds == phases[_CONNECT] else seconds
        shape = self._shape
        values = (*phases, whole, shape.number(facts) if facts else None)
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
        head = hundredths & _WITHIN, _NUMBER[reason]
        try:
            shape.pack_into(self._rows, self._next * shape.size, *head, *picked)
        except OverflowError:
            self.add(_shortened(outcome))
            return
        self._next = (self._next + 1) % CAPACITY
        if self._count < CAPACITY:
            self._count += 1

    def _fit(self, values: Values) -> Values:
        """Return the values to pack, after widening all rows if they need it."""
        held = {index for index, value in enumerate(values) if value is not None}
        if self._count:
            held.update(self._shape.held)
        if len(held) != len(self._shape.held):
            self._reshape(_shape(tuple(sorted(held)), self._shape.names))
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
        """Yield the head and the values of each row, in storage order."""
        held = self._shape.held
        for row in islice(self._shape.row.iter_unpack(self._rows), self._count):
            values = list(_ABSENT)
            for index, value in zip(held, row[2:], strict=True):
                values[index] = value
            yield row[:2], tuple(values)

    @classmethod
    def of(cls, names: tuple[str, ...], newest_first: Sequence[PastResult]) -> "Recent":
        """Return the last results that another prober has stored."""
        recent = cls(names)
        for at, reason, fact, seconds, phases in reversed(newest_first[:CAPACITY]):
            facts = dict([fact]) if fact else None
            recent.add(Outcome(reason, "", facts, at, seconds, phases))
        return recent

    def good_seconds(self) -> list[float]:
        """Return the durations of good results in no order; ten times as fast as reading all."""
        held = self._shape.held
        places = [2 + held.index(each) for each in (_SECONDS, _CONNECT) if each in held]
        if not places:
            return []
        place, other = places[0], places[-1]
        rows = islice(self._shape.row.iter_unpack(self._rows), self._count)
        good = (row for row in rows if row[1] in _GOOD)
        return [row[other] if math.isnan(row[place]) else row[place] for row in good]

    def newest_first(self) -> Iterator[PastResult]:
        """Yield the stored results, newest first."""
        rows = list(self._unpacked())
        newest = rows[self._next - 1][0][0] if rows else 0
        for back in range(1, len(rows) + 1):
            (at, number), values = rows[self._next - back]
            *phases, seconds, fact = values
            seconds = phases[_CONNECT] if math.isnan(seconds) else seconds
            era = self._era - (at > newest + _ERA // 2)
            yield PastResult(
                (era * _ERA + at) / 100,
                _REASONS[number],
                None if fact == _ABSENT[_FACT] else _KNOWN[fact],
                round(seconds, 6),
                tuple(None if math.isnan(phase) else round(phase, 6) for phase in phases),
            )


def _shortened(outcome: Outcome) -> Outcome:
    """Return the outcome, with durations cut that are too long to pack."""
    phases = tuple(None if each is None else min(each, _LONGEST) for each in outcome.phases)
    return outcome._replace(seconds=min(outcome.seconds, _LONGEST), phases=phases)
