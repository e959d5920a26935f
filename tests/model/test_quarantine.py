"""When a vantage takes itself out of the vote."""

from prober.model.quarantine import SeenHere, is_in_trouble, is_still_in_trouble


def seen(bad: int, good: int = 0, *, pools: int = 3, refuted: bool = True) -> list[SeenHere]:
    failed = [SeenHere(f"p{n % pools}", 5.0, 100.0 + n % 3, refuted=refuted) for n in range(bad)]
    return [*failed, *(SeenHere(f"p{n % pools}", 5.0) for n in range(good))]


def test_a_vantage_where_nearly_everything_fails_that_others_find_good_is_in_trouble() -> None:
    assert is_in_trouble(seen(10))
    assert is_in_trouble(seen(8, 2))


def test_a_vantage_with_fewer_failures_or_pools_is_not() -> None:
    assert not is_in_trouble(seen(7, 3))
    assert not is_in_trouble(seen(10, pools=2))
    assert not is_in_trouble([])


def test_an_outage_that_others_see_too_quarantines_nobody() -> None:
    assert not is_in_trouble(seen(10, refuted=False))
    assert not is_in_trouble([*seen(7), *seen(3, refuted=False)])


def test_failures_that_came_one_by_one_are_no_trouble_of_the_vantage() -> None:
    slowly = [SeenHere(f"p{n}", 5.0, 100.0 * n, refuted=True) for n in range(10)]
    assert not is_in_trouble(slowly)
    old = [SeenHere("p1", 5.0, 7.0, refuted=True), *seen(9)]
    assert is_in_trouble(old)


def test_a_quarantine_ends_with_the_failures() -> None:
    assert is_still_in_trouble(seen(8, 2))
    assert not is_still_in_trouble(seen(7, 3))
    assert not is_still_in_trouble([])
