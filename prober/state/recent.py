"""The last results of a check, packed: 7 bytes each for TCP, 17 for HTTP."""

import math
import struct
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import islice
from operator import itemgetter
from typing import Any, Final, NamedTuple

from prober.model.fact import VALUES
from prober.model.status import PHASES, FactValue, Outcome, Phases, Reason

CAPACITY = 100

_REASONS: Final = tuple(Reason)
_NUMBER: Final = {reason: number for number, reason in enumerate(_REASONS)}
_GOOD: Final = frozenset(number for reason, number in _NUMBER.items() if reason.is_good)
_ERA_BITS: Final = 32
_ERA: Final = 1 << _ERA_BITS
"""Hundredths of a second, 497 days: what a row tells apart. A ring knows the era of its newest."""
_WITHIN: Final = _ERA - 1
_LONGEST: Final = 65504.0  # seconds; what half a float can hold

_CONNECT: Final = PHASES.index("connect")
_SECONDS: Final = len(PHASES)
_FACT: Final = _SECONDS + 1
_ABSENT: Final = (math.nan,) * _FACT + (0xFFFF,)  # a packed row has no None

Values = tuple[Any, ...]
"""Seconds of each of PHASES, seconds of the whole, the number of a fact; None: not there."""


class PastResult(NamedTuple):
    """One remembered result; durations are kept to three digits, times to 10 ms.

    `fact` is a name and a value: the one fact that is remembered, if the result had it.
    """

    at: float
    reason: Reason
    fact: tuple[str, FactValue] | None
    seconds: float
    phases: Phases


class _Numbers(dict[FactValue, int | None]):
    """The numbers that stand in rows for the values of one fact; at most VALUES of them."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __missing__(self, value: FactValue) -> int | None:
        if len(self) == VALUES or len(_KNOWN) == _ABSENT[_FACT]:
            return None
        self[value] = number = len(_KNOWN)
        _KNOWN.append((self._name, value))
        return number


_KNOWN: Final[list[tuple[str, FactValue]]] = []
"""The facts that were seen, by their numbers: few, and the same for all checks."""
_numbers = cache(_Numbers)


class _Shape:
    """Which of the values a packed row holds, by their index.

    `facts` are the names of the facts that are remembered, each with its numbers.
    """

    __slots__ = ("facts", "held", "left_out", "names", "pack_into", "pick", "row", "size")

    def __init__(self, held: tuple[int, ...], names: tuple[str, ...]) -> None:
        self.held = held
        self.names = names
        self.facts = tuple((name, _numbers(name)) for name in names)
        self.left_out = len(_ABSENT) - len(held)
        self.pick = _picker(held)
        # unix time in hundredths less those of its era, reason, then what is held
        self.row = struct.Struct("<IB" + "".join("H" if i == _FACT else "e" for i in held))
        self.size = self.row.size
        self.pack_into = self.row.pack_into

    def number(self, facts: Mapping[str, FactValue]) -> int | None:
        """Return the number of the fact that is remembered of these, if there is one."""
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
    return lambda values: (values[only],)  # itemgetter gives no tuple then


_shape = cache(_Shape)


class Recent:
    """A ring of the last CAPACITY results.

    Its rows are of one shape, the smallest that has a place for all that any of them holds: a
    check has few of the values, and mostly the same. A probe that was nothing but a connection has
    its seconds only once. What a clock said that was wrong by years is forgotten when it is right.
    `names` are the facts that are remembered: the first of them that a result has.
    """

    __slots__ = ("_count", "_era", "_next", "_rows", "_shape")

    def __init__(self, names: tuple[str, ...] = ()) -> None:
        self._count = self._next = 0
        self._era = 0  # how often _ERA hundredths had passed before the newest
        self._shape = _shape((), names)
        self._rows = bytearray()  # from the first result on as large as it will ever be

    def __len__(self) -> int:
        return self._count

    def remember(self, names: tuple[str, ...]) -> None:
        """Remember these facts from now on; those of the results so far are kept."""
        self._shape = _shape(self._shape.held, names)

    def add(self, outcome: Outcome) -> None:
        """Remember one more result, forgetting the oldest when full."""
        reason, _, facts, at, seconds, phases, _, _ = outcome
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
    """Return the outcome with no duration that is too long to be packed."""
    phases = tuple(None if each is None else min(each, _LONGEST) for each in outcome.phases)
    return outcome._replace(seconds=min(outcome.seconds, _LONGEST), phases=phases)
