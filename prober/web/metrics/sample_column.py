"""The samples of one family, written fast: between the texts of rows stand only constants.

A scrape writes a line for each check and gauge. Most of its time would go into making each line by
itself, so samples with the same value are kept as a list of labels, and joined.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from prometheus_client.utils import floatToGoString

from prober.protocols.exposition import write_head

BATCH = 250
"""Lines that are written at once."""
_EXPONENT_FROM = 1_000_000  # Go, and so Prometheus, writes larger numbers with an exponent
_go_string: Callable[[float], str] = floatToGoString


def number_text(value: float) -> str:
    """Write a number as Prometheus does."""
    if -_EXPONENT_FROM < value < _EXPONENT_FROM:
        return repr(float(value))
    return _go_string(value)


def _number_after(value: Any) -> str:
    return f"}} {number_text(value)}"


class SampleColumn:
    """The samples of a gauge.

    Attributes:
        shared: The labels of samples, by the value that they share.
        rows: Other samples: the labels, the brace after them, and the value.
    """

    __slots__ = ("_help", "name", "rows", "shared")

    def __init__(self, name: str, text: str) -> None:
        self.name, self._help = name, text
        self.shared: defaultdict[object, list[str]] = defaultdict(list)
        self.rows: list[str] = []

    def pieces(self, after: Callable[[Any], str] = _number_after) -> Iterator[str]:
        """Yield the lines; `after` writes what follows the labels that share a value."""
        yield write_head(self.name, "gauge", self._help)
        before = f"{self.name}{{"
        yield from _joined(before, self.rows, "\n")
        for value, labels in self.shared.items():
            yield from _joined(before, labels, f"{after(value)}\n")


def _joined(before: str, rows: Sequence[str], after: str) -> Iterator[str]:
    between = after + before
    for start in range(0, len(rows), BATCH):
        yield before + between.join(rows[start : start + BATCH]) + after
