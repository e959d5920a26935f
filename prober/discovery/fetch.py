"""Reading one list of targets: from a file, or from a server that speaks Prometheus' http_sd."""

import asyncio
import ssl
from functools import cache
from typing import Any

from prober import __version__
from prober.config.disk import Disk
from prober.config.problem import ConfigError
from prober.config.yielding import yielding
from prober.discovery.known import Listed, parse
from prober.model.monitor import LIST_INTERVAL, TargetList

FETCH_SECONDS = 10.0
"""Time that a server has for its whole answer."""
LIST_LIMIT = 32 * 1024 * 1024
"""Bytes that an answer may have."""
_REPEATED = 3  # mistakes in one list that are told
_WIDEST = 200  # characters of an error of the HTTP client that are told


class ListUnusable(Exception):  # noqa: N818  (what happened to the list, not a fault of ours)
    """A list that cannot be read or used, and why."""


async def read_list(wanted: TargetList) -> Listed:
    """Return what a list names now, or raise `ListUnusable`."""
    content = await _fetch(wanted) if wanted.url else await asyncio.to_thread(_read, str(wanted))
    try:
        with yielding():
            return await asyncio.to_thread(parse, content, str(wanted))
    except ConfigError as error:
        more = len(error.problems) - _REPEATED
        told = [*map(str, error.problems[:_REPEATED]), *([f"{more} more"] if more > 0 else [])]
        raise ListUnusable("; ".join(told)) from None


def _read(path: str) -> str:
    try:
        return Disk().read_text(path)
    except OSError as error:
        raise ListUnusable(f"cannot read {path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise ListUnusable(f"cannot read {path}: it is not UTF-8 text") from None


async def _fetch(wanted: TargetList) -> str:
    from aiohttp import (  # noqa: PLC0415  (only a configuration that uses it pays for it)
        ClientError,
        ClientSession,
        ClientTimeout,
        DummyCookieJar,
    )

    headers = {
        "Accept": "application/json",
        "User-Agent": f"prober/{__version__}",
        "X-Prometheus-Refresh-Interval-Seconds": f"{wanted.interval or LIST_INTERVAL:g}",
    }
    if wanted.token:
        headers["Authorization"] = f"Bearer {wanted.token.content}"
    timeout = ClientTimeout(total=FETCH_SECONDS)
    tls = await asyncio.to_thread(_trust)  # also for http, which may redirect to https
    try:
        async with (
            ClientSession(timeout=timeout, cookie_jar=DummyCookieJar()) as session,
            session.get(str(wanted), headers=headers, ssl=tls) as answer,
        ):
            return await _content(answer, str(wanted))
    except TimeoutError:
        raise ListUnusable(f"{wanted}: no answer within {FETCH_SECONDS:g} s") from None
    except (ClientError, OSError, ValueError) as error:
        words = " ".join(str(error).split())[:_WIDEST]
        raise ListUnusable(f"cannot ask {wanted}: {words}") from None


@cache
def _trust() -> ssl.SSLContext:
    """Return a context that trusts who this system trusts: some 20 ms of reading, once."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(("http/1.1",))
    return context


async def _content(answer: Any, url: str) -> str:
    if answer.status != 200:
        raise ListUnusable(f"{url}: expected status 200, got {answer.status}")
    if answer.content_type != "application/json":
        raise ListUnusable(f"{url}: expected application/json, got {answer.content_type}")
    content = bytearray()
    async for piece in answer.content.iter_any():
        content += piece
        if len(content) > LIST_LIMIT:
            raise ListUnusable(f"{url}: the list is longer than {LIST_LIMIT} bytes")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise ListUnusable(f"{url}: the answer is not UTF-8 text") from None
