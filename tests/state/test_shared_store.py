"""The store of a member: what it probes, what it shows of others, and the vote over both."""

import pytest

from prober.model.ballot import Ballot, PastChange, Vote
from prober.model.health import Health
from prober.model.monitor import Check, Model
from prober.model.status import Outcome, Reason, Status
from prober.state.check_state import CheckState, Key
from prober.state.shared_store import SharedStore
from tests.simulation import WALL, model_of

GOOD = Outcome(Reason.OK, "as scripted", None, WALL, 0.01)
BAD = GOOD._replace(reason=Reason.REFUSED)


class Here:
    """A member `m` with one check, in time that the test moves."""

    def __init__(self, vote: str = "") -> None:
        self.now = 0.0
        self.store = SharedStore("m", "fra", wall=lambda: WALL + self.now, awake=lambda: self.now)
        self.changed: list[Key] = []
        self.store.changed = self.changed.append
        model = model_of("192.0.2.1", rise=2, fall=3)
        monitor = model.monitors[0]
        object.__setattr__(monitor, "vote", vote)
        self.store.adopt(model)
        (check,) = model.checks()
        self.key = check.key
        self.check: Check = check
        self.state: CheckState = self.store.add(check)

    def record(self, outcome: Outcome, times: int = 1) -> None:
        for _ in range(times):
            self.now += 5.0
            self.store.record(self.state, outcome)

    def show(self, *votes: Vote, vantages: int = 1) -> None:
        ballots = [Ballot(f"o{n}", "", vote) for n, vote in enumerate(votes)]
        self.store.show(self.key, ballots, vantages)

    def status(self) -> Status:
        return self.state.status

    def told(self) -> list[tuple[Status | None, Status | None]]:
        return [(event.before, event.after) for event in self.store.events.newest_first()][::-1]


def vote(status: Status, streak: int = 2, since: float = WALL - 100, *changes: PastChange) -> Vote:
    online = status in (Status.OK, Status.WARNING)
    last = GOOD if streak > 0 else BAD
    return Vote(status, Health(online, streak), since, degraded=False, last=last, turns=changes)


@pytest.fixture
def here() -> Here:
    return Here()


def test_what_is_seen_first_is_no_event(here: Here) -> None:
    here.show(vote(Status.OK))
    assert (here.state.status, here.state.since) == (Status.OK, WALL - 100)
    assert here.state.last == GOOD
    assert here.told() == []


def test_changes_that_another_member_saw_are_events_once_each(here: Here) -> None:
    here.show(vote(Status.OK))
    changes = [
        PastChange(WALL + 1, Status.OK, Status.WARNING, Reason.REFUSED, -1, "one bad"),
        PastChange(WALL + 9, Status.WARNING, Status.CRITICAL, Reason.REFUSED, -3, "three bad"),
    ]
    failed = vote(Status.CRITICAL, -3, WALL + 9, *changes)
    for _ in range(2):
        here.show(failed)
    assert here.told() == [(Status.OK, Status.WARNING), (Status.WARNING, Status.CRITICAL)]
    newest = next(here.store.events.newest_first())
    assert (newest.at, newest.cause, newest.streak) == (WALL + 9, "three bad", -3)
    assert here.state.since == WALL + 9


def test_a_change_without_its_history_is_an_event_all_the_same(here: Here) -> None:
    here.show(vote(Status.OK))
    here.show(vote(Status.CRITICAL, -3, WALL + 9))
    assert here.told() == [(Status.OK, Status.CRITICAL)]


def test_another_members_check_never_becomes_stale(here: Here) -> None:
    here.show(vote(Status.OK))
    here.now = 1e6
    here.store.review(here.state)
    here.store.add(here.check)
    assert here.state.status is Status.OK
    assert here.told() == []


def test_a_check_that_is_taken_over_goes_on_where_the_other_stopped(here: Here) -> None:
    here.show(vote(Status.OK))
    here.store.adopt_vote(here.key, vote(Status.WARNING, -2, WALL - 3))
    here.store.begin(here.key, 1)
    assert (here.state.status, here.state.since) == (Status.WARNING, WALL - 3)
    here.record(BAD)
    assert here.state.status is Status.CRITICAL
    assert here.state.health == Health(False, -3)


def test_a_check_that_is_taken_over_is_not_stale_because_nobody_here_probed_it(here: Here) -> None:
    here.show(vote(Status.OK))
    here.now = 1e6
    here.store.adopt_vote(here.key, vote(Status.OK))
    here.store.begin(here.key, 1)
    here.store.review(here.state)
    assert here.state.status is Status.OK


def test_others_hear_of_what_can_decide_something_and_not_of_each_probe(here: Here) -> None:
    here.store.begin(here.key, 1)
    here.record(GOOD, times=50)
    assert len(here.changed) == 2  # the first good result, and the second, which decides
    here.record(BAD)
    assert len(here.changed) == 3
    here.record(BAD, times=50)
    assert len(here.changed) == 5
    assert here.store.vote(here.state).health.streak == -51


def test_a_member_that_may_not_speak_records_nothing(here: Here) -> None:
    here.store.begin(here.key, 1)
    here.record(GOOD, times=2)
    here.store.may_speak = lambda: False
    here.record(BAD, times=5)
    assert here.state.status is Status.OK
    assert here.state.last == GOOD
    assert here.told() == [(Status.UNKNOWN, Status.OK)]


