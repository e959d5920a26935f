"""Reads one target list, from a file, from an http_sd server or from DNS."""

import asyncio
import ssl
from functools import cache
from typing import Any

from prober import __version__
from prober.config.disk import Disk
from prober.config.problem import ConfigError
from prober.config.yielding import yielding
from prober.discovery.expansion import expand
from prober.discovery.known import Listed, parse
from prober.files.bounded import aside
from prober.model.monitor import LIST_INTERVAL, TargetList

FETCH_SECONDS = 10.0
"""Time limit for the whole answer of a server."""
LIST_LIMIT = 32 * 1024 * 1024
"""Maximum bytes of an answer."""
_REPEATED = 3  # mistakes of a list in a message
_WIDEST = 200  # characters of the HTTP client's error in a message


class ListUnusable(Exception):  # noqa: N818  (describes what happened to the list)
    """A list cannot be read or used, and why."""


async def read_list(wanted: TargetList) -> Listed:
    """Return the current backends of a list, or raise `ListUnusable`."""
    if wanted.expand:
        try:
            return await expand(wanted.expand)
        except (OSError, ValueError) as error:
            raise ListUnusable(f"cannot look up {wanted}: {error}") from None
    content = await _fetch(wanted) if wanted.url else await aside(_read, str(wanted))
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
    tls = await aside(_trust)  # for http too, which may redirect to https
    try:
        async with (
            ClientSession(timeout=timeout, cookie_jar=DummyCookieJar()) as session,
            session.get(str(wanted), headers=headers, ssl=tls) as answer,
        ):
            return await _content(answer, str(wanted))
    except TimeoutError:
        raise ListUnusable(f"{wanted}: no answer within {FETCH_SECONDS:g} s") from None
    except (ClientError, OSError, ValueError) as error:
        _trust.cache_clear()  # the authorities may have been renewed
        words = " ".join(str(error).split())[:_WIDEST]
        raise ListUnusable(f"cannot fetch {wanted}: {words}") from None


@cache
def _trust() -> ssl.SSLContext:
    """Return a context with the system's authorities; reading them takes about 20 ms."""
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
