"""Reading rows that a failing disk may have changed: each value is what it must be, or none is.

SQLite keeps no checksums, and a column holds whatever is in it. One row of nonsense must not keep
the prober from starting, so it is left out.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from prober.model.wording import END_OF_TIME

T = TypeVar("T")

_LARGEST = 2**53


def readable(
    rows: Iterable[tuple[Any, ...]],
    read: Callable[[tuple[Any, ...]], T],
    spoilt: Callable[[tuple[Any, ...]], object] = lambda _: None,
) -> Iterator[T]:
    """Yield what `read` makes of each row; `spoilt` is told of those that it cannot read."""
    for row in rows:
        try:
            value = read(row)
        except (ValueError, TypeError, LookupError, RecursionError):
            spoilt(row)
        else:
            yield value


def whole(value: object) -> int:
    """Return a whole number that can be counted on, or raise ValueError."""
    if type(value) is not int or abs(value) > _LARGEST:
        raise ValueError("not a whole number")
    return value


def number(value: object) -> float:
    """Return a finite number, or raise ValueError."""
    if type(value) not in (int, float) or not abs(value) <= _LARGEST:  # type: ignore[arg-type]  # one of the two
        raise ValueError("not a number")
    return value  # type: ignore[return-value]  # one of the two


def moment(value: object) -> float:
    """Return a unix time that has a date, or raise ValueError."""
    if not 0 <= number(value) <= END_OF_TIME:
        raise ValueError("not a time")
    return number(value)


def text(value: object) -> str:
    """Return text, or raise ValueError."""
    if not isinstance(value, str):
        raise ValueError("not text")  # noqa: TRY004  (to the reader it is one error)
    return value


def or_none(read: Callable[[object], T], value: object) -> T | None:
    """Return None for nothing, else what `read` makes of a value."""
    return None if value is None else read(value)
