"""A survey of all checks: counts by status, and the selected checks in order."""

from collections import Counter
from collections.abc import Callable, Iterable
from itertools import chain, groupby
from typing import Any, NamedTuple

from prober.model.aggregate import pool_status
from prober.model.pool import Pool
from prober.model.probe import certificate_end
from prober.model.status import Status
from prober.state.check_state import CheckState
from prober.state.pace import Pace
from prober.state.store import Store
from prober.web.page.view import PROBLEMS, RANK, PageView, word_of

ROWS = 100
"""Number of checks on a page."""

Group = tuple[str, str]
"""The names of a load balancer and of a pool of it."""


class Survey(NamedTuple):
    """A survey of all checks.

    `counts` are of all checks, selected or not; `found` are the selected ones, in order; `worst` is
    the most urgent status of enabled checks.
    """

    counts: Counter[str]
    found: list[CheckState]
    worst: Status


class Section(NamedTuple):
    """Checks shown together, of one pool; `pool` is None if they are not grouped."""

    pool: Pool | None
    status: Status | None
    checks: list[CheckState]


async def survey(store: Store, view: PageView, pace: Pace) -> Survey:
    """Survey all checks."""
    counts, found = Counter[str](), list[CheckState]()
    for state in tuple(store):
        word = word_of(state)
        counts[word] += 1
        if (not view.status or word in view.status) and view.allows(state):
            found.append(state)
        await pace.pause()
    return Survey(counts, await _sorted(found, view, pace), worst_of(counts))


def worst_of(counts: Counter[str]) -> Status:
    """Return the most urgent status of enabled checks."""
    words = [Status(word) for word in RANK if word in Status.__members__ and counts[word]]
    return words[0] if words else Status.UNKNOWN


async def _sorted(found: list[CheckState], view: PageView, pace: Pace) -> list[CheckState]:
    key = _KEYS.get(view.order, _by_name)
    if view.order == PROBLEMS:
        ranks: dict[Group, int] = {}
        for state in found:
            group, rank = _group(state), RANK[word_of(state)]
            ranks[group] = min(rank, ranks.get(group, rank))
            await pace.pause()
        key = _problems_first(ranks)
    keyed = []
    for number, state in enumerate(found):
        keyed.append((*key(state), number))
        await pace.pause()
    keyed.sort(reverse=view.sort.startswith("-"))
    return [found[each[-1]] for each in keyed]


def _group(state: CheckState) -> Group:
    pool = state.check.pool
    return pool.load_balancer, pool.name


SortKey = Callable[[CheckState], tuple[Any, ...]]


def _problems_first(ranks: dict[Group, int]) -> SortKey:
    """Return the order in which pools with problems come first, and in them the problems."""

    def key(state: CheckState) -> tuple[Any, ...]:
        group = _group(state)
        return ranks[group], group, RANK[word_of(state)], state.check.key

    return key


def _by_name(state: CheckState) -> tuple[Any, ...]:
    return _group(state), state.check.key


def _latest_change(state: CheckState) -> tuple[Any, ...]:
    return -state.since, state.check.key


def _slowest(state: CheckState) -> tuple[Any, ...]:
    latency = latency_of(state)
    return -(latency.p95 if latency else -1.0), state.check.key


def _first_to_expire(state: CheckState) -> tuple[Any, ...]:
    expiry = expiry_of(state)
    return float("inf") if expiry is None else expiry, state.check.key


_KEYS: dict[str, SortKey] = {
    "name": _by_name,
    "since": _latest_change,
    "latency": _slowest,
    "certificate": _first_to_expire,
}


class Latency(NamedTuple):
    """The latency of the remembered good probes, in seconds."""

    p50: float
    p95: float


def latency_of(state: CheckState) -> Latency | None:
    """Return the latency of a check, or None without a good probe."""
    return latency_of_all([state])


def latency_of_all(states: Iterable[CheckState]) -> Latency | None:
    """Return the combined latency of some checks, or None without a good probe."""
    seconds = sorted(chain.from_iterable(state.recent.good_seconds() for state in states))
    if not seconds:
        return None
    return Latency(
        seconds[len(seconds) // 2], seconds[min(len(seconds) * 95 // 100, len(seconds) - 1)]
    )


def expiry_of(state: CheckState) -> float | None:
    """Return the unix time at which the first certificate of the last result expires."""
    return certificate_end(state.last.facts) if state.last else None


async def sections(
    store: Store, found: list[CheckState], view: PageView, pace: Pace
) -> list[Section]:
    """Return the checks of the current page."""
    first = (view.page - 1) * ROWS
    shown = found[first : first + ROWS]
    if not view.is_grouped:
        return [Section(None, None, shown)] if shown else []
    return [await _section(store, list(checks), pace) for _, checks in groupby(shown, key=_group)]


async def _section(store: Store, checks: list[CheckState], pace: Pace) -> Section:
    pool = checks[0].check.pool
    statuses = []
    for backend_state in store.backend_states(pool):
        if backend_state.counts:
            statuses.append(backend_state.status)
        await pace.pause()
    return Section(pool, pool_status(statuses), checks)


def last_page(found: int) -> int:
    """Return the number of the last page."""
    return max(1, -(-found // ROWS))
