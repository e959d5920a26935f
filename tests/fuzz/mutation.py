"""Changes bytes at random, as a broken or hostile peer would; the same seed, the same changes."""

import re
from collections.abc import Callable, Sequence
from random import Random

LONGEST = 64 * 1024
"""Bytes that an input may grow to."""

_WORDS = (
    *(b"", b"0", b"-1", b"1e999", b"4294967296", b"18446744073709551616", b"9" * 40),
    *(b"\r\n", b"\n", b"\r\n\r\n", b"\0", b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b"\xef\xbb\xbf"),
    *(b"null", b"true", b"[]", b"{}", b'""', b"NaN", b"[" * 300, b'{"a":' * 300),
    *(b"\\u0000", b"\\ud800", b"%00", b"%ff", b"%2f..%2f", b"\x1b[2J", "\u2028".encode()),
    *(b"\x00\x00\x00\x00", b"\x7f\xff\xff\xff", b"\x80\x00\x00\x00", b"\xff\xff\xff\xff"),
    *(b"*a", b"&a ", b"<<: ", b"!!python/object ", b"2026-01-31T12:00:00Z", b"[::1]:80"),
)
_NUMBER = re.compile(rb"\d+")
_PIECE = re.compile(rb"[^\s,;:={}\[\]\"&?/]+|[\s,;:={}\[\]\"&?/]")


def mutated(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    """Return the content with one to a few changes; `others` are what pieces may be taken from."""
    for _ in range(1 + int(random.expovariate(0.7))):
        change = random.choice(_CHANGES)
        content = change(content, random.choice(others), random)
    return content[:LONGEST]


def _span(content: bytes, random: Random, longest: int = 64) -> tuple[int, int]:
    start = random.randrange(len(content) + 1)
    return start, min(len(content), start + random.randint(1, longest))


def _flip(content: bytes, _: bytes, random: Random) -> bytes:
    if not content:
        return b"\0"
    position = random.randrange(len(content))
    return (
        content[:position]
        + bytes((content[position] ^ 1 << random.randrange(8),))
        + content[position + 1 :]
    )


def _overwrite(content: bytes, _: bytes, random: Random) -> bytes:
    start, end = _span(content, random, 8)
    return content[:start] + random.randbytes(end - start) + content[end:]


def _insert(content: bytes, _: bytes, random: Random) -> bytes:
    at, _end = _span(content, random)
    return content[:at] + random.choice(_WORDS) + content[at:]


def _replace_piece(content: bytes, other: bytes, random: Random) -> bytes:
    """Put a word, or a piece of another input, where a token stood."""
    pieces = list(_PIECE.finditer(content))
    if not pieces:
        return other
    piece = random.choice(pieces)
    found: list[bytes] = _PIECE.findall(other)
    words = found if found and random.random() < 0.5 else _WORDS
    return content[: piece.start()] + random.choice(words) + content[piece.end() :]


def _change_number(content: bytes, _: bytes, random: Random) -> bytes:
    numbers = list(_NUMBER.finditer(content))
    if not numbers:
        return content
    number = random.choice(numbers)
    value = int(number[0][:30])
    near = (value + 1, value - 1, -value, value * 10, value << 32, 0, random.getrandbits(16))
    return content[: number.start()] + b"%d" % random.choice(near) + content[number.end() :]


def _delete(content: bytes, _: bytes, random: Random) -> bytes:
    start, end = _span(content, random)
    return content[:start] + content[end:]


def _cut_off(content: bytes, _: bytes, random: Random) -> bytes:
    return content[: random.randrange(len(content) + 1)]


def _repeat(content: bytes, _: bytes, random: Random) -> bytes:
    start, end = _span(content, random, 256)
    times = random.choice((1, 1, 2, 10, 300))
    return content[:end] + content[start:end] * times + content[end:]


def _splice(content: bytes, other: bytes, random: Random) -> bytes:
    start, end = _span(other, random, 512)
    at, until = _span(content, random)
    return content[:at] + other[start:end] + content[random.choice((at, until)) :]


def _swap_lines(content: bytes, _: bytes, random: Random) -> bytes:
    lines = content.split(b"\n")
    one, two = random.randrange(len(lines)), random.randrange(len(lines))
    lines[one], lines[two] = lines[two], lines[one]
    return b"\n".join(lines)


_CHANGES: tuple[Callable[[bytes, bytes, Random], bytes], ...] = (
    *(_flip, _overwrite, _insert, _replace_piece, _replace_piece, _change_number),
    *(_delete, _cut_off, _repeat, _splice, _swap_lines),
)
