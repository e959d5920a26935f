"""Dialogues: what is said and heard in turn, and what a hostile peer can cost."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prober.model.option import ReadContext, Rejected, dotted, section, show_options
from prober.model.probe import Target, Trouble
from prober.model.status import Reason
from prober.model.tls_settings import TlsSettings
from prober.probes.dialogue import HEARD_LIMIT, SEARCHES_LIMIT
from prober.probes.tcp import TcpProbe
from prober.probes.tls import TlsProbe
from tests.probes.drive import DEADLINE, END, RESET, SESSION, Event, Run, drive, judge, pieces

Written = list[dict[str, Any]]

OUTSIDE = ReadContext("/", str, {})
TARGET = Target("mail.example", 25)
GREETED: Written = [
    {"expect_regex": r"^220 (?P<host>\S+) .*\n"},
    {"send": {"text": "EHLO ${host}\r\n"}},
    {"expect": {"text": "250 ok\r\n"}},
]


def probe(steps: Written, **more: Any) -> TcpProbe:
    return section(TcpProbe).read({"steps": steps, **more}, OUTSIDE)


def talk(steps: Written, *events: Event) -> Run:
    return drive(probe(steps).bind(TARGET), *events)


def refusal(steps: Any, **more: Any) -> str:
    with pytest.raises(Rejected) as caught:
        probe(steps, **more)
    return "; ".join(f"{dotted(each.path)}: {each.message}" for each in caught.value.complaints)


def test_steps_are_taken_in_turn_and_a_group_is_used_in_what_is_sent() -> None:
    run = talk(GREETED, b"220 mx.example ready\r\n", b"250 ok\r\n")
    assert run.verdict == (Reason.OK, "3 steps as expected", None)
    assert run.sent == b"EHLO mx.example\r\n"


def test_each_expectation_begins_after_what_the_one_before_has_found() -> None:
    twice: Written = [{"expect": {"text": "ok"}}, {"expect": {"text": "ok"}}]
    assert talk(twice, b"okok").verdict.reason is Reason.OK
    assert talk(twice, b"-ok-", END).verdict.reason is Reason.PAYLOAD_MISMATCH
    pattern: Written = [{"expect_regex": "[a-z]+;"}, {"expect_regex": "^[a-z]+;"}]
    assert talk(pattern, b"..ab;cd;").verdict.reason is Reason.OK
    assert talk(pattern, b"..ab;.cd;", END).verdict.reason is Reason.PAYLOAD_MISMATCH


def test_an_expectation_may_span_lines_and_pieces() -> None:
    steps: Written = [{"expect": {"hex": "0d0a00ff"}}, {"expect_regex": r"(?s)\x01.\xfe$"}]
    assert judge(probe(steps).bind(TARGET), b"a\r\n\x00\xff\n\x01\n\xfe").reason is Reason.OK


def test_a_pattern_is_of_bytes_and_text_in_it_is_utf_8() -> None:
    assert talk([{"expect_regex": "é+?$"}], "é".encode()).verdict.reason is Reason.OK
    assert talk([{"expect_regex": r"^\xc3\xa9$"}], "é".encode()).verdict.reason is Reason.OK
    latin = talk([{"expect_regex": "é"}], "é".encode("latin-1"), END)
    assert latin.verdict.reason is Reason.PAYLOAD_MISMATCH


@pytest.mark.parametrize(
    ("events", "reason", "detail"),
    [
        (
            [DEADLINE],
            Reason.TIMEOUT,
            "step 1, expect_regex '^220 (?P<host>\\S+) .*\\n': no verdict",
        ),
        ([END], Reason.CLOSED, "step 1, expect_regex '^220 (?P<host>\\S+) .*\\n': closed without"),
        ([RESET], Reason.RESET, "step 1, "),
        ([b"554 no\r\n", END], Reason.PAYLOAD_MISMATCH, "step 1, "),
        ([b"220 a b\n", DEADLINE], Reason.TIMEOUT, "step 3, expect '250 ok\\r\\n': no verdict"),
        ([b"220 a b\n", END], Reason.CLOSED, "step 3, expect '250 ok\\r\\n': closed without"),
        (
            [b"220 a b\n", b"500 what?\r\n", DEADLINE],
            Reason.PAYLOAD_MISMATCH,
            "step 3, expect '250 ok\\r\\n': not found in 11 bytes: '500 what?\\r\\n'",
        ),
    ],
)
def test_the_detail_names_the_step_and_what_came_instead(
    events: list[Event], reason: Reason, detail: str
) -> None:
    verdict = talk(GREETED, *events).verdict
    assert verdict.reason is reason
    assert verdict.detail.startswith(detail)


def test_what_came_before_starttls_does_not_count() -> None:
    steps: Written = [
        {"expect": {"text": "220"}},
        {"starttls": {}},
        {"expect": {"text": "hello"}},
    ]
    run = talk(steps, b"220 ready\r\nhello\r\n", SESSION, b"inside", END)
    assert run.verdict.reason is Reason.PAYLOAD_MISMATCH
    assert talk(steps, b"220 ready\r\n", SESSION, b"hello").verdict.reason is Reason.OK


def test_starttls_uses_the_tls_settings_of_the_monitor() -> None:
    steps: Written = [{"starttls": {}}]
    run = drive(probe(steps, tls={"server_name": "sni.example"}).bind(TARGET), SESSION)
    assert [each.server_name for each in run.handshakes] == ["sni.example"]
    run = drive(probe(steps).bind(TARGET), Trouble(Reason.TLS_UNTRUSTED, "certificate: no"))
    assert [each.server_name for each in run.handshakes] == ["mail.example"]
    assert run.verdict == (Reason.TLS_UNTRUSTED, "step 1, starttls: certificate: no", None)


def test_a_tls_monitor_speaks_inside_tls() -> None:
    spoken = section(TlsProbe).read({"steps": [{"expect": {"text": "+OK"}}]}, OUTSIDE)
    run = drive(spoken.bind(TARGET), SESSION, b"+OK\r\n")
    assert run.verdict.reason is Reason.OK
    assert [each.confirm for each in run.handshakes] == [False]
    failed = drive(spoken.bind(TARGET), Trouble(Reason.TLS_ALERT, "no"))
    assert failed.verdict == (Reason.TLS_ALERT, "no", None)


def test_a_farewell_need_not_arrive() -> None:
    steps = probe([{"expect": {"text": "+OK"}}, {"send": {"text": "QUIT\r\n"}}]).bind(TARGET)
    assert callable(steps)
    run = steps()
    next(run)
    assert run.send(b"+OK\r\n").content == b"QUIT\r\n"  # type: ignore[union-attr]  # it sends
    with pytest.raises(StopIteration) as stop:
        run.throw(RESET)
    assert stop.value.value.reason is Reason.OK
    run = steps()
    next(run)
    with pytest.raises(StopIteration) as stop:
        run.throw(RESET)
    assert stop.value.value.reason is Reason.RESET


def test_what_is_only_sent_must_be_taken() -> None:
    start = probe([{"send": {"text": "a"}}]).bind(TARGET)
    assert callable(start)
    run = start()
    next(run)
    with pytest.raises(StopIteration) as stop:
        run.throw(RESET)
    assert stop.value.value.reason is Reason.RESET


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ("${0}|${1}|${2}", b"a1|a|"),
        ("${first}", b"a"),
        ("$${1} $$ $1 ${", b"${1} $$ $1 ${"),
    ],
)
def test_groups_are_inserted(sent: str, said: bytes) -> None:
    steps: Written = [{"expect_regex": "(?P<first>[a-z])(x)?1"}, {"send": {"text": sent}}]
    assert talk(steps, b"--a1--").sent == said


def test_numbers_are_of_the_last_pattern_and_names_stay() -> None:
    steps: Written = [
        {"expect_regex": "(?P<name>a)(b)"},
        {"expect_regex": "(c)"},
        {"send": {"text": "${name}${1}"}},
    ]
    assert talk(steps, b"abc").sent == b"ac"
    steps[2] = {"send": {"text": "${2}"}}
    assert "steps[2].send: no expect_regex before has a group for ${2}" in refusal(steps)


# What is a mistake


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([], "expected at least 1 in the list"),
        ("ssh", "expected a list"),
        (["ssh"], "expected {send: …} or {expect: …} or {expect_regex: …} or {starttls: …}"),
        ([{}], "expected exactly one of send, expect, expect_regex, starttls"),
        ([{"send": {"text": "a"}, "expect": {"text": "b"}}], "steps[0]: expected exactly one of"),
        ([{"expects": {"text": "a"}}], "steps[0].expects: unknown key; did you mean 'expect'?"),
        ([{"send": "a"}], "steps[0].send: expected {text: …} or {hex: …} or {base64: …}"),
        ([{"send": {"text": ""}}], "expected 1 to 65507 bytes"),
        ([{"expect_regex": "("}], "steps[0].expect_regex: not a regular expression"),
        ([{"starttls": {"verify": True}}], "steps[0].starttls: expected {}; the key `tls`"),
        ([{"starttls": {}}] * 2, "steps[1].starttls: TLS has been started before"),
        ([{"send": {"text": "${1}"}}], "no expect_regex before has a group for ${1}; $${1} stands"),
        ([{"send": {"text": "a"}}] * 101, "expected at most 100 steps, got 101"),
    ],
)
def test_a_mistake_in_steps_is_named(steps: Any, words: str) -> None:
    assert words in refusal(steps)


def test_a_dialogue_is_given_in_one_way() -> None:
    assert "send and expect, or steps, or preset" in refusal(GREETED, expect={"text": "a"})
    assert "send and expect, or steps, or preset" in refusal(GREETED, preset="smtp")
    assert "has no effect without a step {starttls: {}}" in refusal(GREETED, tls={})
    with pytest.raises(Rejected, match="starttls is for type TCP"):
        TlsProbe(preset="smtp_starttls")
    with pytest.raises(Rejected, match="only one of steps, preset"):
        section(TlsProbe).read({"steps": GREETED, "preset": "imap"}, OUTSIDE)


def test_steps_are_shown_as_they_were_written() -> None:
    steps: Written = [*GREETED[:2], {"send": {"hex": "0001"}}, {"starttls": {}}]
    shown = show_options(probe(steps, tls={}))
    assert shown["steps"] == [
        *(
            {"expect_regex": r"^220 (?P<host>\S+) .*\n"},
            {"send": {"text": "EHLO ${host}\r\n"}},
        ),
        *({"send": {"hex": "0001"}}, {"starttls": {}}),
    ]
    assert probe(shown["steps"], tls={}) == probe(steps, tls={})


# What a hostile peer can cost


def test_a_reply_without_end_is_heard_up_to_the_limit() -> None:
    for step in ({"expect": {"text": "ok"}}, {"expect_regex": "ok"}):
        run = talk([step], *[b"x" * 16384] * 100)
        assert run.verdict.reason is Reason.PAYLOAD_MISMATCH
        assert len(run.left) == 100 - HEARD_LIMIT // 16384
        assert len(run.verdict.detail) < 300


def test_only_the_first_searches_take_the_time_of_the_loop() -> None:
    steps: Written = [{"expect_regex": "z$"}]
    assert talk(steps, b"a", b"a", b"z").in_threads == 0
    assert talk(steps, *[b"a"] * 9, b"z").in_threads == 7
    assert talk(steps, b"a" * 3000 + b"z").in_threads == 1


def test_a_pattern_that_runs_away_is_stopped() -> None:
    verdict = talk([{"expect_regex": "(a|aa)+$"}], b"a" * 60 + b"b").verdict
    assert verdict == (Reason.REGEX_TIMEOUT, "step 1, expect_regex '(a|aa)+$': took too long", None)


def test_a_reply_in_very_many_pieces_is_no_reply() -> None:
    run = talk([{"expect_regex": "z"}], *[b"a"] * SEARCHES_LIMIT, b"z")
    assert run.verdict.reason is Reason.BAD_RESPONSE
    assert talk(
        [{"expect_regex": "z"}], *[b"a"] * (SEARCHES_LIMIT - 1), b"z"
    ).verdict.reason.is_good


@given(
    wanted=st.lists(st.text("ab", min_size=1, max_size=3), min_size=1, max_size=3),
    reply=st.text("ab", max_size=30),
    cuts=st.sets(st.integers(0, 30)),
    by_pattern=st.booleans(),
)
def test_pieces_do_not_matter(
    wanted: list[str], reply: str, cuts: set[int], *, by_pattern: bool
) -> None:
    steps: Written = [
        {"expect_regex": each} if by_pattern else {"expect": {"text": each}} for each in wanted
    ]
    place, found = 0, True
    for each in wanted:
        found = found and reply.find(each, place) >= 0
        place = reply.find(each, place) + len(each)
    run = talk(steps, *pieces(reply.encode(), cuts), END)
    assert run.verdict.reason.is_good == found


def test_a_plain_tls_monitor_still_waits_for_the_consent_of_the_server() -> None:
    run = drive(TlsProbe(tls=TlsSettings()).bind(TARGET), SESSION)
    assert [each.confirm for each in run.handshakes] == [True]
