"""The states of all checks where a cluster shares them: some are probed here, all are shown."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from prober.model.ballot import Ballot, PastChange, Vote, Weight, weigh
from prober.model.fact import remembered
from prober.model.health import Health, status_of
from prober.model.quarantine import SHARE, SeenHere, is_in_trouble, is_still_in_trouble
from prober.model.status import NO_PHASES, Outcome, Status
from prober.model.voting import VoteRule, voted
from prober.state.check_state import CheckState, Key
from prober.state.events import TRANSITION, Event
from prober.state.history import History
from prober.state.journal import Journal, Saved
from prober.state.recent import Recent
from prober.state.shared_past import SharedPast
from prober.state.store import Store

LAST_CHANGES = 8
"""Maximum number of status changes that a vote carries."""


class OwnVote(NamedTuple):
    """The status that this vantage gives to a check of several vantages, and since when."""

    status: Status
    since: float


class SharedStore(Store):
    """A store whose checks are probed here or by other members of a cluster.

    A check's `health`, `last` and `degraded` are those of this vantage if it probes the check, and
    otherwise those of the first owner. Its `status` is what all vantages together say.

    Attributes:
        me: The name of this member.
        zone: The zone of this member.
        may_speak: Returns whether results count; others may have taken over unnoticed.
        changed: Called with the key of a check on which the vote of this vantage has changed.
        probed_here: The checks that are probed here: `mine`, which is never None.
        quarantined: Whether this vantage casts no votes, where a check has several.
    """

    def __init__(
        self,
        me: str,
        zone: str,
        *,
        wall: Callable[[], float],
        awake: Callable[[], float],
        journal: Journal | None = None,
        saved: Saved | None = None,
        history: History | None = None,
    ) -> None:
        super().__init__(wall=wall, awake=awake, journal=journal, saved=saved, history=history)
        self.me = me
        self.zone = zone
        self.may_speak: Callable[[], bool] = lambda: True
        self.changed: Callable[[Key], None] = lambda _: None
        self.quarantined = False
        self.mine = self.probed_here = set[Key]()
        self._ballots: dict[Key, tuple[Ballot, ...]] = {}
        self._vantages: dict[Key, int] = {}  # where they are several
        self._own: dict[Key, OwnVote] = {}  # of these
        self._changes: dict[Key, tuple[PastChange, ...]] = {}
        self._weights: dict[Key, Weight] = {}
        self._seen: set[Key] = set()  # whose status has been shown before
        self._bad_since: dict[Key, float] = {}  # of several vantages, by the clock of `awake`
        self._refutes: dict[Key, tuple[str, ...]] = {}

    # What is probed here

    def begin(self, key: Key, vantages: int) -> None:
        """Note that a check is probed here from now on, as one of so many vantages."""
        state = self._states[key]
        self.probed_here.add(key)
        self._seen.add(key)
        if not state.is_stale:
            state.conclusive_at = self._awake()
        self._count_vantages(key, vantages)

    def cease(self, key: Key) -> None:
        """Note that a check is no longer probed here."""
        self.probed_here.discard(key)
        self._weights.pop(key, None)
        self._changes.pop(key, None)
        self._own.pop(key, None)
        self._bad_since.pop(key, None)
        self._refutes.pop(key, None)

    def remove(self, key: Key) -> None:
        """Forget a check; the counters of a monitor go with its last check."""
        super().remove(key)
        self.cease(key)
        self._ballots.pop(key, None)
        self._vantages.pop(key, None)
        self._seen.discard(key)

    def record(self, state: CheckState, outcome: Outcome) -> Health:
        """Record one completed probe, unless others may have taken over; return the health."""
        if not self.may_speak():
            return state.health
        before, degraded = state.last, state.degraded
        health = super().record(state, outcome)
        if state.check.key in self._vantages:
            self._compare(state, outcome)
        monitor, last = state.check.monitor, state.last
        is_settled = not -monitor.fall <= health.streak <= monitor.rise
        same = before is not None and last is not None and before.reason is last.reason
        if is_settled and same and degraded is state.degraded and not outcome.facts:
            return health
        self._weigh(state)
        return health

    def _compare(self, state: CheckState, outcome: Outcome) -> None:
        """Compare a result with what other vantages of the check have found."""
        key = state.check.key
        if not outcome.reason.is_conclusive:
            return
        if not outcome.reason.is_good:
            self._bad_since.setdefault(key, self._awake())
            self._refutes.pop(key, None)
            return
        self._bad_since.pop(key, None)
        others = self._ballots.get(key, ())
        refutes = tuple(each.member for each in others if each.vote.health.streak < 0)
        if refutes != self._refutes.get(key, ()):
            self._refutes[key] = refutes
            self.changed(key)

    def judge_this_vantage(self) -> bool:
        """Decide whether this vantage is in quarantine; return whether that has changed."""
        if not self.quarantined and len(self._bad_since) < SHARE * max(1, len(self._own)):
            return False
        several = [key for key in self.probed_here if key in self._vantages]
        seen = [self._seen_here(key) for key in several]
        quarantined = is_still_in_trouble(seen) if self.quarantined else is_in_trouble(seen)
        if quarantined is self.quarantined:
            return False
        self.quarantined = quarantined
        for key in several:
            state = self._states[key]
            self._weigh(state)
            self._settle_votes(state, "")
        return True

    def _seen_here(self, key: Key) -> SeenHere:
        check = self._states[key].check
        refuted = any(
            self.me in each.vote.refutes and each.vote.status.in_service
            for each in self._ballots.get(key, ())
        )
        interval = check.monitor.interval
        return SeenHere(check.pool.name, interval, self._bad_since.get(key), refuted=refuted)

    def _weigh(self, state: CheckState) -> None:
        """Publish the vote on a check if there is something that other members need."""
        key, monitor = state.check.key, state.check.monitor
        weight = weigh(
            self.own_status(state),
            state.health,
            state.last,
            degraded=state.degraded,
            rise=monitor.rise,
            fall=monitor.fall,
        )
        if self._weights.get(key) != weight:
            self._weights[key] = weight
            self.changed(key)

    def own_status(self, state: CheckState) -> Status:
        """Return the status that this vantage gives to a check."""
        own = self._own.get(state.check.key)
        if own is None:
            return state.status
        return Status.UNKNOWN if self.quarantined else own.status

    def vote(self, state: CheckState) -> Vote:
        """Return what this vantage says of a check that it probes."""
        key = state.check.key
        own = self._own.get(key, OwnVote(state.status, state.since))
        last = state.last and state.last._replace(phases=NO_PHASES)
        return Vote(
            self.own_status(state),
            state.health,
            own.since,
            state.degraded,
            last,
            self._changes.get(key, ()),
            self._refutes.get(key, ()),
        )

    def votes(self, key: Key) -> list[Ballot]:
        """Return all votes on a check, that of this vantage first if it has one."""
        state, others = self._states[key], self._ballots.get(key, ())
        mine = [Ballot(self.me, self.zone, self.vote(state))] if key in self.probed_here else []
        return [*mine, *others]

    def prober_of(self, key: Key) -> str | None:
        """Return the member that probes a check which this one does not probe; None: no member."""
        ballots = self._ballots.get(key)
        return ballots[0].member if ballots and key not in self.probed_here else None

    def show_past(self, key: Key, past: SharedPast) -> None:
        """Show the last results of a check that another member probes."""
        state = self._states.get(key)
        if state is None or key in self.probed_here:
            return
        state.recent = Recent.of(remembered(state.check.monitor.probe.facts), past.recent)
        if past.last is not None and (state.last is None or state.last.at <= past.last.at):
            state.last = past.last
            if past.streak * state.health.streak > 0:
                state.health = state.health._replace(streak=past.streak)

    # What others say

    def adopt_vote(self, key: Key, vote: Vote) -> None:
        """Continue from another vantage's rise and fall, as if they were this one's."""
        state = self._states[key]
        if self._vantages.get(key, 1) > 1:
            self._own[key] = OwnVote(vote.status, vote.since)
        elif key in self._seen:
            self._follow(state, vote)
        else:
            self._set(state, vote.status, vote.since)
        self._seen.add(key)
        self._take_over(state, vote)
        self._changes[key] = vote.turns
        self._weights.pop(key, None)
        if key in self.probed_here and key in self._vantages:
            self._settle_votes(state, "")
        state.conclusive_at = self._awake()
        if state.is_stale:
            state.conclusive_at -= state.stale_after + 1

    def show(self, key: Key, ballots: Sequence[Ballot], vantages: int) -> None:
        """Show what others say of a check; they are its owners, best first.

        None if it is probed here only.
        """
        state = self._states[key]
        was_several = key in self._vantages
        is_new = key not in self._seen
        self._seen.add(key)
        self._ballots[key] = tuple(ballots)
        self._count_vantages(key, vantages)
        if key in self.probed_here:
            if vantages > 1:
                self._settle_votes(state, "")
            elif was_several:
                super()._settle(state, None, self._awake(), "this is the only vantage that is left")
            return
        self._take_over(state, ballots[0].vote)
        if vantages > 1:
            self._settle_votes(state, "", silently=is_new)
        elif is_new:
            self._set(state, ballots[0].vote.status, ballots[0].vote.since)
        else:
            self._follow(state, ballots[0].vote)

    def _take_over(self, state: CheckState, vote: Vote) -> None:
        state.health, state.degraded = vote.health, vote.degraded
        if vote.last is not None:
            state.last = vote.last

    def _follow(self, state: CheckState, vote: Vote) -> None:
        """Show the changes of a check's status that another member has seen."""
        if state.status is vote.status and state.since == vote.since:
            return
        missed = [change for change in vote.turns if change.at > state.since]
        if state.status is vote.status and not missed:
            self._set(state, vote.status, vote.since)
            return
        if not missed or missed[-1].after is not vote.status:
            reason = vote.last.reason if vote.last else None
            streak, cause = vote.health.streak, "seen by another member"
            missed = [PastChange(vote.since, state.status, vote.status, reason, streak, cause)]
        for change in missed:
            if change.after is not state.status:
                self._tell_change(state, change)
        self._set(state, vote.status, vote.since)

    def _set(self, state: CheckState, status: Status, since: float) -> None:
        if status is not state.status and self._history is not None and state.running is not None:
            self._history.turn_status(state.running, status)
        state.status, state.since = status, since
        self._touch(state.check.pool.name)
        if self._journal is not None:
            self._journal.saw(state.check.key, state)

    def _tell_change(self, state: CheckState, change: PastChange) -> None:
        """Add the event about a change that another member has seen."""
        told = change._replace(before=state.status)
        self._set(state, change.after, change.at)
        self._add_event(state, TRANSITION, change.at, change.cause, told)

    # The status of a check

    def _count_vantages(self, key: Key, vantages: int) -> None:
        if vantages > 1:
            if key in self.probed_here and key not in self._own:
                state = self._states[key]
                self._own[key] = OwnVote(state.status, state.since)
            self._vantages[key] = vantages
        elif self._vantages.pop(key, None):
            self._own.pop(key, None)

    def _settle(
        self, state: CheckState, outcome: Outcome | None, now: float, cause: str = ""
    ) -> bool:
        key = state.check.key
        if key not in self.probed_here:
            if state.check.enabled and key in self._ballots:
                return False
            return super()._settle(state, outcome, now, cause)
        if key not in self._vantages or not state.check.enabled:
            return super()._settle(state, outcome, now, cause)
        status = status_of(
            state.health,
            degraded=state.degraded,
            stale=now - state.conclusive_at > state.stale_after,
        )
        own = self._own.get(key)
        if own is None or own.status is not status:
            self._own[key] = OwnVote(status, self._wall())
        return self._settle_votes(state, cause)

    def _settle_votes(self, state: CheckState, cause: str, *, silently: bool = False) -> bool:
        """Update the status of a check by the votes of its vantages; return whether it is new."""
        key = state.check.key
        votes = self.votes(key)
        vantages = self._vantages.get(key, 1)
        rule = VoteRule(state.check.monitor.vote or VoteRule.UNANIMOUS)
        status = voted((each.vote.status for each in votes), rule, vantages)
        before = state.status
        if status is before:
            return False
        if silently:
            self._set(state, status, max(each.vote.since for each in votes))
            return True
        state.status, state.since = status, self._wall()
        if self._history is not None and state.running is not None:
            self._history.turn_status(state.running, status)
        state.counters.transitions[status] += 1
        said = ", ".join(f"{each.member} {each.vote.status}" for each in votes)
        self._tell(state, before, cause or f"votes of {vantages} vantages: {said}")
        return True

    def _tell(self, state: CheckState, before: Status, cause: str) -> PastChange:
        told = super()._tell(state, before, cause)
        key = state.check.key
        if key in self.probed_here and key not in self._vantages:
            self._changes[key] = (*self._changes.get(key, ()), told)[-LAST_CHANGES:]
        return told

    def is_first(self, key: Key) -> bool:
        """Return whether this is the first vantage of a check, which speaks for all of them."""
        if key not in self.probed_here:
            return False
        others = self._ballots.get(key, ()) if key in self._vantages else ()
        return all(self.me < each.member for each in others)

    def speaks_for(self, event: Event) -> bool:
        """Return whether this member has to log a change of a check."""
        key = (event.monitor or "", event.backend or "")
        return self.is_first(key) or (key not in self.probed_here and key not in self._ballots)
