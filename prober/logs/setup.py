"""Logs: one line per event on one stream, as JSON or for people, from structlog and stdlib alike.

Nothing from outside can forge a line or move a cursor: control characters are always escaped, and a
traceback stays within its field. Secrets are masked.
"""

import json
import logging
import math
import os
import re
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, TextIO

import structlog
from structlog.typing import EventDict, Processor

from prober.logs.nonblocking import NonBlockingStream
from prober.model.file_kinds import Secret
from prober.model.option import HIDDEN
from prober.model.wording import clean

FORMATS: Final = ("json", "console")
LEVELS: Final = ("debug", "info", "warning", "error", "critical")
REPEAT_SECONDS: Final = 10.0
"""Seconds in which the same message from a library is written only once."""

_REMEMBERED_MESSAGES = 1000

_PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}  # of syslog(3)
_COLOURS = {"debug": "2", "warning": "33", "error": "31", "critical": "1;31"}
_BARE = re.compile(r"[\w./:@+%<>*-]+")  # what the console format shows without quotes


def configure(
    *,
    format: str,  # noqa: A002  (the name of the flag)
    level: str,
    stream: TextIO | None = None,
    journal: bool = False,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Send all log lines of this process, including those of libraries, to one stream.

    Args:
        format: One of FORMATS; `console` uses colours on a terminal.
        level: One of LEVELS; lines below it cost almost nothing.
        stream: The stream; default: stderr.
        journal: Whether systemd's journal reads the stream: each line then starts with its
            priority, and `console` leaves the time to the journal.
        clock: Returns monotonic seconds.
    """
    stream = stream or sys.stderr
    lines = NonBlockingStream(stream)
    threshold = getattr(logging, level.upper())
    render: Processor = _render_json
    if format == "console":
        render = _console_renderer(colour=stream.isatty(), dated=not journal)
    if journal:
        render = _with_priority(render)
    structlog.configure(
        processors=[structlog.processors.add_log_level, _arrange, render],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=lambda *_: _Output(lines),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[_FromLibraries(clock)], level=threshold, force=True)
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_crash
    threading.excepthook = _log_thread_crash


def is_journal(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Return whether a stream leads to systemd's journal, according to `$JOURNAL_STREAM`."""
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):  # a closed stream, or one without a descriptor
        return False
    return environment.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


class _Output:
    """The output of structlog, by level."""

    def __init__(self, lines: NonBlockingStream) -> None:
        self._lines = lines

    def msg(self, line: str) -> None:
        self._lines.write(line)
        if lost := self._lines.take_lost():
            structlog.get_logger().warning("log_lines_lost", lines=lost)

    debug = info = warning = error = critical = msg


class _FromLibraries(logging.Handler):
    """Passes on messages that asyncio, aiohttp and others log through the standard library.

    A library may log the same message a thousand times a second (asyncio, when it has no descriptor
    to accept a connection with). To avoid filling the disk, it is written once in REPEAT_SECONDS.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self._log = structlog.get_logger()
        self._clock = clock
        self._said: dict[tuple[str, int, str], _Said] = {}

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
        except (TypeError, ValueError):  # arguments that do not match the message
            message = str(record.msg)
        now = self._clock()
        key = record.name, record.levelno, message
        said = self._said.get(key)
        if said and now - said.at < REPEAT_SECONDS:
            said.left_out += 1
            return
        if len(self._said) >= _REMEMBERED_MESSAGES:
            self._said.clear()
        self._said[key] = _Said(now)
        facts = {"left_out": said.left_out} if said and said.left_out else {}
        level = record.levelname.lower()
        say = getattr(self._log, level if level in LEVELS else "info")
        say(
            "library_message",
            logger=record.name,
            message=message,
            **facts,
            exc_info=record.exc_info,
        )


class _Said:
    """When a message was last written, and how often it was suppressed since."""

    __slots__ = ("at", "left_out")

    def __init__(self, at: float) -> None:
        self.at = at
        self.left_out = 0


def _log_crash(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    structlog.get_logger().critical("crashed", exc_info=(kind, error, trace))


def _log_thread_crash(crash: threading.ExceptHookArgs) -> None:
    name = crash.thread.name if crash.thread else None
    structlog.get_logger().critical("crashed", thread=name, exc_info=crash.exc_value)


def _arrange(_: Any, __: str, facts: EventDict) -> EventDict:
    """Put time, level and event first, and convert all facts to JSON types."""
    line: dict[str, Any] = {
        "timestamp": _now(),
        "level": facts.pop("level"),
        "event": facts.pop("event"),
    }
    exception = _exception(facts.pop("exc_info", None))
    line |= {name: _plain(fact) for name, fact in facts.items()}
    return line | {"exception": exception} if exception else line


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _exception(exc_info: Any) -> dict[str, str] | None:
    """Return type, message and traceback of an exception, in whatever form it is given."""
    if isinstance(exc_info, tuple):
        exc_info = exc_info[1]
    elif exc_info and not isinstance(exc_info, BaseException):
        exc_info = sys.exception()
    if not exc_info:
        return None
    return {
        "type": type(exc_info).__name__,
        "message": str(exc_info),
        "traceback": "".join(traceback.format_exception(exc_info)),
    }


def _plain(fact: object) -> object:
    match fact:
        case Secret():
            return HIDDEN
        case None | bool() | int() | str():
            return fact
        case float():
            return fact if math.isfinite(fact) else str(fact)
        case Mapping():
            return {str(name): _plain(each) for name, each in fact.items()}
        case list() | set() | frozenset():
            return [_plain(each) for each in fact]
        case tuple() if not hasattr(fact, "_fields"):
            return [_plain(each) for each in fact]
        case bytes():
            return repr(fact)
        case _:
            return str(fact)


def _render_json(_: Any, __: str, line: EventDict) -> str:
    # Escape everything but ASCII, so that the line is valid JSON in any encoding of the stream; DEL
    # is the one control character that JSON itself does not escape.
    return json.dumps(line).replace("\x7f", "\\u007f")


def _with_priority(render: Processor) -> Processor:
    """Start each rendered line with its priority, in the journal's form."""

    def rendered(logger: Any, name: str, line: EventDict) -> str:
        prefix = f"<{_PRIORITIES[line['level']]}>"
        text = str(render(logger, name, line))
        return "\n".join(f"{prefix}{each}" for each in text.split("\n"))

    return rendered


def _console_renderer(*, colour: bool, dated: bool) -> Processor:
    def render(_: Any, __: str, line: EventDict) -> str:
        time, level, event = (str(line.pop(name)) for name in ("timestamp", "level", "event"))
        exception = line.pop("exception", None)
        shown = f"{level:<8}"
        if colour and level in _COLOURS:
            shown = f"\x1b[{_COLOURS[level]}m{shown}\x1b[0m"
        facts = "".join(f" {name}={_for_people(fact)}" for name, fact in line.items())
        trace = exception["traceback"].splitlines() if exception else ()
        first = f"{shown} {clean(event)}{facts}"
        return "\n    ".join([f"{time} {first}" if dated else first, *map(clean, trace)])

    return render


def _for_people(fact: object) -> str:
    if isinstance(fact, str) and _BARE.fullmatch(fact):
        return fact
    return clean(json.dumps(fact, ensure_ascii=False))
