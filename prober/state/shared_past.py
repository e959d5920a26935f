"""What members of a cluster have recorded of a check, to and from the JSON that they exchange."""

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from prober.model.kernel_view import KernelView
from prober.model.status import PHASES, REASONS, FactValue, Outcome, Phases
from prober.state.recent import PastResult
from prober.state.rows import moment, number, or_none, text, whole
from prober.state.slots import BUCKETS, SPENT_IN, Slot, add_slots, empty_slot

Json = dict[str, Any]
_NONSENSE: Final = (ValueError, TypeError, KeyError, IndexError, OverflowError)


class SharedPast(NamedTuple):
    """The streak and the slots of a check, its last result, and the last ones, newest first."""

    streak: int
    last: Outcome | None
    recent: Sequence[PastResult]
    slots: Sequence[Slot]


def past_json(past: SharedPast) -> Json:
    """Return a past as the JSON that members exchange; slots without probes are left out."""
    return {
        "streak": past.streak,
        "last": past.last and _last_row(past.last),
        "recent": [
            [each.at, each.reason, each.fact, each.seconds, each.phases] for each in past.recent
        ],
        "slots": [_slot_row(each) for each in past.slots if each.probes or any(each.seconds)],
    }


def read_past(given: Any) -> SharedPast:
    """Read what `past_json` wrote; raise ValueError for anything else."""
    try:
        last = given["last"]
        return SharedPast(
            whole(given["streak"]),
            None if last is None else _outcome(*last),
            [_result(*row) for row in given["recent"]],
            [_slot(*row) for row in given["slots"]],
        )
    except _NONSENSE as error:
        raise ValueError(f"not the past of a check: {error!r}") from None


def joined_slots(mine: Iterable[Slot], others: Iterable[Iterable[Slot]]) -> list[Slot]:
    """Return slots with the probes of all members.

    Every member sees every status, so the seconds are those of the one that has seen most of them.
    """
    joined = {slot.start: slot for slot in mine}
    for slot in (slot for slots in others for slot in slots):
        if (known := joined.get(slot.start)) is not None:
            seconds = max(known.seconds, slot.seconds, key=sum)
            joined[slot.start] = add_slots(known, slot)._replace(seconds=seconds)
    return list(joined.values())


def _last_row(last: Outcome) -> list[Any]:
    facts = dict(last.facts) if last.facts else None
    kernel = None if last.kernel is None else list(last.kernel)
    ip, skipped = last.source_ip, last.skipped
    return [
        last.reason,
        last.detail,
        facts,
        last.at,
        last.seconds,
        last.phases,
        ip,
        skipped,
        kernel,
    ]


def _outcome(  # noqa: PLR0917  (one parameter for each column)
    reason: str,
    detail: str,
    facts: dict[str, Any] | None,
    at: float,
    seconds: float,
    phases: list[Any],
    source_ip: str | None,
    skipped: int,
    kernel: list[Any] | None,
) -> Outcome:
    return Outcome(
        REASONS[reason],
        text(detail),
        None if facts is None else {name: _fact_value(each) for name, each in facts.items()},
        moment(at),
        number(seconds),
        _phases(phases),
        or_none(text, source_ip),
        whole(skipped),
        None if kernel is None else KernelView(*kernel),
    )


def _fact_value(given: object) -> FactValue:
    return given if isinstance(given, str) else number(given)


def _phases(given: list[Any]) -> Phases:
    if len(given) != len(PHASES):
        raise ValueError("other phases")
    return tuple(or_none(number, each) for each in given)


def _result(
    at: float, reason: str, fact: list[Any] | None, seconds: float, phases: list[Any]
) -> PastResult:
    known = None
    if fact is not None:
        name, value = fact
        known = text(name), _fact_value(value)
    return PastResult(moment(at), REASONS[reason], known, number(seconds), _phases(phases))


def _slot_row(slot: Slot) -> list[Any]:
    counts = [[place, count] for place, count in enumerate(slot.counts) if count]
    return [*slot[:-1], counts]


def _slot(  # noqa: PLR0917  (one parameter for each column)
    start: int,
    probes: int,
    good: int,
    bad: int,
    seconds: list[Any],
    total: float,
    least: float,
    most: float,
    counts: list[Any],
) -> Slot:
    if len(seconds) != len(SPENT_IN):
        raise ValueError("other statuses")
    by_bucket = dict(counts)
    slot = empty_slot(whole(start))._replace(
        probes=whole(probes),
        good=whole(good),
        bad=whole(bad),
        seconds=tuple(map(number, seconds)),
        total=number(total),
        least=number(least),
        most=number(most),
    )
    if not all(isinstance(place, int) and 0 <= place < BUCKETS for place in by_bucket):
        raise ValueError("other buckets")
    return slot._replace(counts=tuple(whole(by_bucket.get(n, 0)) for n in range(BUCKETS)))