def test_a_vote_carries_the_changes_that_led_to_it(here: Here) -> None:
    here.store.begin(here.key, 1)
    here.record(GOOD, times=2)
    here.record(BAD, times=3)
    changes = here.store.vote(here.state).turns
    assert [change.after for change in changes] == [Status.OK, Status.WARNING, Status.CRITICAL]


@pytest.mark.parametrize(("rule", "after"), [("", Status.WARNING), ("majority", Status.CRITICAL)])
def test_the_status_of_a_check_of_several_vantages_is_that_of_the_vote(
    rule: str, after: Status
) -> None:
    here = Here(rule)
    here.show(vote(Status.OK), vote(Status.OK), vantages=3)
    here.store.begin(here.key, 3)
    here.record(GOOD, times=2)
    assert here.status() is Status.OK
    here.record(BAD, times=3)
    assert here.status() is Status.WARNING
    here.show(vote(Status.CRITICAL, -3), vote(Status.OK), vantages=3)
    assert here.status() is after
    found = [(ballot.member, ballot.vote.status) for ballot in here.store.votes(here.key)]
    assert found == [("m", Status.CRITICAL), ("o0", Status.CRITICAL), ("o1", Status.OK)]
    here.show(vote(Status.CRITICAL, -3), vote(Status.CRITICAL, -3), vantages=3)
    assert here.status() is Status.CRITICAL


def test_the_only_vantage_that_is_left_decides_alone(here: Here) -> None:
    here.show(vote(Status.OK), vantages=2)
    here.store.begin(here.key, 2)
    here.record(BAD, times=3)
    assert here.status() is Status.WARNING
    here.show(vantages=1)
    assert here.status() is Status.CRITICAL
    assert [ballot.member for ballot in here.store.votes(here.key)] == ["m"]


class Vantages:
    """Members `m` and `o`, both of which probe the same checks in three pools."""

    def __init__(self) -> None:
        self.now = 0.0
        self.stores = {name: self._store(name) for name in "mo"}
        self.exchange()

    def _store(self, me: str) -> SharedStore:
        store = SharedStore(me, "", wall=lambda: WALL + self.now, awake=lambda: self.now)
        models = [model_of("192.0.2.1", "192.0.2.2", name=f"pool{n}") for n in range(3)]
        model = Model(
            tuple(monitor for each in models for monitor in each.monitors),
            tuple(pool for each in models for pool in each.pools),
        )
        store.adopt(model)
        for check in model.checks():
            store.add(check)
            store.begin(check.key, 2)
        return store

    def exchange(self) -> None:
        """Let each hear of the votes of the other."""
        for name, other in ("mo", "om"):
            store, said = self.stores[name], self.stores[other]
            for state in said:
                key = state.check.key
                store.show(key, [Ballot(other, "", said.vote(state))], 2)

    def probe(self, **found: Outcome) -> None:
        """Let both probe everything once: what they find by name."""
        self.now += 5.0
        for name, store in self.stores.items():
            for state in store:
                store.record(state, found.get(name, GOOD))
            self.exchange()

    def statuses(self) -> set[Status]:
        return {state.status for store in self.stores.values() for state in store}


def test_a_vantage_where_all_fails_that_the_other_finds_good_casts_no_votes() -> None:
    both = Vantages()
    both.probe()
    both.probe()
    for _ in range(3):
        both.probe(m=BAD)
    assert both.statuses() == {Status.WARNING}
    assert both.stores["m"].judge_this_vantage()
    assert not both.stores["o"].judge_this_vantage()
    both.exchange()
    assert both.statuses() == {Status.OK}
    assert not both.stores["m"].judge_this_vantage()
    both.probe()
    both.probe()
    assert both.stores["m"].judge_this_vantage()
    assert not both.stores["m"].quarantined
    assert both.statuses() == {Status.OK}


def test_an_outage_that_both_see_quarantines_nobody() -> None:
    both = Vantages()
    both.probe()
    both.probe()
    for _ in range(4):
        both.probe(m=BAD, o=BAD)
        assert not any(store.judge_this_vantage() for store in both.stores.values())
    assert both.statuses() == {Status.CRITICAL}


def test_a_member_logs_the_changes_of_its_own_checks_only(here: Here) -> None:
    here.show(vote(Status.OK))
    here.show(vote(Status.CRITICAL, -3, WALL + 9))
    assert not here.store.speaks_for(next(here.store.events.newest_first()))
    here.store.begin(here.key, 1)
    here.record(GOOD, times=2)
    assert here.store.speaks_for(next(here.store.events.newest_first()))


def test_of_several_vantages_one_logs_a_change(here: Here) -> None:
    here.show(vote(Status.OK), vantages=2)
    here.store.begin(here.key, 2)
    here.show(vote(Status.CRITICAL, -3), vantages=2)
    assert here.store.speaks_for(next(here.store.events.newest_first()))  # m comes before o0


def test_what_is_removed_leaves_nothing_behind(here: Here) -> None:
    here.show(vote(Status.OK), vantages=2)
    here.store.begin(here.key, 2)
    here.store.remove(here.key)
    assert here.store.mine == set()
    here.store.add(here.check)
    assert here.store.votes(here.key) == []
