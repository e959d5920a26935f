"""Every log line of the process: one format, one stream, nothing raw from outside."""

import io
import json
import logging
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, TextIO

import pytest
import structlog

from prober.logs import setup
from prober.logs.nonblocking import KEPT
from prober.model.file_kinds import Secret
from prober.model.probe import Target
from prober.model.status import Status

NASTY = "a\x1b[2Jb\x07c\nd\re\x00f\x7fg\x85h\x9bi\u2028j\u2029k"


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


@pytest.fixture(autouse=True)
def leave_no_trace() -> Iterator[None]:
    handlers, level = logging.root.handlers[:], logging.root.level
    hooks = sys.excepthook, threading.excepthook
    yield
    logging.captureWarnings(capture=False)
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    sys.excepthook, threading.excepthook = hooks
    structlog.reset_defaults()


def lines_of(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_json_line_begins_with_time_level_and_event() -> None:
    stream = io.StringIO()
    setup.configure(format="json", level="info", stream=stream)
    structlog.get_logger().info("listening", address="127.0.0.1:7762", **{"from": Status.OK})
    [line] = lines_of(stream)
    assert list(line) == ["timestamp", "level", "event", "address", "from"]
    assert line["level"] == "info"
    assert line["event"] == "listening"
    assert line["from"] == "OK"


def test_the_time_is_utc_with_milliseconds() -> None:
    stream = io.StringIO()
    setup.configure(format="json", level="info", stream=stream)
    structlog.get_logger().info("stopping")
    written = str(lines_of(stream)[0]["timestamp"])
    assert len(written) == len("2026-01-31T12:00:00.000Z")
    assert written.endswith("Z")
    assert datetime.fromisoformat(written).utcoffset() == timedelta(0)


@pytest.mark.parametrize("level", setup.LEVELS)
def test_what_is_below_the_level_is_not_written(level: str) -> None:
    stream = io.StringIO()
    setup.configure(format="json", level=level, stream=stream)
    for each in setup.LEVELS:
        getattr(structlog.get_logger(), each)("said")
        logging.getLogger("aiohttp.server").log(getattr(logging, each.upper()), "said")
    wanted = setup.LEVELS[setup.LEVELS.index(level) :]
    assert [line["level"] for line in lines_of(stream)] == [each for each in wanted for _ in "ab"]


@pytest.mark.parametrize("format_name", setup.FORMATS)
@pytest.mark.parametrize("nested", [False, True])
def test_nothing_that_moves_a_cursor_or_forges_a_line_is_written(
    format_name: str, nested: bool
) -> None:
    stream = Terminal()
    setup.configure(format=format_name, level="info", stream=stream)
    fact: object = {"labels": [NASTY]} if nested else NASTY
    structlog.get_logger().info("status_changed", cause=fact)
    logging.getLogger("asyncio").warning("%s", NASTY)
    written = stream.getvalue().replace("\x1b[33m", "").replace("\x1b[0m", "")
    assert len(written.split("\n")) == 3
    assert all(character.isprintable() for character in written.replace("\n", ""))


def test_json_keeps_every_character_of_a_fact() -> None:
    stream = io.StringIO()
    setup.configure(format="json", level="info", stream=stream)
    structlog.get_logger().info("status_changed", cause=NASTY, lone="\udc80")
    [line] = lines_of(stream)
    assert line["cause"] == NASTY
    assert line["lone"] == "\udc80"
    assert stream.getvalue().isascii()


@pytest.mark.parametrize("format_name", setup.FORMATS)
def test_secrets_are_masked_wherever_they_stand(format_name: str) -> None:
    stream = io.StringIO()
    setup.configure(format=format_name, level="info", stream=stream)
    secret, plain = Secret("hunter2", masked=True), Secret("hunter3", masked=False)
    structlog.get_logger().info("probed", a=secret, b={"c": [secret, (plain,)]})
    assert "hunter" not in stream.getvalue()
    assert stream.getvalue().count("<secret>") == 3


def test_facts_that_json_does_not_know_are_written_as_text() -> None:
    stream = io.StringIO()
    setup.configure(format="json", level="info", stream=stream)
    structlog.get_logger().info(
        "said", a=Target("::1", 80), b=float("inf"), c=b"\x00", d={1}, e=OSError("gone"), f=1.5
    )
    facts = {name: fact for name, fact in lines_of(stream)[0].items() if len(name) == 1}
    assert facts == {"a": "[::1]:80", "b": "inf", "c": "b'\\x00'", "d": [1], "e": "gone", "f": 1.5}


@pytest.mark.parametrize("how", ["exception", "instance", "library"])
def test_an_exception_is_one_field(how: str) -> None:
    stream = io.StringIO()
    setup.configure(format="json", level="info", stream=stream)
    try:
        int("first\nsecond")
    except ValueError as error:
        if how == "exception":
            structlog.get_logger().exception("internal_error")
        elif how == "instance":
            structlog.get_logger().error("internal_error", exc_info=error)
        else:
            logging.getLogger("asyncio").exception("internal_error")
    [line] = lines_of(stream)
    exception = line["exception"]
    assert isinstance(exception, dict)
    assert exception["type"] == "ValueError"
    assert exception["message"].startswith("invalid literal")
    assert exception["traceback"].startswith("Traceback")
    assert line["level"] == "error"


def test_the_console_keeps_a_traceback_indented_below_its_line() -> None:
    stream = io.StringIO()
    setup.configure(format="console", level="info", stream=stream)
    error = ValueError("x\n2026-01-01T00:00:00.000Z info     listening\x1b[2J")
    structlog.get_logger().error("internal_error", exc_info=error)
    first, *others = stream.getvalue().splitlines()
    assert first.endswith("error    internal_error")
    assert others
    assert all(line.startswith("    ") and line.isprintable() for line in others)


def test_the_console_writes_simple_facts_bare_and_others_in_quotes() -> None:
    stream = io.StringIO()
    setup.configure(format="console", level="info", stream=stream)
    structlog.get_logger().info(
        "said", a="10.0.0.3:80", b="two words", c='x" y=1', d=3, e="", f="é"
    )
    assert stream.getvalue().endswith('a=10.0.0.3:80 b="two words" c="x\\" y=1" d=3 e="" f=é\n')


@pytest.mark.parametrize(("stream", "coloured"), [(io.StringIO(), False), (Terminal(), True)])
def test_the_console_is_coloured_on_a_terminal_only(stream: io.StringIO, coloured: bool) -> None:
    setup.configure(format="console", level="info", stream=stream)
    structlog.get_logger().error("said")
    assert ("\x1b[31m" in stream.getvalue()) is coloured


def test_libraries_and_warnings_speak_in_the_same_format() -> None:
    stream = io.StringIO()
    setup.configure(format="json", level="info", stream=stream)
    logging.getLogger("aiohttp.server").warning("odd %s", "request")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=False)
        logging.captureWarnings(capture=True)
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    first, second = lines_of(stream)
    assert first["event"] == second["event"] == "library_message"
    assert (first["logger"], first["message"]) == ("aiohttp.server", "odd request")
    assert "DeprecationWarning: old" in str(second["message"])


