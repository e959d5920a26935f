"""What members of a cluster tell each other of the past of a check: it survives the way."""

import json
from typing import Any

import pytest

from prober.model.kernel_view import KernelView
from prober.model.status import NO_PHASES, PHASES, Outcome, Reason, Status
from prober.state.recent import CAPACITY, PastResult, Recent
from prober.state.shared_past import SharedPast, joined_slots, past_json, read_past
from prober.state.slots import BUCKETS, SPENT_IN, STATUSES, Slot, empty_slot

PHASED = (*NO_PHASES[:-1], 0.25)
LAST = Outcome(
    Reason.REFUSED,
    "refused",
    {"http_status": 503, "protocol": "h2"},
    1e9,
    0.5,
    PHASED,
    "192.0.2.1",
    2,
    KernelView(3, 2, None, 1, "192.0.2.9"),
)


def slot(
    start: int, *, good: int = 0, least: float = 0.0, most: float = 0.0, ok: float = 0.0
) -> Slot:
    counts = (good, *(0,) * (BUCKETS - 1))
    seconds = tuple(ok if name == Status.OK else 0.0 for name in SPENT_IN)
    return Slot(start, good, good, 0, seconds, good * least, least, most, counts)


def sent(past: SharedPast) -> SharedPast:
    return read_past(json.loads(json.dumps(past_json(past))))


def test_a_past_is_read_as_it_was_told() -> None:
    recent = [
        PastResult(2e9, Reason.TIMEOUT, None, 1.0, NO_PHASES),
        PastResult(1e9, Reason.OK, ("http_status", 200), 0.25, PHASED),
    ]
    past = SharedPast(-3, LAST, recent, [slot(300, good=2, least=0.1, most=0.3, ok=300.0)])
    assert sent(past) == past
    assert sent(SharedPast(0, None, [], [empty_slot(300)])) == SharedPast(0, None, [], [])


def test_results_that_were_told_are_kept_like_own_ones() -> None:
    told = [PastResult(1e9 - n, Reason.OK, None, 0.25, NO_PHASES) for n in range(CAPACITY + 5)]
    assert list(Recent.of((), told).newest_first()) == told[:CAPACITY]
    coded = [PastResult(1e9, Reason.OK, ("http_status", 200), 0.25, PHASED)]
    assert list(Recent.of(("http_status",), coded).newest_first()) == coded


ROW = json.loads(json.dumps(past_json(SharedPast(1, LAST, [], [slot(300, good=1)]))))


@pytest.mark.parametrize(
    "change",
    [
        {"last": [1, 2]},
        {"last": ["no_such_reason", *ROW["last"][1:]]},
        {"last": [*ROW["last"][:3], 1e300, *ROW["last"][4:]]},
        {"last": [*ROW["last"][:2], {"a": [1]}, *ROW["last"][3:]]},
        {"recent": [[1e9, "ok", None, 0.5, [None]]]},
        {"recent": [[1e9, "ok", [1, 2], 0.5, [None] * len(PHASES)]]},
        {"slots": [[*ROW["slots"][0][:4], [0.0], *ROW["slots"][0][5:]]]},
        {"slots": [[*ROW["slots"][0][:-1], [[BUCKETS, 1]]]]},
        {"streak": None},
    ],
    ids=str,
)
def test_what_no_member_tells_is_refused(change: dict[str, Any]) -> None:
    assert read_past(ROW).streak == 1
    with pytest.raises(ValueError, match="not the past of a check"):
        read_past(ROW | change)
    with pytest.raises(ValueError, match="not the past of a check"):
        read_past([])


def test_slots_have_the_probes_of_all_and_the_seconds_of_the_best_witness() -> None:
    mine = [slot(0, good=1, least=0.2, most=0.2, ok=100.0), empty_slot(300)]
    other = [slot(300, good=4, least=0.1, most=0.5, ok=300.0), slot(600, good=9)]
    third = [slot(0, good=2, least=0.1, most=0.1, ok=300.0)]
    first, second = joined_slots(mine, [other, third])
    assert (first.start, first.good, first.least, first.most) == (0, 3, 0.1, 0.2)
    assert first.seconds[STATUSES.index(Status.OK)] == 300.0
    assert second == other[0]
