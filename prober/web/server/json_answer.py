"""JSON answers: always valid UTF-8 with finite numbers; long lists are written in slices."""

import json
from collections.abc import Iterable
from typing import Any

from aiohttp import web

from prober.state.pace import Pace

Json = dict[str, Any]
"""A JSON object to be sent."""


_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


class JsonText(str):
    """Text that is already JSON."""

    __slots__ = ()


def json_text(value: object) -> str:
    """Return a value as JSON on one line."""
    if isinstance(value, JsonText):
        return value
    return _ENCODER.encode(value)


async def written(head: Json, pace: Pace, **lists: Iterable[object]) -> JsonText:
    """Return an object with the members of `head` and these lists, writing items in turns."""
    members = [f"{json_text(name)}: {json_text(value)}" for name, value in head.items()]
    for name, items in lists.items():
        texts = []
        for item in items:
            texts.append(json_text(item))
            await pace.pause()
        members.append(f"{json_text(name)}: [{', '.join(texts)}]")
    return JsonText(f"{{{', '.join(members)}}}")


async def document(head: Json, **lists: Iterable[object]) -> web.Response:
    """Return such an object as an answer."""
    return json_response(await written(head, Pace(), **lists))


def json_response(value: object, status: int = 200) -> web.Response:
    """Return an answer with one value."""
    body = f"{json_text(value)}\n".encode(errors="replace")
    return web.Response(body=body, status=status, content_type="application/json")
