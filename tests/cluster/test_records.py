"""What members write into etcd is read as it was written; anything else is refused."""

import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prober.cluster import records
from prober.cluster.records import (
    BadRecordError,
    MemberRecord,
    hash_of,
    number_of,
    pack_checks,
    pack_lines,
    read_line,
    unpack_checks,
    unpack_lines,
    vote_line,
)
from prober.model.ballot import PastChange, Vote
from prober.model.health import Health
from prober.model.status import NO_PHASES, Outcome, Reason, Status

TIMES = st.floats(0, 4e9)
TEXT = st.text(max_size=20)
FACTS = st.none() | st.dictionaries(TEXT, TEXT | st.integers(-9, 9) | TIMES, min_size=1, max_size=3)
OUTCOMES = st.builds(
    Outcome,
    st.sampled_from(Reason),
    TEXT,
    FACTS,
    TIMES,
    TIMES,
    st.just(NO_PHASES),
    st.none() | TEXT,
    st.just(0),
    st.none(),  # a vote does without what the kernel knows
)
CHANGES = st.builds(
    PastChange,
    TIMES,
    st.sampled_from(Status),
    st.sampled_from(Status),
    st.none() | st.sampled_from(Reason),
    st.integers(-99, 99),
    TEXT,
)
VOTES = st.builds(
    Vote,
    st.sampled_from(Status),
    st.builds(Health, st.none() | st.booleans(), st.integers(-(10**9), 10**9)),
    TIMES,
    st.booleans(),
    st.none() | OUTCOMES,
    st.lists(CHANGES, max_size=3).map(tuple),
    st.lists(TEXT, max_size=2).map(tuple),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=9) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.integers(0, 2**64 - 1), VOTES, max_size=4))
def test_votes_are_read_as_they_were_written(votes: dict[int, Vote]) -> None:
    lines = unpack_lines(pack_lines(vote_line(*each) for each in votes.items()))
    assert dict(map(read_line, lines)) == votes
    assert set(map(number_of, lines)) == votes.keys()


@given(JSON)
def test_votes_of_any_other_form_are_refused(nonsense: object) -> None:
    with pytest.raises(BadRecordError):
        read_line(json.dumps(nonsense).encode())


def test_a_vote_whose_number_is_written_in_another_way_is_refused() -> None:
    line = vote_line(7, Vote(Status.OK, Health(online=True, streak=1), 0.0, False, None))
    assert read_line(line)[0] == 7
    with pytest.raises(BadRecordError, match="does not begin with its number"):
        read_line(line.replace(b"7", b" 7", 1))


@given(st.binary(max_size=50))
def test_bytes_that_are_no_votes_are_refused(value: bytes) -> None:
    with pytest.raises(BadRecordError):
        unpack_lines(value)


def test_votes_that_unpack_to_too_much_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "LONGEST_RECORD", 1000)
    with pytest.raises(BadRecordError, match="more than 1000 bytes"):
        unpack_lines(zlib.compress(b" " * 100_000))


def test_a_member_is_read_as_it_was_written() -> None:
    record = MemberRecord(
        "a", "1", "fra", "http://a", "1.0", 5.0, "c", "d", 7.0, 2.0, draining=True
    )
    assert MemberRecord.from_bytes(record.to_bytes(), "a") == record


def test_a_member_of_a_later_version_may_say_more_and_of_an_earlier_one_less() -> None:
    value = json.dumps({"name": "a", "instance": "1", "ttl": 5, "colour": "red"}).encode()
    assert MemberRecord.from_bytes(value, "a") == MemberRecord("a", "1", ttl=5.0)


@given(JSON | st.dictionaries(st.sampled_from(MemberRecord._fields), JSON))
def test_what_is_no_member_is_refused(nonsense: object) -> None:
    try:
        record = MemberRecord.from_bytes(json.dumps(nonsense).encode(), "a")
    except BadRecordError:
        return
    assert record.name == "a"


def test_a_member_under_the_key_of_another_is_refused() -> None:
    with pytest.raises(BadRecordError):
        MemberRecord.from_bytes(MemberRecord("a", "1").to_bytes(), "b")


@given(st.sets(st.integers(0, 2**64 - 1), max_size=30))
def test_sets_of_checks_are_read_as_they_were_written_in_any_order(numbers: set[int]) -> None:
    parts = list(pack_checks(numbers))
    assert unpack_checks(parts[::-1]) == numbers
    assert hash_of(sorted(numbers)) == hash_of(sorted(numbers, reverse=True))


def test_a_large_set_of_checks_has_several_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "PART", 10)
    parts = list(pack_checks(range(25)))
    assert [len(part) for part in parts] == [80, 80, 40]
    assert unpack_checks(parts) == set(range(25))
    with pytest.raises(BadRecordError):
        unpack_checks([b"seven b"])
