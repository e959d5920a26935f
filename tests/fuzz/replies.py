"""Replies of targets: whatever comes, a probe ends with a verdict that can be shown and kept."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from zlib import crc32

from prober.model.fact import remembered
from prober.model.kinds import Codes
from prober.model.probe import Probe, Target
from prober.model.status import Outcome, Reason, Result, Verdict
from prober.probes import declared_facts
from prober.probes.dialogue_steps import DialogueStep
from prober.probes.grpc import GrpcProbe
from prober.probes.http import HttpProbe
from prober.probes.presets import PRESETS
from prober.probes.tcp import TcpProbe
from prober.probes.udp import UdpProbe
from prober.state.recent import Recent
from tests.fuzz.subject import Feed, Subject
from tests.probes.drive import DEADLINE, END, RESET, Event, Start, drive, pieces

TARGET = Target("192.0.2.1", 80)
ENDS: tuple[Event, ...] = (END, RESET, DEADLINE)
DETAIL_LIMIT = 1000
MOST_PACKETS = 200

_ANY = Codes("100-599", frozenset(range(100, 600)))
HTTP = (
    HttpProbe(),
    HttpProbe(http_method="HEAD", expected_codes=_ANY),
    HttpProbe(expected_codes=_ANY, body_regex="fine|ok", body_limit=1000),
)
HTTP_2 = (
    HttpProbe(http_version="2"),
    HttpProbe(http_version="2", http_method="HEAD", expected_codes=_ANY),
    HttpProbe(http_version="2", expected_codes=_ANY, body_regex="fine|ok", body_limit=1000),
)
GRPC = (GrpcProbe(), GrpcProbe(service="web", expected_codes=Codes("0-99", frozenset(range(100)))))
TCP = (TcpProbe(expect=b"+PONG"), TcpProbe(expect=b"a"))
DIALOGUES = (
    *(
        TcpProbe(preset=name)
        for name in PRESETS
        if name not in ("smtp_starttls", "postgres")  # TLS is not scripted; one byte and no more
    ),
    TcpProbe(
        steps=(
            DialogueStep("expect_regex", r"(?P<word>\w+) (\d)?:"),
            DialogueStep("send", b"${word}${2}"),
            DialogueStep("expect", b"\r\n"),
            DialogueStep("expect_regex", r"(?s)^.\xff"),
        )
    ),
)
UDP = (UdpProbe(), UdpProbe(expect=b"+PONG"))


def _read(starts: list[Start], *, datagrams: bool = False) -> Feed:
    """Return what reads replies; the first byte says which probe reads, and how the reply ends."""

    def feed(content: bytes) -> None:
        which, reply = content[:1] or b"\0", content[1:]
        start = starts[which[0] % len(starts)]
        end = ENDS[which[0] // 16 % len(ENDS)]
        whole = _verdict(start, [reply] if reply else [], end, datagrams=datagrams)
        if datagrams:
            return
        step = max(1, len(reply) // MOST_PACKETS, crc32(reply) % 7)
        parts = pieces(reply, range(step, len(reply), step))
        again = _verdict(start, parts, end, datagrams=False)
        if Reason.REGEX_TIMEOUT in (whole.reason, again.reason):
            return  # the time that a search may take depends on the number of pieces
        assert again.reason is whole.reason, (whole, again)
        assert again.facts == whole.facts, (whole, again)

    return feed


def _verdict(start: Start, parts: list[bytes], end: Event, *, datagrams: bool) -> Verdict:
    if datagrams and end == END:
        end = DEADLINE  # there is no end of a stream
    verdict = drive(start, *parts, end, datagrams=datagrams).verdict
    assert isinstance(verdict.reason, Reason), verdict
    assert verdict.reason.result is not Result.UNKNOWN, verdict
    assert len(verdict.detail) < DETAIL_LIMIT, verdict
    assert verdict.detail.isprintable(), verdict
    facts = verdict.facts or {}
    assert facts.keys() <= declared_facts().keys(), verdict
    outcome = Outcome(verdict.reason, verdict.detail, facts, 1.8e9, 0.1)
    json.dumps(outcome, allow_nan=False).encode()
    kept = remembered(declared_facts().values())
    recent = Recent(kept)
    recent.add(outcome)
    (past,) = recent.newest_first()
    assert past.fact == next(((name, facts[name]) for name in kept if name in facts), None)
    return verdict


def _reader(*probes: Probe, datagrams: bool = False) -> Callable[[], AbstractContextManager[Feed]]:
    @contextmanager
    def opened() -> Iterator[Feed]:
        yield _read([probe.bind(TARGET) for probe in probes], datagrams=datagrams)

    return opened


SUBJECTS = (
    Subject("http", _reader(*HTTP)),
    Subject("http_version_2", _reader(*HTTP_2)),
    Subject("grpc", _reader(*GRPC)),
    Subject("tcp", _reader(*TCP)),
    Subject("dialogue", _reader(*DIALOGUES)),
    Subject("udp", _reader(*UDP, datagrams=True)),
)