def test_a_library_that_repeats_itself_is_heard_once_in_ten_seconds() -> None:
    stream, now = io.StringIO(), [1000.0]
    setup.configure(format="json", level="info", stream=stream, clock=lambda: now[0])
    library = logging.getLogger("asyncio")
    for _ in range(1000):
        library.error("no descriptor for %s", "7762")
    library.error("another matter")
    now[0] += 10.0
    for _ in range(3):
        library.error("no descriptor for %s", "7762")
    now[0] += 100.0
    library.error("another matter")
    assert [(line["message"], line.get("left_out")) for line in lines_of(stream)] == [
        ("no descriptor for 7762", None),
        ("another matter", None),
        ("no descriptor for 7762", 999),
        ("another matter", None),
    ]


def test_a_library_message_that_does_not_fit_its_arguments_is_still_written() -> None:
    stream = io.StringIO()
    setup.configure(format="json", level="info", stream=stream)
    logging.getLogger("asyncio").log(35, "%d apples", "no")
    assert lines_of(stream)[0]["message"] == "%d apples"


def test_a_crash_is_a_line_of_the_log() -> None:
    stream = io.StringIO()
    setup.configure(format="json", level="info", stream=stream)
    sys.excepthook(ValueError, ValueError("bug"), None)

    def crash() -> None:
        raise KeyError("bug")

    thread = threading.Thread(target=crash, name="writer")
    thread.start()
    thread.join()
    first, second = lines_of(stream)
    assert first["event"] == second["event"] == "crashed"
    assert second["thread"] == "writer"
    assert str(second["exception"]).count("KeyError")


