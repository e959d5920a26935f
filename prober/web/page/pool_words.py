"""The state of a pool in words."""

from collections import Counter
from collections.abc import Iterable
from operator import itemgetter

from prober.model.fact import said
from prober.model.health import DEGRADED
from prober.model.status import Status
from prober.model.wording import result_name
from prober.state.check_state import CheckState, Key
from prober.state.pace import Pace
from prober.state.pool_watch import PoolSummary
from prober.state.store import Store
from prober.web.page.view import DISABLED, RANK, word_of

SHOWN = 2
"""Maximum number of reasons named."""


def word_of_pool(summary: PoolSummary) -> str:
    """Return the status of a pool as the page sorts it."""
    is_disabled = summary.disabled and not any(summary.counts.values())
    return DISABLED if is_disabled else summary.status


def service_words(summary: PoolSummary) -> str:
    """Return how many backends are in service: `3/5 in service`."""
    if not summary.backends:
        return "no backends"
    return f"{summary.in_service}/{summary.backends} in service"


async def trouble_words(summary: PoolSummary, problems: Iterable[CheckState], pace: Pace) -> str:
    """Return what is wrong in a pool: `2 of 5: HTTP 503`, or an empty string."""
    reasons, backends = Counter[str](), set[str]()
    for state in problems:
        reasons[short_words(state)] += 1
        backends.add(state.check.key[1])
        await pace.pause()
    if not reasons:
        return ""
    named = [
        words if len(reasons) == 1 else f"{words} ×{count}"
        for words, count in reasons.most_common(SHOWN)
    ]
    more = len(reasons) - SHOWN
    if more > 0:
        named.append(f"{more} other {'reason' if more == 1 else 'reasons'}")
    return f"{len(backends)} of {summary.backends}: {', '.join(named)}"


def short_words(state: CheckState) -> str:
    """Return in a few words why a check is not OK: `HTTP 503`, `timeout`, ..."""
    last = state.last
    if state.status is Status.UNKNOWN:
        if state.is_stale:
            return "no recent result"
        return "not probed yet" if last is None else "not decided yet"
    if last is None:
        return "nothing known"
    if last.reason.is_good and state.status is Status.CRITICAL:
        return "recovering"
    if last.reason in DEGRADED:
        return last.reason.replace("_", " ")
    facts = said(state.check.monitor.probe.facts, last.facts or {})
    return result_name(last.reason, facts)


async def problems_of(store: Store, summary: PoolSummary, pace: Pace) -> list[CheckState]:
    """Return the checks of a pool that are not OK, worst first."""
    found = list[tuple[int, Key, CheckState]]()
    for key in summary.problems:
        if state := store.get(key):
            found.append((RANK[word_of(state)], key, state))
        await pace.pause()
    found.sort(key=itemgetter(0, 1))
    return [state for _, _, state in found]
