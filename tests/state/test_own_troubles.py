"""Troubles of the prober's own are told when they begin and when they are over."""

from prober.model.status import Reason
from prober.state.own_troubles import QUIET, OwnTroubles
from tests.simulation import Clock


def begin() -> tuple[Clock, OwnTroubles, list[tuple[str, str]]]:
    clock, told = Clock(), list[tuple[str, str]]()
    troubles = OwnTroubles(
        lambda kind, cause: told.append((kind, cause)),
        clock=clock,
        call_later=clock.call_later,
    )
    return clock, troubles, told


def test_a_trouble_is_told_once_and_when_it_is_over() -> None:
    clock, troubles, told = begin()
    for _ in range(1200):
        troubles.saw(Reason.NO_ROUTE)
        clock.advance(0.1)
    assert told == [("local_trouble", f"{Reason.NO_ROUTE.sentence} (no_route)")]
    clock.advance(2 * QUIET)
    assert told[1:] == [
        ("local_trouble_over", "over: no_route (1,200 probes inconclusive)"),
    ]
    assert not clock.timers()  # it asks for no time while there is nothing to see
    troubles.saw(Reason.NO_ROUTE)
    assert len(told) == 3


def test_troubles_of_two_kinds_are_told_apart() -> None:
    clock, troubles, told = begin()
    troubles.saw(Reason.NO_ROUTE)
    clock.advance(QUIET / 2)
    troubles.saw(Reason.DNS_UNAVAILABLE)
    clock.advance(QUIET * 0.6)
    assert [kind for kind, _ in told] == ["local_trouble", "local_trouble", "local_trouble_over"]
    clock.advance(QUIET)
    assert told[-1][1].startswith("over: dns_unavailable (1 probe ")


def test_what_says_nothing_about_this_host_is_no_trouble() -> None:
    _, troubles, told = begin()
    troubles.saw(Reason.WEAK_SILENCE)
    assert told == []


def test_no_timer_is_left_behind() -> None:
    clock, troubles, told = begin()
    troubles.stop()
    troubles.saw(Reason.NO_ROUTE)
    troubles.stop()
    assert not clock.timers()
    clock.advance(2 * QUIET)
    assert len(told) == 1
