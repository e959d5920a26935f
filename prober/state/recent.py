"""The last results of a check, packed: 21 bytes each."""

import math
import struct
from collections.abc import Iterator
from typing import NamedTuple

from prober.model.status import Outcome, Phases, Reason

CAPACITY = 100

_REASONS = tuple(Reason)
_NUMBER = {reason: number for number, reason in enumerate(_REASONS)}
_ROW = struct.Struct("<IBH7e")  # hundredths of a second since the epoch, reason, code, durations
_NONE = 0xFFFF
_NAN = math.nan
_CODES = ("http_status_code", "grpc_status_code")


class Past(NamedTuple):
    """One remembered result; durations are kept to three digits, times to 10 ms."""

    at: float
    reason: Reason
    code: int | None
    seconds: float
    phases: Phases


class Recent:
    """A ring of the last CAPACITY results.

    `epoch` is a unix time before every result, the same for all rings of a process.
    """

    __slots__ = ("_epoch", "_next", "_rows")

    def __init__(self, epoch: float) -> None:
        self._epoch = epoch
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
            max(0, int((at - self._epoch) * 100)) & 0xFFFFFFFF,
            _NUMBER[reason],
            code,
            seconds,
            *[_NAN if phase is None else phase for phase in phases],
        )
        if len(self._rows) < CAPACITY * _ROW.size:
            self._rows += row
            return
        start = self._next * _ROW.size
        self._rows[start : start + _ROW.size] = row
        self._next = (self._next + 1) % CAPACITY

    def newest_first(self) -> Iterator[Past]:
        """Yield what is remembered, the newest first."""
        count = len(self)
        for back in range(1, count + 1):
            row = (self._next - back) % count
            at, number, code, seconds, *phases = _ROW.unpack_from(self._rows, row * _ROW.size)
            yield Past(
                self._epoch + at / 100,
                _REASONS[number],
                None if code == _NONE else code,
                round(seconds, 6),
                tuple(None if math.isnan(phase) else round(phase, 6) for phase in phases),
            )
