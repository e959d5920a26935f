"""Judges a reply by the rules of blackbox_exporter's HTTP module."""

import zlib
from typing import Any, NamedTuple

from prober.blackbox.exchange import BODY_LIMIT, Reply
from prober.config.blackbox.modules import HeaderMatch, HttpModule
from prober.config.blackbox.re2 import Pattern

PATTERN_SECONDS = 1.0
"""Time limit for one regular expression on a body, which is searched in a thread."""

_WINDOW_BITS = {"gzip": 31, "deflate": -15}


class Judgement(NamedTuple):
    """Whether a reply is good and, if not, why; `by_pattern` means that a pattern decided."""

    good: bool
    why: str = ""
    by_pattern: bool = False


_GOOD = Judgement(good=True)


def judge(module: HttpModule, reply: Reply, *, final: bool) -> tuple[Judgement, int]:
    """Return the judgement of a reply, and the length of its decompressed body.

    `final` is false for a redirect that is not followed; its body is ignored.
    """
    judgement = _status(module, reply)
    if judgement.good:
        judgement = _headers(module, reply)
    body, trouble = unpacked(module.compression, reply.body)
    if trouble and judgement.good and final:
        judgement = Judgement(good=False, why=trouble)
    if judgement.good:
        judgement = _body(module, body, final=final)
    if final and (not reply.is_whole or reply.was_cut) and judgement.good:
        judgement = Judgement(good=False, why="Failed to read HTTP response body")
    versions = module.valid_http_versions
    if versions and f"HTTP/{reply.version}" not in versions and judgement.good:
        judgement = Judgement(good=False, why="Invalid HTTP version number")
    return judgement, len(body) if final else 0


def _status(module: HttpModule, reply: Reply) -> Judgement:
    if module.accept_any_response:
        return _GOOD
    if module.valid_status_codes:
        if reply.status in module.valid_status_codes:
            return _GOOD
        return Judgement(good=False, why="Invalid HTTP response status code")
    if 200 <= reply.status < 300:
        return _GOOD
    return Judgement(good=False, why="Invalid HTTP response status code, wanted 2xx")


def _headers(module: HttpModule, reply: Reply) -> Judgement:
    for match, is_bad in (
        *((each, True) for each in module.fail_if_header_matches),
        *((each, False) for each in module.fail_if_header_not_matches),
    ):
        judgement = _header(match, reply.values(match.header), is_bad=is_bad)
        if not judgement.good:
            return judgement
    return _GOOD


def _header(match: HeaderMatch, values: list[str], *, is_bad: bool) -> Judgement:
    if not values:
        if match.allow_missing:
            return _GOOD
        return Judgement(good=False, why=f"Missing required header {match.header}", by_pattern=True)
    found = any(search(match.regexp, value) for value in values)
    if found is not is_bad:
        return _GOOD
    verb = "matched" if found else "did not match"
    why = f"Header {match.header} {verb} regular expression {match.regexp.written!r}"
    return Judgement(good=False, why=why, by_pattern=True)


def _body(module: HttpModule, body: bytes, *, final: bool) -> Judgement:
    patterns = (
        *((each, True) for each in module.fail_if_body_matches_regexp),
        *((each, False) for each in module.fail_if_body_not_matches_regexp),
    )
    if patterns and not final:
        return Judgement(good=False, why="Error reading HTTP body", by_pattern=True)
    text = body.decode(errors="surrogateescape") if patterns else ""
    for pattern, is_bad in patterns:
        try:
            found = bool(search(pattern, text))
        except TimeoutError:
            why = f"Regular expression {pattern.written!r} took more than {PATTERN_SECONDS:g} s"
            return Judgement(good=False, why=why, by_pattern=True)
        if found is is_bad:
            verb = "matched" if found else "did not match"
            why = f"Body {verb} regular expression {pattern.written!r}"
            return Judgement(good=False, why=why, by_pattern=True)
    return _GOOD


def search(pattern: Pattern, text: str, seconds: float = PATTERN_SECONDS) -> Any:
    """Search a text while other threads run; raise TimeoutError if it takes too long."""
    return pattern.compiled().search(text, timeout=seconds, concurrent=True)


def unpacked(compression: str, body: bytes) -> tuple[bytes, str]:
    """Decompress a body; return as much as possible, and what is wrong."""
    bits = _WINDOW_BITS.get(compression)
    if bits is None:
        return body, ""
    try:
        unpack = zlib.decompressobj(bits)
        content = unpack.decompress(body, BODY_LIMIT)
    except zlib.error as error:
        return b"", f"Failed to get decompressor for HTTP response body: {error}"
    if not unpack.eof:
        return content, "Failed to read HTTP response body"
    return content, ""
