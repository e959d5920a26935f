"""What Oracle's clients may ask of the past: work requests, retry tokens and versions."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from typing import NamedTuple
from uuid import uuid4

from prober.model.monitor import Model
from prober.model.option import show_options
from prober.model.shown import monitor_json
from prober.state.pace import Pace
from prober.web.server.errors import Refused
from prober.web.server.json_answer import json_text

KEPT = 1000
"""Work requests, and retry tokens, that are remembered."""

TOKEN_SECONDS = 86400.0
"""How long a retry token is remembered."""


class WorkRequest(NamedTuple):
    """One edit that was made; times are unix seconds."""

    id: str
    balancer: str
    compartment: str
    backend_set: str
    accepted_at: float
    finished_at: float


class _Use(NamedTuple):
    """What a retry token was used for; `outcome` is None while that is under way."""

    request: str
    at: float
    outcome: WorkRequest | None


class Ledger:
    """The edits of late, by the ids and by the tokens that clients know them by."""

    def __init__(self) -> None:
        self._work: OrderedDict[str, WorkRequest] = OrderedDict()
        self._uses: OrderedDict[str, _Use] = OrderedDict()

    def find(self, work_id: str) -> WorkRequest | None:
        """Return a work request, None if there is none or it was long ago."""
        return self._work.get(work_id)

    def __iter__(self) -> Iterator[WorkRequest]:
        return iter(self._work.values())

    async def once(
        self, token: str | None, request: str, at: float, edit: Callable[[], Awaitable[WorkRequest]]
    ) -> WorkRequest:
        """Make an edit, or return what came of it when the same token asked for it before.

        Args:
            token: The client's retry token; without one every request is an edit of its own.
            request: What tells requests apart.
            at: Unix time.
            edit: Makes the edit.

        Raises:
            Refused: The token was used for something else, or its edit is under way.
        """
        if token is None:
            return self._keep(await edit())
        use = self._uses.get(token)
        if use and at - use.at <= TOKEN_SECONDS:
            if use.request != request:
                message = f"opc-retry-token {token!r} was used for another request"
                raise Refused(409, message, code="InvalidatedRetryToken")
            if use.outcome is None:
                raise Refused(409, "the request with this opc-retry-token is under way")
            return use.outcome
        self._uses[token] = _Use(request, at, None)
        self._uses.move_to_end(token)
        try:
            done = self._keep(await edit())
            self._uses[token] = _Use(request, at, done)
        finally:
            use = self._uses.get(token)
            if use and use.outcome is None:  # what failed may be tried again with its token
                del self._uses[token]
        _forget_the_oldest(self._uses)
        return done

    def _keep(self, work: WorkRequest) -> WorkRequest:
        self._work[work.id] = work
        _forget_the_oldest(self._work)
        return work


def _forget_the_oldest(kept: OrderedDict[str, WorkRequest] | OrderedDict[str, _Use]) -> None:
    while len(kept) > KEPT:
        kept.popitem(last=False)


def new_id() -> str:
    """Return an id as Oracle gives them to requests."""
    return uuid4().hex.upper()


class Versions:
    """The version of each load balancer, its ETag: a digest of what is configured for it.

    Probing does not move it, and neither does a restart. It is worked out once per configuration.
    """

    def __init__(self) -> None:
        self._model = Model()
        self._known: dict[str, str] = {}

    async def of(self, model: Model, balancer: str) -> str:
        """Return the version of a load balancer in this model."""
        if model is not self._model:
            self._model, self._known = model, {}
        known = self._known
        if balancer not in known:
            known[balancer] = await _digest(model, balancer)
        return known[balancer]


async def _digest(model: Model, balancer: str) -> str:
    digest, pace = sha256(), Pace()
    pools = {pool.name: pool for pool in model.pools if pool.load_balancer == balancer}
    for pool in pools.values():
        digest.update(json_text((pool.name, pool.id, pool.project_id)).encode())
        for backend in pool.backends:
            digest.update(json_text(show_options(backend)).encode())
            await pace.pause()
    for monitor in model.monitors:
        if monitor.pool_name in pools:
            policy = replace(monitor, pool=monitor.pool_name, targets=(), targets_from=None)
            digest.update(json_text(monitor_json(policy)).encode())
            await pace.pause()
    return digest.hexdigest()[:32]
