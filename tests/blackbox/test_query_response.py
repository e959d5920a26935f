"""The dialogue of a TCP module: patterns on lines, and what they may cost."""

import pytest

from prober.blackbox.query_response import LINES_LIMIT, Course, dialogue
from prober.config.blackbox.modules import TcpModule
from prober.model.option import ReadContext, section
from prober.model.probe import StartTls
from prober.model.status import Reason
from prober.model.tls_settings import TlsSettings
from tests.probes.drive import END, Run, drive

START = StartTls(TlsSettings(), "h")


def talk(pattern: str, *replies: bytes) -> Run:
    settings = {"query_response": [{"expect": pattern}]}
    module = section(TcpModule).read(settings, ReadContext("/", str, {}))
    return drive(lambda: dialogue(module, START, Course()), *replies)


def test_the_first_line_that_matches_is_found() -> None:
    run = talk("^220 (\\S+)", b"hello\r\n220 mail ready\r\n")
    assert run.verdict.reason is Reason.OK
    assert run.in_threads == 0


def test_a_long_line_is_searched_in_a_thread() -> None:
    assert talk("^2+0$", b"2" * 5000 + b"0\n").in_threads == 1


def test_only_the_first_lines_are_searched_at_once() -> None:
    run = talk("^220", b"x\n" * 10 + b"220\n")
    assert run.verdict.reason is Reason.OK
    assert run.in_threads == 8


def test_a_pattern_that_runs_away_is_stopped() -> None:
    assert talk("(a|aa)+$", b"a" * 60 + b"b\n").verdict.reason is Reason.REGEX_TIMEOUT


@pytest.mark.parametrize(("lines", "reason"), [(999, Reason.OK), (1000, Reason.BAD_RESPONSE)])
def test_lines_are_limited(lines: int, reason: Reason) -> None:
    assert LINES_LIMIT == 1000
    assert talk("^220", b"x\n" * lines + b"220\n", END).verdict.reason is reason


def go(entries: list[dict[str, object]], *replies: bytes) -> tuple[Run, Course]:
    module = section(TcpModule).read({"query_response": entries}, ReadContext("/", str, {}))
    course = Course()
    return drive(lambda: dialogue(module, START, course), *replies), course


def test_bytes_are_expected_exactly_and_without_a_line_end() -> None:
    entries: list[dict[str, object]] = [{"expect_bytes": "S"}, {"expect": "^ok"}]
    run, course = go(entries, b"Sok\n")
    assert run.verdict.reason is Reason.OK
    run, course = go(entries, b"NS", END)
    assert run.verdict == (Reason.PAYLOAD_MISMATCH, "got b'N', not b'S'", None)
    assert (course.by_bytes, course.by_pattern) == (True, False)
    run, course = go([{"expect_bytes": "abc"}], b"a", b"b", END)
    assert course.by_bytes


def test_labels_are_made_of_the_line_that_matched() -> None:
    labels = [{"name": "name", "value": "${1}"}, {"name": "all", "value": "$0 $9"}]
    run, course = go([{"expect": "^SSH-2.0-(.+)$", "labels": labels}], b"SSH-2.0-x\xff\r\n")
    assert run.verdict.reason is Reason.OK
    assert course.labels == {"name": "x\ufffd", "all": "SSH-2.0-x\ufffd "}
