"""Feed each parser its worst input at the limit of its size: `python -m bench.hostile`.

Prints the processor time of the event loop's thread in ms; no input may take more than LIMIT. The
inputs are those whose steps the tests count.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from hpack import Encoder

from prober.blackbox.chain import read_certificate
from prober.model.probe import InThread, Target
from prober.model.status import Verdict
from prober.probes.grpc import GrpcProbe
from prober.probes.http import HttpProbe
from prober.protocols.der import not_after
from prober.protocols.http2 import (
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    Http2Error,
    write_frame,
)
from tests.probes.drive import DEADLINE, Start, drive
from tests.protocols import test_hostile_certificates as certificates
from tests.protocols import test_http1 as http1
from tests.protocols import test_http2 as http2

LIMIT = 0.005
"""Seconds of loop time that a target may cost a probe."""
TRIES = 5
TARGET = Target("127.0.0.1", 80)

Case = tuple[str, str, Callable[[], object]]


def cases() -> Iterator[Case]:
    """Yield a parser, the name of an input, and a function that feeds it."""
    for name, content in http1.HEADS.items():
        yield "HTTP/1 head", name, lambda content=content: http1.read_heads(content)  # type: ignore[misc]
    for name, chunk in http1.CHUNKS.items():
        content = chunk * (2 * 1024 * 1024 // len(chunk))
        yield "HTTP/1 chunks", name, lambda content=content: http1.body(content)  # type: ignore[misc]
    for name, content in http2.HOSTILE.items():
        yield "HTTP/2 call", name, lambda content=content: call(http2.HELLO + content)  # type: ignore[misc]
    for name, der in certificates.HOSTILE.items():
        yield "certificate", name, lambda der=der: (not_after(der), read_certificate(der))  # type: ignore[misc]
    for name, pattern, text in (
        ("a pattern that backtracks", "(?:a+)+$x", b"a" * 2047 + b"!"),
        ("a pattern that seldom looks at the clock", r"\w+\s", b"a" * 2047 + b"!"),
        ("the same, on 64 KiB", r"\w+\s", b"a" * 65535 + b"!"),
    ):
        start = HttpProbe(body_regex=pattern).bind(TARGET)
        yield "body_regex", name, lambda start=start, text=text: until_thread(start, text)  # type: ignore[misc]
    message = b"\x10\x00" * 32_000
    reply = http2.HELLO + http2.STARTED + data(message)
    grpc = GrpcProbe().bind(TARGET)
    yield "gRPC message", "fields that nobody knows", lambda: drive(grpc, reply, DEADLINE)


def call(content: bytes) -> None:
    """Read the answer to a call of HTTP/2."""
    with suppress(Http2Error):
        http2.feed(content)


def data(message: bytes) -> bytes:
    """Write a gRPC message and the end of its call."""
    content = b"\0" + len(message).to_bytes(4) + message
    frames = (content[at : at + 16384] for at in range(0, len(content), 16384))
    body = b"".join(write_frame(DATA, 0, 1, frame) for frame in frames)
    trailers = Encoder().encode([("grpc-status", "0")])
    return body + write_frame(HEADERS, END_HEADERS | END_STREAM, 1, trailers)


def until_thread(start: Start, body: bytes) -> None:
    """Run the part of a probe that runs in the event loop, without work in threads."""
    assert not isinstance(start, Verdict)
    steps = start()
    with suppress(StopIteration):
        step = next(steps)
        for content in (None, b"HTTP/1.1 200 OK\r\n\r\n" + body, b""):
            if isinstance(step, InThread):
                break
            step = steps.send(content)
    steps.close()


def main() -> int:
    """Feed all inputs and print the times; return 1 if one exceeds the limit."""
    worst = 0.0
    for parser, name, feed in cases():
        best = min(timed(feed) for _ in range(TRIES))
        worst = max(worst, best)
        print(f"{parser:14} {name:42} {best * 1000:7.2f} ms")
    print(f"{'worst':57} {worst * 1000:7.2f} ms, limit {LIMIT * 1000:.0f} ms")
    return int(worst > LIMIT)


def timed(feed: Callable[[], object]) -> float:
    """Return the processor time that this thread takes for something, in seconds."""
    begun = time.thread_time()
    feed()
    return time.thread_time() - begun


if __name__ == "__main__":
    sys.exit(main())
