"""The time by which stored data is too old, and when a wall clock is not believed."""

from prober.state.credible_clock import DAY, LEAP, PROOF, CredibleClock

YEARS = 20 * 365 * DAY
SAVED = 1_800_000_000.0


class Host:
    """A host whose clocks a test sets."""

    def __init__(self, wall: float) -> None:
        self.wall = wall
        self.lived = 0.0

    def clock(self, saved: float | None = SAVED) -> CredibleClock:
        """Return what a process on it believes."""
        return CredibleClock(saved, wall=lambda: self.wall, awake=lambda: self.lived)

    def live(self, seconds: float) -> None:
        """Let time pass."""
        self.wall += seconds
        self.lived += seconds


def test_a_clock_that_goes_on_is_followed() -> None:
    host = Host(SAVED + LEAP)
    clock = host.clock()
    host.live(3600)
    assert (clock.now(), clock.leap) == (host.wall, 0.0)


def test_without_an_earlier_time_the_clock_is_believed() -> None:
    host = Host(SAVED + YEARS)
    assert host.clock(None).now() == host.wall


def test_after_a_leap_only_time_that_was_lived_counts_until_the_clock_was_steady_for_long() -> None:
    host = Host(SAVED + YEARS)
    clock = host.clock()
    assert (clock.now(), clock.leap) == (SAVED, YEARS)
    host.live(3600)
    assert clock.now() == SAVED + 3600
    host.live(PROOF - 3600)
    assert (clock.now(), clock.leap) == (host.wall, 0.0)


def test_the_next_process_goes_on_from_what_was_believed() -> None:
    host = Host(SAVED + YEARS)
    saved = SAVED
    for _ in range(5):
        host.lived = 0.0
        clock = host.clock(saved)
        host.live(PROOF / 2)
        saved = clock.now()
    assert saved == SAVED + 5 * PROOF / 2


def test_a_leap_while_it_runs_is_doubted_and_taken_back_with_the_clock() -> None:
    host = Host(SAVED)
    clock = host.clock()
    host.live(100)
    assert clock.now() == SAVED + 100
    host.wall += YEARS
    assert (clock.now(), clock.leap) == (SAVED + 100, YEARS)
    host.wall -= YEARS
    assert (clock.now(), clock.leap) == (host.wall, 0.0)


def test_a_clock_that_leaps_again_must_prove_itself_anew() -> None:
    host = Host(SAVED + YEARS)
    clock = host.clock()
    host.live(PROOF - 1)
    assert clock.now() == SAVED + PROOF - 1
    host.wall += YEARS
    clock.now()
    host.live(PROOF - 1)
    assert clock.now() == SAVED + 2 * PROOF - 2


def test_a_clock_that_is_set_back_is_followed_at_once() -> None:
    host = Host(SAVED - YEARS)
    assert host.clock().now() == SAVED - YEARS
