"""The last results of a check, packed: 22 bytes each."""

import math
import struct
from collections.abc import Iterator
from typing import NamedTuple

from prober.model.status import Outcome, Phases, Reason, Result

CAPACITY = 100

_REASONS = tuple(Reason)
_NUMBER = {reason: number for number, reason in enumerate(_REASONS)}
_GOOD = frozenset(number for reason, number in _NUMBER.items() if reason.result is Result.OK)
_ROW = struct.Struct("<IBBH7e")  # unix seconds, hundredths, reason, code, durations
_NONE = 0xFFFF
_NAN = math.nan
_LONGEST = 65504.0  # seconds; what half a float can hold
_CODES = ("http_status_code", "grpc_status_code")


class Past(NamedTuple):
    """One remembered result; durations are kept to three digits, times to 10 ms."""

    at: float
    reason: Reason
    code: int | None
    seconds: float
    phases: Phases


class Recent:
    """A ring of the last CAPACITY results."""

    __slots__ = ("_next", "_rows")

    def __init__(self) -> None:
        self._rows = bytearray()
        self._next = 0

    def __len__(self) -> int:
        return len(self._rows) // _ROW.size

    def add(self, outcome: Outcome) -> None:
        """Remember one more result, forgetting the oldest when full."""
        reason, _, facts, at, seconds, phases, _, _ = outcome
        code = _NONE
        if facts:
            for name in _CODES:
                if name in facts:
                    code = int(facts[name])
        row = _ROW.pack(
            int(at) & 0xFFFFFFFF,
            int(at % 1 * 100),
            _NUMBER[reason],
            code,
            min(seconds, _LONGEST),
            *[_NAN if phase is None else min(phase, _LONGEST) for phase in phases],
        )
        if len(self._rows) < CAPACITY * _ROW.size:
            self._rows += row
            return
        start = self._next * _ROW.size
        self._rows[start : start + _ROW.size] = row
        self._next = (self._next + 1) % CAPACITY

    def good_seconds(self) -> list[float]:
        """Return how long the good ones took, in no order; ten times as fast as looking at all."""
        return [row[4] for row in _ROW.iter_unpack(self._rows) if row[2] in _GOOD]

    def newest_first(self) -> Iterator[Past]:
        """Yield what is remembered, the newest first."""
        count = len(self)
        for back in range(1, count + 1):
            row = (self._next - back) % count
            at, hundredths, number, code, seconds, *phases = _ROW.unpack_from(
                self._rows, row * _ROW.size
            )
            yield Past(
                at + hundredths / 100,
                _REASONS[number],
                None if code == _NONE else code,
                round(seconds, 6),
                tuple(None if math.isnan(phase) else round(phase, 6) for phase in phases),
            )
