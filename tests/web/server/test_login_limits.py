"""How often a peer may guess, and who is not kept waiting for it."""

import pytest

from prober.web.server import login_limits as attempts
from prober.web.server.login_limits import BURST, REFILL, Bucket, LoginLimits, peer_of

GOOD, OTHER = b"good", b"other"


class Clock:
    """A clock that stands still."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_bucket_lets_a_burst_through_and_then_one_by_one() -> None:
    bucket = Bucket(interval=2.0, burst=3)
    for _ in range(3):
        assert bucket.wait(100.0) == 0
        bucket.take(100.0)
    assert bucket.wait(100.0) == 2.0
    assert bucket.wait(101.5) == 0.5
    assert bucket.wait(102.0) == 0
    bucket.take(102.0)
    assert bucket.wait(102.0) == 2.0
    assert bucket.wait(500.0) == 0


def test_a_caller_that_keeps_guessing_has_to_wait(clock: Clock) -> None:
    guesses = LoginLimits(clock)
    for _ in range(BURST):
        assert guesses.wait("1.2.3.4", OTHER) == 0
        guesses.failed("1.2.3.4")
    assert guesses.wait("1.2.3.4", OTHER) == REFILL
    assert guesses.wait("1.2.3.5", OTHER) == 0
    clock.now += REFILL
    assert guesses.wait("1.2.3.4", OTHER) == 0


def test_credentials_that_were_right_from_there_never_wait(clock: Clock) -> None:
    guesses = LoginLimits(clock)
    guesses.succeeded("1.2.3.4", GOOD)
    for _ in range(10 * BURST):
        guesses.failed("1.2.3.4")
        guesses.failed("1.2.3.5")
    assert guesses.wait("1.2.3.4", GOOD) == 0
    assert guesses.wait("1.2.3.4", OTHER) > 0
    assert guesses.wait("1.2.3.5", GOOD) > 0, "right from another place proves nothing here"


def test_memory_is_bounded(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "REMEMBERED", 5)
    guesses = LoginLimits(clock)
    for number in range(100):
        guesses.failed(f"10.0.0.{number}")
        guesses.succeeded(f"10.0.0.{number}", GOOD)
    assert len(guesses._guessers) == len(guesses._proven) == 5
    assert "10.0.0.99" in guesses._guessers


@pytest.mark.parametrize(
    ("host", "peer"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("::1", "::1"),
        ("2001:db8::1", "2001:0db8:0000:0000"),
        ("2001:db8::ffff:1", "2001:0db8:0000:0000"),
        ("fe80::1%eth0", "fe80:0000:0000:0000"),
        ("", ""),
    ],
)
def test_a_peer_is_an_address_or_the_network_of_an_ipv6_address(host: str, peer: str) -> None:
    assert peer_of(host) == peer
