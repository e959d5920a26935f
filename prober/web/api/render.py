"""From state to JSON: one pure function for each noun of the API."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from prober.model.aggregate import pool_status, worst
from prober.model.fact import said
from prober.model.health import explain
from prober.model.pool import Pool
from prober.model.shown import origin_json
from prober.model.status import PHASES, FactValue, Outcome, Phases, Reason, Result, Status
from prober.model.wording import time_text
from prober.probes import declared_facts
from prober.state.archive import Uptime
from prober.state.events import Event
from prober.state.recent import PastResult
from prober.state.slots import STATUSES, Slot
from prober.state.store import BackendState, CheckState, Statuses
from prober.state.vitals import Vitals
from prober.web.server.json_answer import Json
from prober.web.server.services import Moment

_DISABLED = {"result": Result.UNKNOWN, "reason": Reason.DISABLED}


def check_json(state: CheckState, now: Moment) -> Json:
    """Return a CHECK."""
    check, monitor = state.check, state.check.monitor
    name, backend = check.key
    due = state.next_due if monitor.enabled else None
    return {
        "monitor": name,
        "pool": check.pool.name,
        "load_balancer": check.pool.load_balancer,
        "backend": backend,
        "type": monitor.type,
        "status": state.status,
        "online": state.health.online if monitor.enabled else None,
        "streak": state.health.streak,
        "rise": monitor.rise,
        "fall": monitor.fall,
        "since": time_text(state.since),
        "next_probe_at": None if due is None else time_text(now.wall + due - now.clock),
        "labels": check.labels,
        "last": _last_json(state),
    }


def check_in_full_json(state: CheckState, now: Moment, uptime: Mapping[str, Uptime] | None) -> Json:
    """Return a CHECK with its recent results, uptime and what would change its status."""
    return {
        **check_json(state, now),
        "recent": [past_json(past) for past in state.recent.newest_first()],
        "explain": explanation(state, now),
        "uptime": uptime and {name: _uptime_json(each) for name, each in uptime.items()},
    }


def _uptime_json(uptime: Uptime) -> Json:
    share, known = uptime
    return {
        "uptime": None if share is None else round(share, 7),
        "known_seconds": round(known, 3),
    }


def slot_json(slot: Slot, step: int, now: float) -> Json:
    """Return a SLOT; the last one may not have ended."""
    seconds = min(slot.start + step, now) - slot.start
    return {
        "start": time_text(slot.start),
        "seconds": round(seconds, 3),
        "probes": slot.probes,
        "good": slot.good,
        "bad": slot.bad,
        "inconclusive": slot.probes - slot.good - slot.bad,
        "latency": _latency_json(slot) if slot.good else None,
        "status_seconds": {
            str(status): round(spent, 3)
            for status, spent in zip(STATUSES, slot.seconds, strict=True)
        },
        "not_running_seconds": round(max(0.0, seconds - sum(slot.seconds)), 3),
    }


def _latency_json(slot: Slot) -> Json:
    return {
        "min": slot.least,
        "mean": round(slot.total / slot.good, 6),
        "max": slot.most,
        **{f"p{share}": round(slot.quantile(share / 100), 6) for share in (50, 95, 99)},
    }


def _last_json(state: CheckState) -> Json | None:
    if not state.check.monitor.enabled:
        return dict(_DISABLED)
    return result_json(state.last) if state.last else None


def result_json(outcome: Outcome) -> Json:
    """Return a RESULT."""
    return {
        "result": outcome.result,
        "reason": outcome.reason,
        "detail": outcome.detail,
        "at": time_text(outcome.at),
        "duration_seconds": round(outcome.seconds, 6),
        "phases": _phases_json(outcome.phases),
        "source_ip": outcome.source_ip,
        "attempts_skipped": outcome.skipped,
        **_facts_json(outcome.facts or {}),
    }


def past_json(past: PastResult) -> Json:
    """Return a RESULT as it is remembered: in short."""
    shown = {
        "result": past.reason.result,
        "reason": past.reason,
        "detail": past.reason.sentence,
        "at": time_text(past.at),
        "duration_seconds": past.seconds,
        "phases": _phases_json(past.phases),
    }
    if past.fact is None:
        return shown
    facts = dict([past.fact])
    detail = said(declared_facts().values(), facts) or past.reason.sentence
    return {**shown, "detail": detail, **_facts_json(facts)}


def _phases_json(phases: Phases) -> Json:
    named = zip(PHASES, phases, strict=True)
    return {name: round(seconds, 6) for name, seconds in named if seconds is not None}


def _facts_json(facts: Mapping[str, FactValue]) -> Json:
    declared = declared_facts()
    return {
        name: declared[name].kind.show(value) for name, value in facts.items() if name in declared
    }


def explanation(state: CheckState, now: Moment) -> str:
    """Say what would change the status of a check, and when it is probed next."""
    monitor, health = state.check.monitor, state.health
    if not monitor.enabled:
        return "disabled: it is not probed"
    if state.status is Status.UNKNOWN and health.online is not None:
        wanted = f"stale: no conclusive result for {monitor.stale_after:g} s, the next decides"
    else:
        wanted = explain(health, state.status, rise=monitor.rise, fall=monitor.fall)
    if state.next_due is None:
        return f"{wanted}; a probe is under way or not yet planned"
    return f"{wanted}; next probe in {max(0.0, state.next_due - now.clock):.1f} s"


def event_json(event: Event) -> Json:
    """Return an EVENT."""
    return {
        "id": event.id,
        "at": time_text(event.at),
        "kind": event.kind,
        "monitor": event.monitor,
        "pool": event.pool,
        "backend": event.backend,
        "from": event.before,
        "to": event.after,
        "result": event.reason.result if event.reason else None,
        "reason": event.reason,
        "cause": event.cause,
    }


def edit_json(edit: Mapping[str, Any]) -> Json:
    """Return an edit that stands."""
    return {**edit, "at": time_text(edit["at"])}


def pool_json(pool: Pool, backend_states: Sequence[BackendState]) -> Json:
    """Return a pool and how it stands, without its list of backends."""
    return {
        "name": pool.name,
        "id": pool.id,
        "load_balancer": pool.load_balancer,
        "project_id": pool.project_id,
        **origin_json(pool.origin),
        "status": pool_status(backend_state.status for backend_state in backend_states),
        "counts": counts_json(
            Counter(
                state.status
                for backend_state in backend_states
                for state in backend_state.checks
                if state.check.monitor.enabled
            )
        ),
    }


def backend_json(backend_state: BackendState) -> Json:
    """Return a backend of a pool, with its checks in short."""
    return {
        "backend": backend_state.key,
        "name": backend_state.backend.name,
        "status": backend_state.status,
        "checks": [
            {
                "monitor": state.check.monitor.name,
                "type": state.check.monitor.type,
                "status": state.status,
            }
            for state in backend_state.checks
        ],
    }


def gate_json(pool: Pool, backend_states: Iterable[BackendState], min_healthy: int) -> Json:
    """Return how many backends of a pool are healthy, and how many are asked for."""
    statuses = [backend_state.status for backend_state in backend_states]
    return {
        "pool": pool.name,
        "status": pool_status(statuses),
        "healthy": sum(status.in_service for status in statuses),
        "backends": len(statuses),
        "min_healthy": min_healthy,
    }


def status_json(statuses: Statuses, vitals: Vitals, *, checks: int) -> Json:
    """Return the whole at a glance, without its lists."""
    overload = vitals.load.overload
    return {
        "status": worst(statuses.load_balancers.values()),
        "counts": counts_json(*statuses.counts.values()),
        "prober": {
            "name": vitals.name,
            "version": vitals.version,
            "started_at": time_text(vitals.started_at),
            "config_hash": vitals.config_hash,
            "checks": checks,
            "probes_in_flight": vitals.probes_in_flight,
            "loop_lag_seconds": round(vitals.loop_lag, 6),
            "overloaded": overload is not None,
            "overload": overload and overload.sentence,
        },
    }


def pool_in_short_json(pool: Pool, statuses: Statuses) -> Json:
    """Return a pool of the overview."""
    return {
        "name": pool.name,
        "load_balancer": pool.load_balancer,
        "status": statuses.pools[pool.name],
        "counts": counts_json(statuses.counts[pool.name]),
    }


def counts_json(*counts: Counter[Status]) -> Json:
    """Return how many have each status, summed; none is left out."""
    return {str(status): sum(each[status] for each in counts) for status in Status}
