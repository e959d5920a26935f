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
    assert (clock.credible(), clock.leap) == (host.wall, 0.0)


def test_without_an_earlier_time_the_clock_is_believed() -> None:
    host = Host(SAVED + YEARS)
    assert host.clock(None).credible() == host.wall


def test_after_a_leap_only_time_that_was_lived_counts_until_the_clock_was_steady_for_long() -> None:
    host = Host(SAVED + YEARS)
    clock = host.clock()
    assert (clock.credible(), clock.leap) == (SAVED, YEARS)
    host.live(3600)
    assert clock.credible() == SAVED + 3600
    host.live(PROOF - 3600)
    assert (clock.credible(), clock.leap) == (host.wall, 0.0)


def test_the_next_process_goes_on_from_what_was_believed() -> None:
    host = Host(SAVED + YEARS)
    saved = SAVED
    for _ in range(5):
        host.lived = 0.0
        clock = host.clock(saved)
        host.live(PROOF / 2)
        saved = clock.credible()
    assert saved == SAVED + 5 * PROOF / 2


def test_a_leap_while_it_runs_is_doubted_and_taken_back_with_the_clock() -> None:
    host = Host(SAVED)
    clock = host.clock()
    host.live(100)
    assert clock.credible() == SAVED + 100
    host.wall += YEARS
    assert (clock.credible(), clock.leap) == (SAVED + 100, YEARS)
    host.wall -= YEARS
    assert (clock.credible(), clock.leap) == (host.wall, 0.0)


def test_a_clock_that_leaps_again_must_prove_itself_anew() -> None:
    host = Host(SAVED + YEARS)
    clock = host.clock()
    host.live(PROOF - 1)
    assert clock.credible() == SAVED + PROOF - 1
    host.wall += YEARS
    clock.credible()
    host.live(PROOF - 1)
    assert clock.credible() == SAVED + 2 * PROOF - 2


def test_a_clock_that_starts_in_the_past_makes_nothing_old_and_is_believed_once_it_is_set() -> None:
    host = Host(0.0)
    clock = host.clock()
    assert (clock.for_ages(), clock.credible(), clock.leap) == (0.0, SAVED, -SAVED)
    host.live(60)
    host.wall = SAVED + 3600
    assert (clock.for_ages(), clock.leap) == (host.wall, 0.0)


def test_a_clock_that_was_ahead_for_long_and_is_set_back_proves_itself_too() -> None:
    host = Host(SAVED)
    clock = host.clock(SAVED + YEARS)
    host.live(PROOF - 1)
    assert (clock.for_ages(), clock.credible()) == (host.wall, SAVED + YEARS + PROOF - 1)
    host.live(1)
    assert clock.credible() == host.wall
