"""UDP_CONNECT: a reply, silence or a refusal."""

import pytest

from prober.model.probe import Target, Trouble
from prober.model.status import Reason, Result
from prober.probes.udp import DEFAULT_PAYLOAD, UdpProbe
from tests.probes.drive import DEADLINE, Event, drive

TARGET = Target("10.0.0.53", 53)
REFUSED = Trouble(Reason.REFUSED, "port unreachable")
ANY = UdpProbe()
EXPECTING = UdpProbe(send=b"version?", expect=b"v2")


@pytest.mark.parametrize(
    ("probe", "events", "reason"),
    [
        (ANY, [b"whatever"], Reason.OK),
        (ANY, [b""], Reason.OK),
        (ANY, [DEADLINE], Reason.SILENT),
        (ANY, [REFUSED], Reason.REFUSED),
        (EXPECTING, [b"server v2.1"], Reason.OK),
        (EXPECTING, [b"v1", b"v2"], Reason.OK),
        (EXPECTING, [b"v1", b"v1", DEADLINE], Reason.PAYLOAD_MISMATCH),
        (EXPECTING, [b"v", b"2", DEADLINE], Reason.PAYLOAD_MISMATCH),
        (EXPECTING, [b"", DEADLINE], Reason.PAYLOAD_MISMATCH),
        (EXPECTING, [DEADLINE], Reason.TIMEOUT),
        (EXPECTING, [REFUSED], Reason.REFUSED),
        (EXPECTING, [b"v1", REFUSED], Reason.REFUSED),
    ],
)
def test_what_comes_back_decides(probe: UdpProbe, events: list[Event], reason: Reason) -> None:
    run = drive(probe.bind(TARGET), *events, datagrams=True)
    assert run.verdict.reason is reason
    assert not run.left


def test_silence_is_good() -> None:
    assert Reason.SILENT.result is Result.OK


def test_a_datagram_is_always_sent() -> None:
    assert drive(ANY.bind(TARGET), DEADLINE).sent == DEFAULT_PAYLOAD
    assert drive(EXPECTING.bind(TARGET), DEADLINE).sent == b"version?"


def test_it_speaks_over_udp() -> None:
    assert UdpProbe.datagram
