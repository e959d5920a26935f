"""The JSON shapes of checks, their results and their history."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from prober.model.admin import AdminEntry
from prober.model.ballot import Ballot
from prober.model.fact import said
from prober.model.health import explain
from prober.model.status import PHASES, Outcome, Phases, Reason, Result, Status
from prober.probes import declared_facts
from prober.state.archive import WINDOWS, Uptime
from prober.state.check_state import CheckState
from prober.state.recent import PastResult
from prober.state.slots import MAINTENANCE, SPENT_IN, STATUSES, WIDTH, Slot
from prober.web.api.admin_shapes import ADMIN
from prober.web.api.shape import (
    ADDRESS,
    COUNT,
    INTEGER,
    LABELS,
    MARKER,
    SECONDS,
    STATUS,
    TEXT,
    TIME,
    FurtherMembers,
    JsonType,
    Shape,
    keyed,
    listed,
    member,
    nullable,
    one_word_of,
)
from prober.web.server.json_answer import Json
from prober.web.server.services import Moment

_SPENT: JsonType[float] = JsonType(SECONDS.schema, lambda seconds: round(seconds, 3))


class CheckAt(NamedTuple):
    """A check at a moment: what an operator decided, and its uptime by window, if known.

    `votes` are those of its vantages in a cluster; None without a cluster. `as_of` is the time
    of all this if the member that probes it does not answer.
    """

    state: CheckState
    now: Moment
    admin: AdminEntry | None = None
    uptime: Mapping[str, Uptime] | None = None
    votes: Sequence[Ballot] | None = None
    as_of: float | None = None


class SlotAt(NamedTuple):
    """A slot of `step` seconds at a moment; the last slot may still be running."""

    slot: Slot
    step: int
    now: float

    @property
    def seconds(self) -> float:
        """The elapsed seconds of the slot."""
        return min(self.slot.start + self.step, self.now) - self.slot.start


def _phases_json(phases: Phases) -> Json:
    named = zip(PHASES, phases, strict=True)
    return {name: round(seconds, 6) for name, seconds in named if seconds is not None}


_PHASES: JsonType[Phases] = JsonType(keyed(PHASES, SECONDS, optional=True).schema, _phases_json)


def _facts_json(outcome: Outcome) -> Json:
    if not outcome.facts:
        return {}
    declared = declared_facts()
    return {
        name: declared[name].kind.show(value)
        for name, value in outcome.facts.items()
        if name in declared
    }


def _fact_schemas() -> Json:
    facts = declared_facts().values()
    return {fact.name: {**fact.kind.schema, "description": fact.doc} for fact in facts}


_FACTS: FurtherMembers[Outcome] = FurtherMembers(_fact_schemas, _facts_json)
_KERNEL_SCHEMA = {
    "type": "object",
    "description": "what the kernel knows of the connection of a probe over TCP that failed or was "
    "slow; absent otherwise",
    "properties": {
        "syn_sent": {**COUNT.schema, "description": "SYNs sent"},
        "retransmits": {**COUNT.schema, "description": "segments sent again, SYNs among them"},
        "rtt_seconds": {**SECONDS.schema, "description": "smoothed round-trip time"},
        "unacked": {**COUNT.schema, "description": "bytes that the target has not acknowledged"},
        "reported_by": {**TEXT.schema, "description": "who sent the ICMP error, such as a router"},
    },
    "additionalProperties": False,
}


def _further_schemas() -> Json:
    return {**_fact_schemas(), "kernel": _KERNEL_SCHEMA}


def _further_json(outcome: Outcome) -> Json:
    facts = _facts_json(outcome)
    return facts if outcome.kernel is None else {**facts, "kernel": outcome.kernel.known()}


IN_SHORT: Shape[Outcome] = Shape(
    "Result",
    member("result", one_word_of(Result), lambda outcome: outcome.result),
    member("reason", one_word_of(Reason), lambda outcome: outcome.reason),
    member("detail", TEXT, lambda outcome: outcome.detail, optional=True),
    member("at", TIME, lambda outcome: outcome.at, "when the probe started", optional=True),
    member("duration_seconds", SECONDS, lambda outcome: outcome.seconds, optional=True),
    member("phases", _PHASES, lambda outcome: outcome.phases, optional=True),
    further=_FACTS,
)
"""The stored form of a result."""
RESULT: Shape[Outcome] = Shape(
    "Result",
    *IN_SHORT.members,
    member("source_ip", nullable(TEXT), lambda outcome: outcome.source_ip, optional=True),
    member("attempts_skipped", COUNT, lambda outcome: outcome.skipped, optional=True),
    doc="the result of one probe; a disabled check has only `result` and `reason`",
    further=FurtherMembers(_further_schemas, _further_json),
)
_DISABLED = {"result": Result.UNKNOWN, "reason": Reason.DISABLED}


def _past_json(past: PastResult) -> Json:
    """Return a RESULT from its stored form."""
    facts = dict([past.fact]) if past.fact else {}
    detail = said(declared_facts().values(), facts) or past.reason.sentence
    return IN_SHORT.render(Outcome(past.reason, detail, facts, past.at, past.seconds, past.phases))


def _last_json(state: CheckState) -> Json | None:
    if not state.check.enabled:
        return dict(_DISABLED)
    return RESULT.render(state.last) if state.last else None


def explanation(state: CheckState, now: Moment, votes: Sequence[Ballot] | None = None) -> str:
    """Return what would change the status of a check, and when it is probed next.

    `votes` are those of the members of a cluster that probe it.
    """
    monitor, health = state.check.monitor, state.health
    if not state.check.enabled:
        return "disabled: not probed"
    if state.status is Status.UNKNOWN and health.online is not None:
        wanted = f"stale: no conclusive result for {monitor.stale_after:g} s, the next one decides"
    else:
        wanted = explain(health, state.status, rise=monitor.rise, fall=monitor.fall)
    if state.next_due is None and votes:
        return f"{wanted}; probed by {', '.join(ballot.member for ballot in votes)}"
    if state.next_due is None:
        return f"{wanted}; a probe is in flight or not scheduled yet"
    return f"{wanted}; next probe in {max(0.0, state.next_due - now.clock):.1f} s"


def _next_probe_at(check: CheckAt) -> float | None:
    due = check.state.next_due if check.state.check.enabled else None
    return None if due is None else check.now.wall + due - check.now.clock


VOTE: Shape[Ballot] = Shape(
    "Vote",
    member("member", TEXT, lambda ballot: ballot.member),
    member("zone", TEXT, lambda ballot: ballot.zone),
    member("status", STATUS, lambda ballot: ballot.vote.status),
    member(
        "online",
        JsonType[bool | None]({"type": ["boolean", "null"]}),
        lambda ballot: ballot.vote.health.online,
    ),
    member("streak", INTEGER, lambda ballot: ballot.vote.health.streak),
    member("since", TIME, lambda ballot: ballot.vote.since, "since when it has this status"),
    member(
        "last",
        nullable(RESULT.type),
        lambda ballot: ballot.vote.last,
        "the result with which it last said something new",
    ),
    doc="what one vantage says of a check",
)
_VOTES = listed(VOTE.type)


def _votes_schema() -> Json:
    doc = "one for each member that probes the check; absent without a cluster"
    old = "when this was true: the member that probes the check cannot be reached"
    return {
        "votes": {**_VOTES.schema, "description": doc},
        "as_of": {**TIME.schema, "description": old},
    }


def _votes_json(at: CheckAt) -> Json:
    shown: Json = {} if at.votes is None else {"votes": _VOTES.show(at.votes)}
    return shown if at.as_of is None else {**shown, "as_of": TIME.show(at.as_of)}


_OF_A_CLUSTER: FurtherMembers[CheckAt] = FurtherMembers(_votes_schema, _votes_json)

CHECK: Shape[CheckAt] = Shape(
    "Check",
    member("monitor", TEXT, lambda at: at.state.check.monitor.name),
    member("pool", TEXT, lambda at: at.state.check.pool.name),
    member("load_balancer", TEXT, lambda at: at.state.check.pool.load_balancer),
    member("backend", ADDRESS, lambda at: at.state.check.backend.key),
    member("backend_name", nullable(TEXT), lambda at: at.state.check.backend.name),
    member("type", TEXT, lambda at: at.state.check.monitor.type),
    member("status", STATUS, lambda at: at.state.status),
    member(
        "online",
        JsonType[bool | None]({"type": ["boolean", "null"]}),
        lambda at: at.state.health.online if at.state.check.enabled else None,
        "the decision of rise and fall; null while undecided or disabled",
    ),
    member(
        "streak",
        INTEGER,
        lambda at: at.state.health.streak,
        "equal results in a row: positive for good, negative for bad ones",
    ),
    member("rise", COUNT, lambda at: at.state.check.monitor.rise),
    member("fall", COUNT, lambda at: at.state.check.monitor.fall),
    member(
        "worst_case_detection_seconds",
        SECONDS,
        lambda at: at.state.check.monitor.worst_case_detection_seconds,
        "longest time from a failure of the target to CRITICAL",
    ),
    member("since", TIME, lambda at: at.state.since, "time of the last status change"),
    member("next_probe_at", nullable(TIME), _next_probe_at, "null for a disabled check"),
    member("labels", LABELS, lambda at: at.state.check.labels),
    member("admin", nullable(ADMIN.type), lambda at: at.admin, "null: nothing was decided"),
    member(
        "last",
        JsonType[Json | None](nullable(RESULT.type).schema),
        lambda at: _last_json(at.state),
    ),
    further=_OF_A_CLUSTER,
)
CHECKS: Shape[str | None] = Shape(
    "Checks", member("next_marker", MARKER, lambda marker: marker), lists={"checks": CHECK.type}
)

UPTIME: Shape[Uptime] = Shape(
    "Uptime",
    member(
        "uptime",
        JsonType[float | None](
            {"type": ["number", "null"], "minimum": 0, "maximum": 1},
            lambda share: None if share is None else round(share, 7),
        ),
        lambda uptime: uptime.share,
        "share of the known time in OK or WARNING; null if there is no known time",
    ),
    member(
        "known_seconds",
        _SPENT,
        lambda uptime: uptime.known,
        "time in OK, WARNING or CRITICAL, without maintenance",
    ),
)
CHECK_IN_FULL: Shape[CheckAt] = Shape(
    "CheckInFull",
    *CHECK.members,
    member(
        "recent",
        listed(JsonType[PastResult](IN_SHORT.type.schema, _past_json)),
        lambda at: at.state.recent.newest_first(),
        "the last results in short form, newest first",
    ),
    member(
        "explain",
        TEXT,
        lambda at: explanation(at.state, at.now, at.votes),
        "what would change the status",
    ),
    member(
        "uptime",
        nullable(keyed(WINDOWS, UPTIME.type)),
        lambda at: at.uptime,
        "null if prober keeps no history",
    ),
    further=_OF_A_CLUSTER,
)


def _latency(slot: Slot) -> dict[str, float] | None:
    if not slot.good:
        return None
    mean = slot.total / slot.good
    quantiles = {f"p{share}": slot.quantile(share / 100) for share in _QUANTILES}
    return {"min": slot.least, "mean": mean, "max": slot.most, **quantiles}


_QUANTILES = (50, 95, 99)
_LATENCY = keyed(("min", "mean", "max", *(f"p{share}" for share in _QUANTILES)), SECONDS)

_MAINTENANCE = SPENT_IN.index(MAINTENANCE)

SLOT: Shape[SlotAt] = Shape(
    "Slot",
    member("start", TIME, lambda at: at.slot.start),
    member("seconds", _SPENT, lambda at: at.seconds, "its length; the last one may still run"),
    member("probes", COUNT, lambda at: at.slot.probes),
    member("good", COUNT, lambda at: at.slot.good),
    member("bad", COUNT, lambda at: at.slot.bad),
    member("inconclusive", COUNT, lambda at: at.slot.probes - at.slot.good - at.slot.bad),
    member(
        "latency",
        nullable(_LATENCY),
        lambda at: _latency(at.slot),
        "of the good probes; quantiles are estimated from buckets",
    ),
    member(
        "status_seconds",
        keyed(STATUSES, _SPENT),
        lambda at: dict(zip(STATUSES, at.slot.seconds, strict=False)),
    ),
    member(
        "maintenance_seconds",
        _SPENT,
        lambda at: at.slot.seconds[_MAINTENANCE],
        "time in maintenance or drained, which is in no status",
    ),
    member(
        "not_running_seconds",
        _SPENT,
        lambda at: max(0.0, at.seconds - sum(at.slot.seconds)),
        "time without a record of this check",
    ),
)


class Extent(NamedTuple):
    """The time range of a history in unix time, and the seconds of its slots."""

    start: float
    end: float
    step: int


HISTORY: Shape[Extent] = Shape(
    "History",
    member("from", TIME, lambda of: of.start),
    member("to", TIME, lambda of: of.end),
    member(
        "step",
        JsonType[int]({"type": "integer", "minimum": WIDTH}),
        lambda of: of.step,
        "seconds",
    ),
    lists={"slots": SLOT.type},
)
