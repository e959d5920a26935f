"""What is measured of a probe in flight."""

import socket

import pytest

from prober.engine.attempt import Attempt, Job
from prober.engine.wire import Wire
from prober.model.probe import Target
from prober.model.status import Reason, Verdict


@pytest.mark.parametrize(
    ("host", "resolved_at", "resolve"), [("192.0.2.1", None, None), ("a.example", 10.0625, 0.0625)]
)
def test_the_phases_follow_one_another(
    host: str, resolved_at: float | None, resolve: float | None
) -> None:
    job = Job(Target(host, 80), Verdict(Reason.OK, ""), timeout=2.0, datagram=False)
    attempt = Attempt(job, lambda _: None, now=10.0, wall=0.0, lost=0.0)
    attempt.resolved_at = resolved_at
    attempt.connected_at, attempt.sent_at, attempt.first_byte_at = 10.125, 10.375, 10.75
    with socket.socket() as sock:
        attempt.wire = Wire(sock, lambda *_: None)
        found = attempt.phases(11.5, 1.5)
    assert found == (resolve, 0.125 - (resolve or 0.0), None, 0.25, 0.375, 0.75)