@pytest.mark.parametrize("format_name", setup.FORMATS)
@pytest.mark.parametrize(
    ("level", "priority"),
    [("debug", 7), ("info", 6), ("warning", 4), ("error", 3), ("critical", 2)],
)
def test_the_journal_is_told_the_priority_of_every_line(
    format_name: str, level: str, priority: int
) -> None:
    stream = io.StringIO()
    setup.configure(format=format_name, level="debug", stream=stream, journal=True)
    getattr(structlog.get_logger(), level)("said", exc_info=ValueError("x"), cause="<0>\n<0>")
    lines = stream.getvalue().splitlines()
    assert len(lines) == 1 if format_name == "json" else len(lines) > 1
    assert all(line.startswith(f"<{priority}>") for line in lines)


def test_the_console_leaves_the_time_to_the_journal() -> None:
    stream = io.StringIO()
    setup.configure(format="console", level="info", stream=stream, journal=True)
    structlog.get_logger().info("listening", address="127.0.0.1:7762")
    assert stream.getvalue() == "<6>info     listening address=127.0.0.1:7762\n"


def test_a_stream_is_the_journal_if_systemd_has_named_that_very_one(tmp_path: Path) -> None:
    with (tmp_path / "journal").open("w") as stream, (tmp_path / "file").open("w") as other:
        found = os.fstat(stream.fileno())
        environment = {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
        assert setup.is_journal(stream, environment)
        assert not setup.is_journal(other, environment)
        assert not setup.is_journal(stream, {})
    assert not setup.is_journal(stream, environment)  # closed
    assert not setup.is_journal(io.StringIO(), environment)


class Gone(io.StringIO):
    """A pipe whose reader has left."""

    def write(self, _: str) -> int:
        """Fail."""
        raise BrokenPipeError


def test_a_log_that_cannot_be_written_stops_nothing() -> None:
    stream = Gone()
    setup.configure(format="json", level="info", stream=stream)
    structlog.get_logger().info("listening")
    closed = io.StringIO()
    setup.configure(format="json", level="info", stream=closed)
    closed.close()
    structlog.get_logger().info("listening")
    assert stream.getvalue() == ""


@pytest.fixture
def pipe() -> Iterator[tuple[IO[bytes], TextIO]]:
    read, write = os.pipe()
    with os.fdopen(read, "rb") as reader, os.fdopen(write, "w") as stream:
        yield reader, stream


def test_a_reader_that_hangs_is_not_waited_for_and_told_what_it_missed(
    pipe: tuple[IO[bytes], TextIO],
) -> None:
    reader, stream = pipe
    setup.configure(format="json", level="info", stream=stream)
    said = 4000
    for number in range(said):
        structlog.get_logger().info("repeated", number=number, padding="x" * 80)
    lines: list[dict[str, object]] = []
    while len(lines) < KEPT // 250:
        lines.append(json.loads(reader.readline()))
    while lines[-1]["event"] != "log_lines_lost":
        structlog.get_logger().info("later")
        lines.append(json.loads(reader.readline()))
    kept = [line["number"] for line in lines if line["event"] == "repeated"]
    later = sum(line["event"] == "later" for line in lines)
    assert kept == list(range(len(kept)))
    assert lines[-1]["lines"] in range(said - len(kept), said - len(kept) + later + 1)


def test_a_burst_reaches_its_reader_without_a_further_line(
    pipe: tuple[IO[bytes], TextIO],
) -> None:
    reader, stream = pipe
    setup.configure(format="json", level="info", stream=stream)
    for number in range(1000):
        structlog.get_logger().info("repeated", number=number, padding="x" * 80)
    assert [json.loads(reader.readline())["number"] for _ in range(1000)] == list(range(1000))
