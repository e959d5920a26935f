"""Never the last one: what a receiver is told when more of a pool fails than may leave it."""

from hypothesis import given
from hypothesis import strategies as st

from prober.model.pool import Backend
from prober.model.status import Status
from prober.outputs.haproxy_agent import words as haproxy_words
from prober.outputs.keep import NOTHING_TOLD, Told, leaves_enough, tell_backend, tell_pool
from tests.outputs.serving import pool

words = st.sampled_from(["ok", "warning", "critical", "unknown", "critical+drain"])


def in_service(told: Told | None) -> list[bool | None]:
    assert told is not None
    return [each.in_service for each in told.backends.values()]


def test_what_fails_goes_out_as_long_as_the_share_stays() -> None:
    told = tell_pool(pool("ok", "ok", "ok", "ok"), NOTHING_TOLD, 0.5)
    assert told is not None
    told = tell_pool(pool("critical", "critical", "critical", "ok"), told, 0.5)
    assert in_service(told) == [False, False, True, True]
    assert told is not None
    assert told.held == {"10.0.0.2:80"}


def test_what_failed_first_goes_first() -> None:
    told = tell_pool(pool("ok", "ok"), NOTHING_TOLD, 0.5)
    assert told is not None
    told = tell_pool(pool("critical", "critical", since=(20.0, 10.0)), told, 0.5)
    assert in_service(told) == [True, False]


def test_what_comes_back_lets_what_is_held_go() -> None:
    told = tell_pool(pool("critical", "critical"), Told({}), 0.5)
    assert told is not None
    assert len(told.held) == 1
    told = tell_pool(pool("ok", "critical"), told, 0.5)
    assert in_service(told) == [True, False]
    assert told is not None
    assert not told.held


def test_what_an_operator_takes_out_is_never_held() -> None:
    told = tell_pool(pool("ok", "ok"), NOTHING_TOLD, 0.5)
    assert told is not None
    told = tell_pool(pool("ok+maintenance", "ok+drain"), told, 0.5)
    assert in_service(told) == [False, False]


def test_half_a_pool_is_not_told() -> None:
    assert tell_pool(pool("ok", "unknown"), NOTHING_TOLD, 0.5) is None


def test_unknown_changes_nothing() -> None:
    told = tell_pool(pool("ok", "critical", "ok"), NOTHING_TOLD, 0.5)
    assert told is not None
    again = tell_pool(pool("unknown", "unknown", "unknown"), told, 0.5)
    assert again is not None
    assert again.backends == told.backends


def test_a_pool_of_one_backend_keeps_it_unless_nothing_is_to_be_kept() -> None:
    told = tell_pool(pool("ok"), NOTHING_TOLD, 0.5)
    assert told is not None
    assert in_service(tell_pool(pool("critical"), told, 0.5)) == [True]
    assert in_service(tell_pool(pool("critical"), told, 0.0)) == [False]


@given(
    st.lists(st.lists(words, min_size=4, max_size=4), max_size=20),
    st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]),
)
def test_no_answer_takes_out_more_than_may_go(history: list[list[str]], keep: float) -> None:
    told: Told | None = NOTHING_TOLD
    for each in history:
        assert told is not None
        shown = pool(*each)
        told = tell_pool(shown, told, keep) or told
        measured = [b for b in told.backends.values() if b.admin is None]
        counted = sum(b.admin is None for b in shown.backends)
        left = sum(b.in_service is True for b in measured)
        went = {b.key for b in measured if b.in_service is False}
        back = {b.key for b in shown.backends if b.in_service} & went
        assert not back, "what is in service is told at once"
        if told.held:
            assert not leaves_enough(left - 1, counted, keep), "held although it may go"


def test_an_agent_is_told_of_a_backend_only_when_others_were_said_to_be_in_service() -> None:
    shown = pool("critical", "ok", "ok")
    told = tell_backend(shown, "10.0.0.0:80", NOTHING_TOLD, 0.5)
    assert not told.backends, "HAProxy has not been told of any that is in service"
    assert told.held == {"10.0.0.0:80"}
    for key in ("10.0.0.1:80", "10.0.0.2:80", "10.0.0.0:80"):
        told = tell_backend(shown, key, told, 0.5)
    assert in_service(told) == [True, True, False]
    assert not told.held


def test_an_agent_keeps_what_it_was_told_of_what_is_unknown_now() -> None:
    told = tell_backend(pool("ok"), "10.0.0.0:80", NOTHING_TOLD, 0.5)
    assert tell_backend(pool("unknown"), "10.0.0.0:80", told, 0.5) == told
    assert tell_backend(pool("unknown"), "10.0.0.9:80", told, 0.5) == told


def test_a_backend_that_is_disabled_is_out_and_neither_held_nor_counted() -> None:
    shown = pool("ok", "ok", "unknown")
    off = shown.backends[2]._replace(
        backend=Backend(address="10.0.0.2", port=80, name="b2", enabled=False)
    )
    shown = shown._replace(backends=(*shown.backends[:2], off))
    told = tell_pool(shown, NOTHING_TOLD, 0.5)
    assert in_service(told) == [True, True, False]
    assert shown.known_status is Status.OK
    assert haproxy_words(off, None) == "maint"
