"""A PROXY header comes first in every type that speaks over a stream, and in no other."""

import pytest

from prober.model.option import ReadContext, Rejected, options_of, section
from prober.model.probe import Probe, Target
from prober.model.status import Reason
from prober.probes import PROBE_TYPES
from tests.probes.drive import END, SESSION, drive

HEADER = b"PROXY TCP4 192.0.2.1 192.0.2.80 40000 80\r\n"
OUTSIDE = ReadContext("/", str, {})
REQUIRED = {"DNS": {"query_name": "a.test", "transport": "tcp"}}
STREAMS = [name for name, cls in PROBE_TYPES.items() if "send_proxy" in options_of(cls)]


def probe(name: str, **options: object) -> Probe:
    found: Probe = section(PROBE_TYPES[name]).read({**REQUIRED.get(name, {}), **options}, OUTSIDE)
    return found


def test_every_type_that_can_speak_over_a_stream_has_the_option() -> None:
    over_a_stream = {
        name for name in PROBE_TYPES if not (probe(name).datagram or probe(name).portless)
    }
    assert set(STREAMS) == over_a_stream


@pytest.mark.parametrize("name", STREAMS)
def test_the_header_comes_before_anything_else(name: str) -> None:
    events = [SESSION] if name in ("HTTPS", "TLS") else []
    plain = drive(probe(name).bind(Target("192.0.2.80", 80)), *events, END)
    run = drive(
        probe(name, send_proxy="v1").bind(Target("192.0.2.80", 80)),
        *events,
        END,
    )
    assert run.sent == HEADER + plain.sent
    assert run.verdict == plain.verdict
    assert run.handshakes == plain.handshakes


def test_a_connection_alone_is_still_enough() -> None:
    run = drive(probe("TCP", send_proxy="v2").bind(Target("192.0.2.80", 80)))
    assert (run.verdict.reason, run.verdict.detail) == (Reason.OK, "connected")
    assert run.sent.endswith(b"\x20\x00\x00\x00")


def test_it_is_refused_where_it_cannot_be_sent() -> None:
    with pytest.raises(Rejected, match="is not sent over UDP"):
        probe("DNS", transport="udp", send_proxy="v1")
    with pytest.raises(Rejected, match="expected one of v1, v2, v2_proxy"):
        probe("TCP", send_proxy="v3")
