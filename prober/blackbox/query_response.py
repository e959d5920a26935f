"""The query_response of a TCP module, sans-IO: lines to expect and lines to send."""

import re
from collections.abc import Generator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from prober.config.blackbox.modules import QueryResponse, TcpModule
from prober.model.probe import RECEIVE, InThread, Receive, Send, StartTls, Steps, Trouble
from prober.model.status import Reason, Verdict
from prober.probes.pattern import Searcher, in_thread

LINE_LIMIT = 65536
"""Maximum bytes of one line."""
LINES_LIMIT = 1000
"""Maximum number of lines."""
LINE_SECONDS = 0.1
"""Time limit for a regular expression on one line."""

_SEARCHED_AT_ONCE = 3  # lines that may take the event loop a millisecond each
_VARIABLE = re.compile(r"\$(?:(\$)|(\w+)|\{(\w+)\})", re.ASCII)


@dataclass(slots=True)
class Course:
    """How a dialogue went.

    `by_pattern` means that a pattern did not match, `by_bytes` that bytes did not. `labels` are
    what an entry of the module makes of the line that matched.
    """

    by_pattern: bool = False
    by_bytes: bool = False
    labels: dict[str, str] = field(default_factory=dict)


def dialogue(module: TcpModule, start: StartTls, course: Course) -> Steps:
    """Run the dialogue of the module; `start` is the handshake, if any."""
    if module.tls:
        yield start
    lines = _Lines()
    for entry in module.query_response:
        send = entry.send
        if entry.expect and entry.expect.written:
            found = yield from _await(entry, lines)
            course.by_pattern = found is None
            if found is None:
                detail = f"no line matched {entry.expect.written!r}"
                return Verdict(Reason.PAYLOAD_MISMATCH, detail)
            send = expand(send, found)
            course.labels |= {each.name: _shown(expand(each.value, found)) for each in entry.labels}
        elif entry.expect_bytes:
            expected = entry.expect_bytes.encode(errors="surrogateescape")
            content = yield from lines.take(len(expected))
            course.by_bytes = content != expected
            if course.by_bytes:
                return Verdict(Reason.PAYLOAD_MISMATCH, f"got {content!r}, not {expected!r}")
        if send:
            yield Send(f"{send}\n".encode(errors="surrogateescape"))
        if entry.starttls:
            yield start
            lines = _Lines()
    return Verdict(Reason.OK, "the dialogue went as expected")


def _await(entry: QueryResponse, lines: "_Lines") -> Generator[Receive | InThread, Any, Any]:
    """Return the match of the first line that matches; None if the peer ends first."""
    assert entry.expect is not None  # noqa: S101  (the caller has checked)
    pattern = Searcher(entry.expect.compiled())
    while (line := (yield from lines.next())) is not None:
        try:
            if lines.count <= _SEARCHED_AT_ONCE:
                found = yield from pattern.search(line, LINE_SECONDS)
            else:
                found = yield from in_thread(partial(_within, pattern, line), LINE_SECONDS)
        except TimeoutError:
            detail = f"{entry.expect.written!r} took more than {LINE_SECONDS:g} s"
            raise Trouble(Reason.REGEX_TIMEOUT, detail) from None
        if found:
            return found
    return None


def _within(pattern: Searcher, line: str, seconds: float) -> Any:
    return pattern.within(seconds, line)


class _Lines:
    """The lines of a stream, without their ends."""

    def __init__(self) -> None:
        self.count = 0
        self._pending = b""
        self._ended = False

    def next(self) -> Generator[Receive, bytes, str | None]:
        """Return the next line, or None after the last. Raise `Trouble`."""
        self.count += 1
        if self.count > LINES_LIMIT:
            raise Trouble(Reason.BAD_RESPONSE, f"more than {LINES_LIMIT} lines")
        searched = 0
        while (end := self._pending.find(b"\n", searched)) < 0 and not self._ended:
            if len(self._pending) >= LINE_LIMIT:
                raise Trouble(Reason.BAD_RESPONSE, f"line longer than {LINE_LIMIT} bytes")
            searched = len(self._pending)
            content = yield RECEIVE
            self._ended = not content
            self._pending += content
        if end < 0 and not self._pending:
            return None
        line, _, self._pending = self._pending.partition(b"\n")
        return line.removesuffix(b"\r").decode(errors="surrogateescape")

    def take(self, size: int) -> Generator[Receive, bytes, bytes]:
        """Return the next bytes, whether they end a line or not; fewer if the peer ends first."""
        while len(self._pending) < size and not self._ended:
            content = yield RECEIVE
            self._ended = not content
            self._pending += content
        taken, self._pending = self._pending[:size], self._pending[size:]
        return taken


def _shown(text: str) -> str:
    """Return a text of a target with what is not UTF-8 replaced."""
    return text.encode(errors="surrogateescape").decode(errors="replace")


def expand(template: str, found: Any) -> str:
    """Insert the groups of a match for `$1`, `$name`, `${name}`; a missing group is empty."""

    def value(variable: re.Match[str]) -> str:
        if variable[1]:
            return "$"
        name = variable[2] or variable[3]
        try:
            return found[int(name) if name.isdigit() else name] or ""
        except IndexError:
            return ""

    return _VARIABLE.sub(value, template)
