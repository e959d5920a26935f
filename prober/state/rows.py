"""Reads rows that a failing disk may have changed: each value is valid, or the row is skipped.

SQLite has no checksums, and a column can contain anything. One implausible row must not keep prober
from starting, so it is skipped.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from prober.model.wording import END_OF_TIME

T = TypeVar("T")

_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_LARGEST = 2**53


def readable(
    rows: Iterable[tuple[Any, ...]],
    read: Callable[[tuple[Any, ...]], T],
    spoilt: Callable[[tuple[Any, ...]], object] = lambda _: None,
) -> Iterator[T]:
    """Yield the result of `read` for each row; call `spoilt` with rows that it cannot read."""
    for row in rows:
        try:
            value = read(row)
        except (ValueError, TypeError, LookupError, RecursionError):
            spoilt(row)
        else:
            yield value


def whole(value: object) -> int:
    """Return a valid whole number, or raise ValueError."""
    if type(value) is not int or abs(value) > _LARGEST:
        raise ValueError("not a whole number")
    return value


def number(value: object) -> float:
    """Return a finite number, or raise ValueError."""
    if type(value) not in (int, float) or not abs(value) <= _LARGEST:  # type: ignore[arg-type]  # one of the two
        raise ValueError("not a number")
    return value  # type: ignore[return-value]  # one of the two


def moment(value: object) -> float:
    """Return a unix time with a valid date, or raise ValueError."""
    if not 0 <= number(value) <= END_OF_TIME:
        raise ValueError("not a time")
    return number(value)


def text(value: object) -> str:
    """Return text, or raise ValueError."""
    if not isinstance(value, str):
        raise ValueError("not text")  # noqa: TRY004  (one error for the reader)
    return value


def json_value(value: object) -> Any:
    """Return the value of a JSON text, as valid Unicode, or raise ValueError or RecursionError."""
    content = json.loads(text(value))
    if isinstance(value, str) and _ESCAPED_SURROGATE.search(value):
        content = json.loads(json.dumps(content, ensure_ascii=False).encode(errors="replace"))
    return content


def or_none(read: Callable[[object], T], value: object) -> T | None:
    """Return None for None, otherwise the result of `read`."""
    return None if value is None else read(value)
