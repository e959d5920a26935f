"""TCP: connected, and the reply holds what is expected."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prober.model.probe import Target
from prober.model.status import Reason
from prober.probes.tcp import REPLY_LIMIT, TcpProbe
from tests.probes.drive import DEADLINE, END, RESET, Event, cut_off, drive, judge, pieces

TARGET = Target("10.0.0.3", 6379)
EXPECTING = TcpProbe(send=b"PING\r\n", expect=b"+PONG").bind(TARGET)


def test_an_open_connection_is_enough_when_nothing_is_expected() -> None:
    run = drive(TcpProbe().bind(TARGET))
    assert run.verdict.reason is Reason.OK
    assert run.sent == b""


def test_without_expect_the_bytes_are_sent_and_no_reply_is_waited_for() -> None:
    run = drive(TcpProbe(send=b"hello").bind(TARGET))
    assert run.verdict.reason is Reason.OK
    assert run.sent == b"hello"


def test_without_send_the_greeting_is_judged() -> None:
    run = drive(TcpProbe(expect=b"SSH-").bind(TARGET), b"SSH-2.0-x\r\n")
    assert run.verdict.reason is Reason.OK
    assert run.sent == b""


@pytest.mark.parametrize(
    ("reply", "end", "reason"),
    [
        (b"+PONG", DEADLINE, Reason.OK),
        (b"+PONG\r\n", END, Reason.OK),
        (b"++++PON+PONG", END, Reason.OK),
        (b"-ERR\r\n", END, Reason.PAYLOAD_MISMATCH),
        (b"-ERR\r\n", DEADLINE, Reason.PAYLOAD_MISMATCH),
        (b"-ERR\r\n", RESET, Reason.RESET),
        (b"", END, Reason.CLOSED),
        (b"", DEADLINE, Reason.TIMEOUT),
        (b"", RESET, Reason.RESET),
        (b"\0" * REPLY_LIMIT, DEADLINE, Reason.PAYLOAD_MISMATCH),
        (b"\0" * (REPLY_LIMIT - 5) + b"+PONG", DEADLINE, Reason.OK),
        (b"\0" * (REPLY_LIMIT - 4) + b"+PONG", DEADLINE, Reason.PAYLOAD_MISMATCH),
    ],
    ids=lambda value: value[:12] if isinstance(value, bytes) else None,
)
def test_the_reply_decides(reply: bytes, end: Event, reason: Reason) -> None:
    assert judge(EXPECTING, reply, end).reason is reason


def test_a_reply_cut_off_before_the_expected_bytes_is_judged_by_whether_any_came() -> None:
    reply = b"\r\n+PONG"
    rest = len(reply) - 1
    assert cut_off(EXPECTING, reply, END) == [Reason.CLOSED] + [Reason.PAYLOAD_MISMATCH] * rest
    assert cut_off(EXPECTING, reply, DEADLINE) == (
        [Reason.TIMEOUT] + [Reason.PAYLOAD_MISMATCH] * rest
    )


def test_an_endless_reply_ends_at_the_limit_and_is_not_kept() -> None:
    chunks = [b"x" * 4096] * 100
    run = drive(EXPECTING, *chunks)
    assert run.verdict.reason is Reason.PAYLOAD_MISMATCH
    assert len(run.left) == 100 - REPLY_LIMIT // 4096


@given(
    expect=st.text("ab", min_size=1, max_size=4).map(str.encode),
    reply=st.text("ab", max_size=30).map(str.encode),
    cuts=st.sets(st.integers(0, 30)),
    end=st.sampled_from([END, DEADLINE]),
)
def test_finding_is_the_same_as_searching_the_whole_reply(
    expect: bytes, reply: bytes, cuts: set[int], end: Event
) -> None:
    start = TcpProbe(expect=expect).bind(TARGET)
    run = drive(start, *pieces(reply, cuts), end)
    nothing = Reason.CLOSED if end == END else Reason.TIMEOUT
    wrong = Reason.PAYLOAD_MISMATCH if reply else nothing
    assert run.verdict.reason is (Reason.OK if expect in reply else wrong)
