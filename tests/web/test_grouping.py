"""Events that belong together become one line that says what they share."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prober.model.status import Reason, Status
from prober.state.events import POOL_STATUS, TRANSITION, Event
from prober.web.page.grouping import GAP, LONGEST, group_words, grouped, network_of


def change(
    number: int,
    backend: str,
    reason: Reason = Reason.REFUSED,
    *,
    at: float | None = None,
    monitor: str | None = None,
    pool: str | None = None,
    after: Status = Status.CRITICAL,
) -> Event:
    """Return a change of a check; monitor and pool are its own unless they are given."""
    names = monitor or f"m{number}", pool or f"p{number}"
    when = number * 0.1 if at is None else at
    return Event(number, when, TRANSITION, *names, backend, Status.OK, after, reason, -3, "why")


def words(events: list[Event]) -> list[str]:
    """Return what is said of events, oldest first, as groups."""
    return [
        group_words(each) if not each.is_single else f"1 {each.events[0].backend}"
        for each in grouped(events[::-1])
    ]


def test_checks_of_one_host_are_one_line() -> None:
    events = [change(n, f"10.0.3.7:{8000 + n}") for n in range(1, 15)]
    assert words(events) == ["14 checks, all on 10.0.3.7: refused"]


def test_certificates_of_one_issuer_are_one_line() -> None:
    events = [
        change(n, f"host{n}:443", Reason.EXPIRES_SOON, after=Status.WARNING) for n in range(1, 8)
    ]
    issuers = {event.id: "R11" for event in events[:6]}
    said = [group_words(each) for each in grouped(events[::-1], issuers) if not each.is_single]
    assert said == ["6 checks, all with a certificate from R11: expires soon"]


def test_a_host_explains_more_than_a_reason_that_others_share() -> None:
    events = [change(n, f"10.0.3.7:{8000 + n}") for n in range(1, 15)]
    events += [change(n, f"10.{n}.0.1:80") for n in range(15, 18)]
    assert words(events) == ["3 checks: refused", "14 checks, all on 10.0.3.7: refused"]


def test_a_pool_whose_hosts_have_several_checks_is_one_line() -> None:
    events = [
        change(3 * host + n, f"10.0.{host}.1:{n}", Reason.TIMEOUT, pool="web")
        for host in range(1, 30)
        for n in range(3)
    ]
    assert words(events) == ["87 checks, all in pool web: timeout"]


@pytest.mark.parametrize(
    ("backends", "reason", "expected"),
    [
        (["10.0.3.1:1", "10.0.3.2:1", "10.0.3.3:1"], Reason.TIMEOUT, "all in 10.0.3.0/24: timeout"),
        (
            ["[2001:db8::1]:1", "[2001:db8::2]:1", "[2001:db8::3]:1"],
            Reason.TIMEOUT,
            "all in 2001:db8::/64: timeout",
        ),
        (["a.example:1", "b.example:1", "c.example:1"], Reason.DNS_UNAVAILABLE, "dns unavailable"),
        (["10.1.0.1:1", "10.2.0.1:1", "10.3.0.1:1"], Reason.TLS_EXPIRED, "tls expired"),
    ],
)
def test_a_network_a_resolver_and_an_issuer_are_seen(
    backends: list[str], reason: Reason, expected: str
) -> None:
    events = [change(n, backend, reason) for n, backend in enumerate(backends, 1)]
    [said] = words(events)
    assert said.startswith("3 checks")
    assert said.endswith(expected)


def test_a_monitor_is_seen() -> None:
    events = [change(n, f"10.{n}.0.1:80", monitor="web", pool=f"p{n}") for n in range(1, 5)]
    assert words(events) == ["4 checks, all of monitor web: refused"]


def test_several_reasons_are_counted() -> None:
    reasons = [Reason.REFUSED] * 3 + [Reason.TIMEOUT]
    events = [change(n, f"10.0.3.7:{n}", reason) for n, reason in enumerate(reasons, 1)]
    assert words(events) == ["4 checks, all on 10.0.3.7: refused ×3, timeout ×1"]


def test_failures_and_recoveries_are_told_apart() -> None:
    down = [change(n, f"10.0.3.7:{n}") for n in range(1, 4)]
    up = [change(n, f"10.0.3.7:{n}", Reason.OK, after=Status.OK) for n in range(4, 8)]
    assert words(down + up) == [
        "4 checks, all on 10.0.3.7: ok",
        "3 checks, all on 10.0.3.7: refused",
    ]


def test_what_is_far_apart_in_time_is_not_folded() -> None:
    events = [change(n, "10.0.3.7:80", at=n * (GAP + 1)) for n in range(1, 6)]
    assert all(each.is_single for each in grouped(events[::-1]))
    drawn_out = [change(n, "10.0.3.7:80", at=n * GAP) for n in range(1, 41)]
    spans = [each.events[0].at - each.events[-1].at for each in grouped(drawn_out[::-1])]
    assert max(spans) <= LONGEST


def test_two_changes_are_no_group() -> None:
    events = [change(n, "10.0.3.7:80") for n in (1, 2)]
    assert [each.is_single for each in grouped(events[::-1])] == [True, True]


def test_troubles_of_prober_stand_in_between_and_break_nothing() -> None:
    """The cause is seen among its effects, which are still one line."""
    events = [change(n, f"10.0.3.7:{n}") for n in (1, 2)]
    nothing = (None,) * 7
    events.append(Event(3, 0.25, "local_trouble", *nothing, "no route"))
    events += [change(n, f"10.0.3.7:{n}") for n in (4, 5)]
    groups = grouped(events[::-1])
    assert [len(each.events) for each in groups] == [4, 1]
    assert groups[1].events[0].kind == "local_trouble"


def test_pools_are_a_line_of_their_own() -> None:
    nothing = None, None
    events = [
        Event(n, n, POOL_STATUS, None, f"p{n}", None, Status.OK, Status.WARNING, *nothing, "why")
        for n in range(1, 5)
    ]
    assert words(events) == ["4 pools"]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 40),
            st.sampled_from(["10.0.0.1:1", "10.0.0.2:1", "[::1]:1", "h.example:1", "10.9.0.1:2"]),
            st.sampled_from([Reason.OK, Reason.REFUSED, Reason.TIMEOUT]),
            st.sampled_from([Status.OK, Status.CRITICAL]),
        ),
        max_size=60,
    )
)
def test_no_event_is_lost_or_told_twice(
    parts: list[tuple[int, str, Reason, Status]],
) -> None:
    at, events = 0, []
    for number, (later, backend, reason, after) in enumerate(parts, 1):
        at += later
        events.append(change(number, backend, reason, at=at, monitor="m", pool="p", after=after))
    groups = grouped(events[::-1])
    told = [event.id for group in groups for event in group.events]
    assert sorted(told) == [event.id for event in events]
    newest = [group.events[0].id for group in groups]
    assert newest == sorted(newest, reverse=True)


def test_a_large_burst_is_split_with_bounded_work() -> None:
    """A thousand events that share nothing but pairs are not compared with each other."""
    events = [
        change(n, f"10.{n % 250}.{n // 250}.1:80", list(Reason)[n % 9]) for n in range(1, 1001)
    ]
    groups = grouped([event._replace(at=1.0) for event in events[::-1]])
    assert sum(len(each.events) for each in groups) == 1000
    assert len(groups) < 60


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("10.0.3.7", "10.0.3.0/24"),
        ("2001:db8::7", "2001:db8::/64"),
        ("a.example", None),
        (None, None),
    ],
)
def test_a_network_is_that_of_an_address(host: str | None, network: str | None) -> None:
    assert network_of(host) == network
