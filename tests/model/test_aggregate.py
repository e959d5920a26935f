"""Backends, pools and load balancers: the contract's table, and a plain restatement of it."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prober.model.aggregate import backend_status, load_balancer_status, pool_status, worst
from prober.model.status import Status

LETTERS = {"O": Status.OK, "W": Status.WARNING, "C": Status.CRITICAL, "U": Status.UNKNOWN}
STATUSES = st.lists(st.sampled_from(Status), max_size=9)


def statuses(letters: str) -> list[Status]:
    return [LETTERS[letter] for letter in letters]


@pytest.mark.parametrize(
    ("checks", "expected"),
    [
        ("", "U"),
        ("O", "O"),
        ("OO", "O"),
        ("U", "U"),
        ("OU", "U"),
        ("CU", "U"),
        ("C", "C"),
        ("CC", "C"),
        ("CW", "C"),
        ("W", "W"),
        ("WW", "W"),
        ("OW", "W"),
        ("OC", "W"),
        ("OOC", "W"),
        ("OWC", "W"),
    ],
)
def test_a_backend_from_its_checks(checks: str, expected: str) -> None:
    assert backend_status(statuses(checks)) is LETTERS[expected]


@pytest.mark.parametrize(
    ("backends", "expected"),
    [
        ("", "U"),
        ("U", "U"),
        ("O", "O"),
        ("W", "W"),
        ("C", "C"),
        ("UUO", "U"),
        ("UO", "W"),
        ("UC", "C"),
        ("UW", "W"),
        ("UUOC", "C"),
        ("UUOO", "W"),
        ("OOO", "O"),
        ("OOW", "W"),
        ("OC", "W"),
        ("WC", "W"),
        ("OCC", "C"),
        ("OOC", "W"),
        ("WWC", "W"),
        ("OWCC", "W"),
        ("OCCC", "C"),
        ("OUC", "C"),
        ("UUC", "U"),
        ("UUUC", "U"),
    ],
)
def test_a_pool_from_its_backends(backends: str, expected: str) -> None:
    assert pool_status(statuses(backends)) is LETTERS[expected]


@pytest.mark.parametrize(
    ("pools", "expected"),
    [
        ("", "U"),
        ("O", "O"),
        ("W", "W"),
        ("C", "C"),
        ("U", "U"),
        ("CUU", "C"),
        ("COOOO", "C"),
        ("UUO", "U"),
        ("UO", "W"),
        ("OO", "O"),
        ("OW", "W"),
        ("UUWW", "W"),
    ],
)
def test_a_load_balancer_from_its_pools(pools: str, expected: str) -> None:
    assert load_balancer_status(statuses(pools)) is LETTERS[expected]


Rules = list[tuple[bool, Status]]


def first(rules: Rules) -> Status:
    """Return the status of the first rule that holds, as the contract's table is read."""
    return next(status for holds, status in rules if holds)


def shares(found: list[Status]) -> tuple[float, float]:
    """Return which part is UNKNOWN and which is in service."""
    part = 1 / len(found) if found else 0
    in_service = [each for each in found if each in (Status.OK, Status.WARNING)]
    unknown = [each for each in found if each is Status.UNKNOWN]
    return round(len(unknown) * part, 9), round(len(in_service) * part, 9)


def backend_rules(found: list[Status]) -> Rules:
    return [
        (any(each is Status.UNKNOWN for each in found), Status.UNKNOWN),
        (not found, Status.UNKNOWN),
        (all(each is Status.OK for each in found), Status.OK),
        (
            not any(each is Status.OK for each in found)
            and any(each is Status.CRITICAL for each in found),
            Status.CRITICAL,
        ),
        (True, Status.WARNING),
    ]


def pool_rules(found: list[Status]) -> Rules:
    unknown, in_service = shares(found)
    return [
        (not found or unknown > 0.5, Status.UNKNOWN),
        (all(each is Status.OK for each in found), Status.OK),
        (in_service < 0.5, Status.CRITICAL),
        (True, Status.WARNING),
    ]


def load_balancer_rules(found: list[Status]) -> Rules:
    unknown, _ = shares(found)
    return [
        (not found, Status.UNKNOWN),
        (any(each is Status.CRITICAL for each in found), Status.CRITICAL),
        (unknown > 0.5, Status.UNKNOWN),
        (all(each is Status.OK for each in found), Status.OK),
        (True, Status.WARNING),
    ]


@pytest.mark.parametrize(
    ("decide", "rules"),
    [
        (backend_status, backend_rules),
        (pool_status, pool_rules),
        (load_balancer_status, load_balancer_rules),
    ],
    ids=["backend", "pool", "load balancer"],
)
@given(found=STATUSES)
def test_it_is_the_contracts_table_read_from_top_to_bottom(
    decide: Callable[[list[Status]], Status],
    rules: Callable[[list[Status]], Rules],
    found: list[Status],
) -> None:
    assert decide(found) is first(rules(found))


@given(found=STATUSES, data=st.data())
def test_order_does_not_matter(found: list[Status], data: st.DataObject) -> None:
    other = data.draw(st.permutations(found))
    for decide in (backend_status, pool_status, load_balancer_status, worst):
        assert decide(found) is decide(other)


@pytest.mark.parametrize(
    ("found", "expected"),
    [("", "U"), ("O", "O"), ("OU", "U"), ("OUW", "W"), ("OUWC", "C"), ("CCO", "C")],
)
def test_the_worst_is_what_wants_attention_most(found: str, expected: str) -> None:
    assert worst(statuses(found)) is LETTERS[expected]
