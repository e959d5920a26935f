"""Bodies of HTTP messages as text: content codings undone, charsets decoded, both with bounds.

A server may code a body although `identity` was asked for (RFC 9110, section 12.5.3). Charsets are
those of the WHATWG's Encoding Standard, by its labels or by Python's.
"""

import codecs
import re
import zlib
from functools import lru_cache
from typing import Final, NamedTuple

CODINGS_LIMIT: Final = 4
"""Codings that are undone one after the other."""
PIECE: Final = 65536
"""Bytes that are decoded at once: the lock of the interpreter is held meanwhile."""

_ZLIB, _GZIP, _RAW = 15, 31, -15  # window bits
_WINDOWS: Final = {"gzip": (_GZIP,), "x-gzip": (_GZIP,), "deflate": (_ZLIB, _RAW)}
_FIELDS: Final = re.compile(  # of these, only what asks for more than to decode UTF-8
    rb"\n(?=[CcTt])(?i:(content-encoding|content-type(?=:[^\r\n]*(?:charset|html))"
    rb"|transfer-encoding(?!:[ \t]*+chunked[ \t]*+[\r\n]))):([^\r\n]*)"
)
_NO_CODING: Final = frozenset({"", "identity", "chunked"})
_BOMS: Final = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_MARKS: Final = tuple(_BOMS)
_CHARSET: Final = re.compile(
    r"charset\s{0,9}=\s{0,9}[\"']?\s{0,9}([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE
)
_SUPERSETS = {
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "iso8859-1": "cp1252",
    "ascii": "cp1252",
}
_SUPERSETS |= {"utf-16": "utf-16-le", "euc_kr": "cp949", "shift_jis": "cp932", "big5": "big5hkscs"}
_SUPERSETS |= {"iso8859-9": "cp1254", "iso8859-11": "cp874", "tis-620": "cp874"}
_NOT_LIKE_ASCII: Final = frozenset({"utf-16-le", "utf-16-be", "iso2022_jp"})
_DECODERS: Final = frozenset(
    {"utf-8", "utf-16-le", "utf-16-be", "gb18030", "big5hkscs", "euc_jp", "iso2022_jp", "cp932"}
    | {"cp949", "cp866", "cp874", "koi8-r", "koi8-u", "mac-roman", "mac-cyrillic"}
    | {f"cp{number}" for number in range(1250, 1259)}
    | {f"iso8859-{number}" for number in (2, 3, 4, 5, 6, 7, 8, 10, 13, 14, 15, 16)}
)
"""Python's codecs that are used: each takes time in proportion to its input."""


class Content(NamedTuple):
    """What a head says of the body: its codings, in the order they were applied, and its type."""

    codings: tuple[str, ...] = ()
    type: str = ""


class Text(NamedTuple):
    """A body as text; `size` in bytes without codings; `flaw` names what could not be undone."""

    text: str
    size: int
    flaw: str = ""


PLAIN: Final = Content()


def content_of(head: bytes) -> Content:
    """Return what a head says of the body; a transfer coding was applied last."""
    fields = _FIELDS.findall(head)
    if not fields:
        return PLAIN
    codings: dict[bytes, list[str]] = {b"c": [], b"t": []}
    kind = ""
    for name, value in fields:
        written = value.decode("latin-1")
        if name[-1:] in b"eE":
            kind = written
        else:
            members = (each.strip().lower() for each in written.split(","))
            codings[name[:1].lower()] += [each for each in members if each not in _NO_CODING]
    return Content((*codings[b"c"], *codings[b"t"]), kind)


def text_of(body: bytes | bytearray, content: Content, limit: int) -> Text:
    """Return the text of a body, or of what there is of it; no more than `limit` bytes of it.

    What is UTF-8 is read so whatever it is called: it hardly ever is by chance.
    """
    if content is PLAIN:
        return Text(body.decode(errors="replace"), len(body))
    plain, flaw = _undo(body, content.codings, limit) if content.codings else (body, "")
    charset, unknown = _charset_of(plain, content.type)
    if unknown:
        flaw = f"{flaw}, " * bool(flaw) + f"in the unknown charset {unknown!a}"
    if charset not in _NOT_LIKE_ASCII:
        try:
            text, _ = codecs.utf_8_decode(plain, "strict", False)
            return Text(text.removeprefix("\ufeff"), len(plain), flaw)
        except UnicodeDecodeError:
            pass
    decoder = codecs.getincrementaldecoder(charset)(errors="replace")
    pieces = [decoder.decode(plain[at : at + PIECE]) for at in range(0, len(plain), PIECE)]
    text = "".join((*pieces, decoder.decode(b"", final=True)))
    return Text(text.removeprefix("\ufeff"), len(plain), flaw)


def _undo(body: bytes | bytearray, codings: tuple[str, ...], limit: int) -> tuple[bytes, str]:
    """Undo codings, the last one first; return what came of it, and what was in the way."""
    plain = bytes(body)
    if len(codings) > CODINGS_LIMIT:
        return plain, f"coded {len(codings)} times"
    for coding in reversed(codings):
        try:
            plain = _inflate(plain, _WINDOWS.get(coding, ()), limit)
        except zlib.error:
            return plain, f"coded as {coding[:40]!a}"
    return plain, ""


def _inflate(content: bytes, windows: tuple[int, ...], limit: int) -> bytes:
    """Return the first bytes of what was compressed; raise zlib.error."""
    for window in windows:
        try:
            return zlib.decompressobj(window).decompress(content, limit)
        except zlib.error:
            continue
    raise zlib.error("not compressed in a known way")


def _charset_of(body: bytes | bytearray, kind: str) -> tuple[str, str]:
    """Return the codec for a body, and the label of its charset if that is not known."""
    if kind and body.startswith(_MARKS):
        return next(charset for mark, charset in _BOMS.items() if body.startswith(mark)), ""
    found = _CHARSET.search(kind)
    if not found and "html" in kind.lower():
        found = _CHARSET.search(body[:1024].decode("ascii", errors="replace"))
    return _codec(found[1].lower()) if found else ("utf-8", "")


@lru_cache(maxsize=64)
def _codec(label: str) -> tuple[str, str]:
    """Return the codec for the label of a charset, and the label if it is not known."""
    try:
        name = codecs.lookup(label).name
    except LookupError:
        return "utf-8", label
    name = _SUPERSETS.get(name, name)
    return (name, "") if name in _DECODERS else ("utf-8", label)
