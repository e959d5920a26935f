"""The JSON that a request brings: valid Unicode and finite numbers, or it is refused."""

import json
import re
from collections import Counter
from typing import Any, NoReturn

from aiohttp import web

_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


async def read_json(request: web.Request) -> Any:
    """Return the JSON in the body of a request; raise ValueError, which says why not.

    Duplicate keys, numbers that are not finite and halves of surrogate pairs are refused, because
    readers disagree about them.
    """
    try:
        return parse_json(await request.read())
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def parse_json(content: bytes) -> Any:
    """Return a JSON value; raise ValueError or RecursionError."""
    text = content.decode()
    value = json.loads(
        text, object_pairs_hook=_unrepeated, parse_constant=_no_number, parse_float=_finite
    )
    if _ESCAPED_SURROGATE.search(text):
        json.dumps(value, ensure_ascii=False).encode()
    return value


def _unrepeated(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        ((twice, _),) = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"duplicate key {twice!r}")
    return found


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a JSON number")


def _finite(digits: str) -> float:
    number = float(digits)
    if number - number:  # infinite: larger than any float
        raise ValueError(f"{digits[:20]} is too large a number")
    return number
