"""What a member has read of etcd: of votes that are written again, only changes are read."""

from prober.cluster.key_store import Item, KeyChanges
from prober.cluster.keys import Keys, VotesKey
from prober.cluster.knowledge import Knowledge, OwnVotes, Touched
from prober.cluster.records import pack_lines, vote_line
from prober.model.ballot import Vote
from prober.model.health import Health
from prober.model.status import Status

KEYS = Keys("test")
GOOD = Vote(Status.OK, Health(online=True, streak=2), 5.0, degraded=False, last=None)
BAD = GOOD._replace(status=Status.CRITICAL, since=9.0)


def write(known: Knowledge, revision: int, votes: dict[int, Vote] | None) -> Touched:
    """Let the votes of `b` in bucket 3 be these; None: they are deleted."""
    key = KEYS.votes(3, "b")
    if votes is None:
        return known.update(KeyChanges(revision, {}, [key]))
    value = pack_lines(vote_line(*each) for each in votes.items())
    return known.update(KeyChanges(revision, {key: Item(value, revision, 0)}, []))


def test_only_votes_that_have_changed_are_touched() -> None:
    known = Knowledge(KEYS)
    assert write(known, 1, {1: GOOD, 2: GOOD, 3: GOOD}).numbers == {1, 2, 3}
    touched = write(known, 2, {1: GOOD, 2: BAD, 4: GOOD})
    assert (touched.numbers, touched.buckets) == ({2, 3, 4}, {3})
    assert known.votes[3]["b"] == {1: GOOD, 2: BAD, 4: GOOD}
    assert write(known, 3, None).numbers == {1, 2, 4}
    assert known.votes[3] == {}
    assert write(known, 4, {1: GOOD}).numbers == {1}


def test_votes_that_are_nonsense_are_forgotten_until_they_are_written_anew() -> None:
    refused: list[str] = []
    known = Knowledge(KEYS, refused.append)
    write(known, 1, {1: GOOD, 2: GOOD})
    value = pack_lines([vote_line(1, GOOD), b"[2]"])
    known.update(KeyChanges(2, {KEYS.votes(3, "b"): Item(value, 2, 0)}, []))
    assert len(refused) == 1
    assert known.votes[3] == {}
    assert write(known, 3, {1: GOOD}).numbers == {1}


def test_what_a_member_has_written_itself_is_known_but_not_touched() -> None:
    known = Knowledge(KEYS)
    known.own[VotesKey(3, "b")] = OwnVotes(pack_lines([vote_line(1, GOOD)]), {1: GOOD})
    assert write(known, 1, {1: GOOD}).numbers == set()
    assert known.votes[3]["b"] == {1: GOOD}
    assert write(known, 2, {1: BAD}).numbers == {1}
