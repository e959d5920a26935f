"""The safeguard `keep`: how many backends of a pool an output may take out of service."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from prober.model.known_status import ServedBackend, ServedPool
from prober.model.status import Status

_ROUNDING = 1e-9


class Told(NamedTuple):
    """The backends as they were last reported to a receiver, by key.

    `held` are failing backends that are still reported in service, so that the pool keeps its
    share.
    """

    backends: Mapping[str, ServedBackend]
    held: frozenset[str] = frozenset()


NOTHING_TOLD = Told({})


def leaves_enough(in_service: int, backends: int, keep: float) -> bool:
    """Return whether this many backends in service are at least the share to keep."""
    return in_service >= keep * backends - _ROUNDING


def tell_pool(pool: ServedPool, told: Told, keep: float) -> Told | None:
    """Return what to report next to a receiver of whole pools.

    Backends return at once. They leave in the order in which they failed, as long as the share
    `keep` of the pool stays in service. What an operator decided is never held, and backends in
    maintenance do not count as part of the pool. A backend of unknown state is reported as before.
    As long as a pool that was never reported has such a backend, the answer is None, because half a
    pool must not be reported.
    """
    if not told.backends and any(each.in_service is None for each in pool.backends):
        return None
    answer: dict[str, ServedBackend] = {}
    leaving: list[ServedBackend] = []
    for each in pool.backends:
        before = told.backends.get(each.key)
        if each.in_service is None:
            if before is not None:
                answer[each.key] = before
        elif each.in_service or each.is_decided or (before and before.in_service is False):
            answer[each.key] = each
        else:
            leaving.append(each)
    staying, held = _take_out(leaving, _count_in_service(answer.values()), pool.backends, keep)
    answer.update({each.key: each for each in staying})
    for each in held:
        answer[each.key] = _as_before(each, told)
    ordered = {each.key: answer[each.key] for each in pool.backends if each.key in answer}
    return Told(ordered, frozenset(each.key for each in held))


def _count_in_service(backends: Iterable[ServedBackend]) -> int:
    """Return how many of these backends are in service."""
    return sum(each.in_service is True for each in backends)


def tell_backend(pool: ServedPool, key: str, told: Told, keep: float) -> Told:
    """Return what to report next of one backend; `told` has the last answers.

    A backend of unknown state is reported as before, if it ever was. A failing one is held as long
    as the others that were reported in service are too few.
    """
    backend = next((each for each in pool.backends if each.key == key), None)
    if backend is None or backend.in_service is None:
        return told
    others = (each for name, each in told.backends.items() if name != key)
    before = told.backends.get(key)
    goes_out = backend.in_service is False and not (before and before.in_service is False)
    if goes_out and not backend.is_decided:
        there = {each.key for each in pool.backends}
        left = _count_in_service(each for each in others if each.key in there)
        if not leaves_enough(left, _counted(pool.backends), keep):
            return told._replace(held=told.held | {key})
    return Told({**told.backends, key: backend}, told.held - {key})


def _counted(backends: Iterable[ServedBackend]) -> int:
    """Return the number of backends that the share refers to: those not in maintenance."""
    return sum(each.counts for each in backends)


def _take_out(
    leaving: Sequence[ServedBackend],
    in_service: int,
    backends: Sequence[ServedBackend],
    keep: float,
) -> tuple[list[ServedBackend], list[ServedBackend]]:
    """Return which failing backends leave service now, and which are held in service."""
    counted = _counted(backends)
    in_order = sorted(leaving, key=lambda each: each.known.since if each.known else 0.0)
    left = in_service + len(in_order)
    out: list[ServedBackend] = []
    for each in in_order:
        if not leaves_enough(left - 1, counted, keep):
            break
        out.append(each)
        left -= 1
    return out, list(in_order[len(out) :])


def _as_before(backend: ServedBackend, told: Told) -> ServedBackend:
    """Return a backend as last reported; one that was never reported counts as in service."""
    before = told.backends.get(backend.key)
    if before is not None:
        return before._replace(backend=backend.backend)
    assert backend.known is not None  # noqa: S101  (what leaves is known)
    return backend._replace(known=backend.known._replace(status=Status.OK, degraded=False))
