"""The probes of all addresses of a name, which are one probe of a check."""

from collections.abc import Callable, Sequence
from functools import partial

from prober.engine.attempt import Attempt, Job
from prober.engine.resolver import ResolvedTarget
from prober.model.address_rule import AddressRule, judge
from prober.model.status import Outcome


class AddressGroup:
    """The probes of every address of a name, for which an attempt waits.

    Args:
        rule: How the outcomes are judged together.
        places: Probes in flight that are reserved until the addresses are known.
        hold: Counts more, or fewer, probes in flight.
        cancel: Ends an attempt without an outcome.
    """

    __slots__ = (
        "_cancel",
        "_done",
        "_endpoints",
        "_hold",
        "_left",
        "_outcomes",
        "_places",
        "_rule",
        "attempts",
    )

    has_begun = True
    """It waits for no thread."""

    def __init__(
        self,
        rule: AddressRule,
        places: int,
        *,
        hold: Callable[[int], None],
        cancel: Callable[[Attempt], None],
    ) -> None:
        self.attempts: list[Attempt] = []
        self._rule = rule
        self._places = places
        self._hold = hold
        self._cancel = cancel
        hold(places)

    def begin(
        self, endpoints: Sequence[ResolvedTarget], done: Callable[["AddressGroup"], None]
    ) -> None:
        """Give back the reserved places; `done` is called when each address has its outcome."""
        self._endpoints = endpoints
        self._outcomes: list[Outcome | None] = [None] * len(endpoints)
        self._left = len(endpoints)
        self._done = done
        self._give_back()

    def _give_back(self) -> None:
        places, self._places = self._places, 0
        self._hold(-places)

    def receiver(self, number: int) -> Callable[[Outcome], None]:
        """Return what takes the outcome of one address."""
        return partial(self._take, number)

    def _take(self, number: int, outcome: Outcome) -> None:
        self._outcomes[number] = outcome
        self._left -= 1
        if not self._left:
            self._done(self)

    def cancel(self) -> None:
        """End the probes that are still in flight."""
        self._give_back()
        attempts, self.attempts = self.attempts, []
        for attempt in attempts:
            self._cancel(attempt)

    def outcome(self, whole: Attempt, now: float) -> Outcome:
        """Return the outcome of all addresses together."""
        outcomes = [each for each in self._outcomes if each is not None]
        addresses = [str(each.address[0]) for each in self._endpoints]
        reason, detail, telling = judge(self._rule, addresses, outcomes)
        told = outcomes[telling]
        resolve = (whole.resolved_at or whole.started_at) - whole.started_at
        took = now - whole.started_at
        if reason.is_good:
            took = resolve + max(told.seconds, self._seconds_until_good(outcomes))
        phases = (resolve, *told.phases[1:])
        return told._replace(
            reason=reason, detail=detail, at=whole.wall, seconds=took, phases=phases
        )

    def _seconds_until_good(self, outcomes: Sequence[Outcome]) -> float:
        """Return the seconds after which enough addresses were good."""
        good = sorted(each.seconds for each in outcomes if each.reason.is_good)
        return good[self._rule.needed(len(outcomes)) - 1]


def job_of(whole: Job, endpoint: ResolvedTarget) -> Job:
    """Return the job of one address; it keeps what it learns from one probe to the next."""
    known = whole.of_addresses.get(endpoint)
    if known is None:
        known = Job(
            whole.target,
            whole.begin,
            timeout=whole.timeout,
            datagram=whole.datagram,
            echo=whole.echo,
            egress=whole.egress,
            ip_order=whole.ip_order,
            objection=whole.objection,
            reply_limit=whole.reply_limit,
            beyond=whole.beyond,
            slow=whole.slow,
            probe=whole.probe,
        )
        known.endpoints = (endpoint,)
    return known
