"""The vote over the vantages of a check."""

import pytest

from prober.model.status import Status
from prober.model.voting import VoteRule, voted

STATUSES = {"o": Status.OK, "w": Status.WARNING, "c": Status.CRITICAL, "u": Status.UNKNOWN}


@pytest.mark.parametrize(
    ("votes", "unanimous", "majority"),
    [
        ("o", "o", "o"),
        ("w", "w", "w"),
        ("c", "c", "c"),
        ("u", "u", "u"),
        ("", "u", "u"),
        ("oo", "o", "o"),
        ("oc", "w", "w"),  # one half is not more than half
        ("cc", "c", "c"),
        ("ow", "w", "w"),
        ("wc", "w", "w"),
        ("ou", "o", "o"),  # half of the vantages are enough
        ("cu", "c", "c"),
        ("uu", "u", "u"),
        ("ooc", "w", "w"),
        ("occ", "w", "c"),
        ("wcc", "w", "c"),
        ("ccc", "c", "c"),
        ("ocu", "w", "w"),
        ("ccu", "c", "c"),
        ("ouu", "u", "u"),  # one of three is less than half
        ("cuu", "u", "u"),
        ("ooccc", "w", "c"),
        ("oooccuuuu", "w", "w"),
        ("ccccuuuuu", "u", "u"),
    ],
)
def test_the_vote_follows_its_table(votes: str, unanimous: str, majority: str) -> None:
    cast = [STATUSES[each] for each in votes]
    assert voted(cast, VoteRule.UNANIMOUS, len(cast)) is STATUSES[unanimous]
    assert voted(cast, VoteRule.MAJORITY, len(cast)) is STATUSES[majority]


def test_a_vantage_that_is_gone_casts_no_vote() -> None:
    assert voted([Status.OK], VoteRule.UNANIMOUS, 2) is Status.OK
    assert voted([Status.OK], VoteRule.UNANIMOUS, 3) is Status.UNKNOWN
