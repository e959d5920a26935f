"""What Oracle's clients may ask about past edits: work requests, retry tokens and versions."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from enum import Enum
from hashlib import sha256
from typing import NamedTuple
from uuid import uuid4

from prober.model.admin import AdminEntry, AdminKey
from prober.model.definition import POOL
from prober.model.monitor import Model
from prober.model.option import show_options
from prober.model.shown import monitor_json
from prober.state.pace import Pace
from prober.state.store import Store
from prober.web.dialects.oracle.backend_flags import is_ours, key_of_backend
from prober.web.server.errors import Refused
from prober.web.server.json_answer import json_text

KEPT = 1000
"""The number of work requests, and of retry tokens, that are remembered."""

TOKEN_SECONDS = 86400.0
"""How long a retry token is remembered, in seconds."""


class Work(Enum):
    """What an edit did; the value says it of the subject of a work request."""

    UPDATE_CHECKER = "the health checker of {} has been updated"
    CREATE_BACKEND = "the backend {} has been created"
    UPDATE_BACKEND = "the backend {} has been updated"
    DELETE_BACKEND = "the backend {} has been deleted"
    CREATE_SET = "the backend set {} has been created"
    UPDATE_SET = "the backend set {} has been updated"
    DELETE_SET = "the backend set {} has been deleted"
    CREATE_BALANCER = "the load balancer {} has been created"
    DELETE_BALANCER = "the load balancer {} has been deleted"


class WorkRequest(NamedTuple):
    """One past edit; times are unix seconds."""

    id: str
    kind: Work
    balancer: str
    compartment: str
    subject: str
    accepted_at: float
    finished_at: float

    @property
    def message(self) -> str:
        """What was done, as a sentence."""
        return self.kind.value.format(repr(self.subject))


class _Use(NamedTuple):
    """The request that a retry token was used for; `outcome` is None while it is in progress."""

    request: str
    at: float
    outcome: WorkRequest | None


class Ledger:
    """The recent edits, by their ids and by the clients' retry tokens."""

    def __init__(self) -> None:
        self._work: OrderedDict[str, WorkRequest] = OrderedDict()
        self._uses: OrderedDict[str, _Use] = OrderedDict()

    def find(self, work_id: str) -> WorkRequest | None:
        """Return a work request, or None if it does not exist or has expired."""
        return self._work.get(work_id)

    def __iter__(self) -> Iterator[WorkRequest]:
        return iter(self._work.values())

    async def once(
        self, token: str | None, request: str, at: float, edit: Callable[[], Awaitable[WorkRequest]]
    ) -> WorkRequest:
        """Make an edit, or return the outcome of an earlier request with the same token.

        Args:
            token: The client's retry token; without one, every request is a separate edit.
            request: What distinguishes requests.
            at: Unix time.
            edit: Makes the edit.

        Raises:
            Refused: The token was used for a different request, or its edit is in progress.
        """
        if token is None:
            return self._keep(await edit())
        use = self._uses.get(token)
        if use and at - use.at <= TOKEN_SECONDS:
            if use.request != request:
                message = f"opc-retry-token {token!r} was used for a different request"
                raise Refused(409, message, code="InvalidatedRetryToken")
            if use.outcome is None:
                raise Refused(409, "the request with this opc-retry-token is in progress")
            return use.outcome
        self._uses[token] = _Use(request, at, None)
        self._uses.move_to_end(token)
        try:
            done = self._keep(await edit())
            self._uses[token] = _Use(request, at, done)
        finally:
            use = self._uses.get(token)
            if use and use.outcome is None:  # a failed edit may be tried again with its token
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
    """Return an id in the form of Oracle's request ids."""
    return uuid4().hex.upper()


class Versions:
    """The version of each load balancer, its ETag: a digest of its configuration.

    What these services set counts, other admin states do not. Neither probes nor restarts change
    it. The configuration is digested once.
    """

    def __init__(self) -> None:
        self._of: tuple[Model, Mapping[AdminKey, AdminEntry]] | None = None
        self._known: dict[str, tuple[str, list[str]]] = {}

    async def of(self, store: Store, balancer: str) -> str:
        """Return the current version of a load balancer."""
        current = store.model, store.admin.entries
        if self._of is None or any(a is not b for a, b in zip(current, self._of, strict=True)):
            self._of, self._known = current, {}
        known = self._known
        if balancer not in known:
            pools = [pool.id for pool in store.model.pools if pool.load_balancer == balancer]
            known[balancer] = await _digest(*current, balancer), pools
        digest, pools = known[balancer]
        known_pools = (store.cloud_objects.of(POOL, each) for each in pools)
        text = json_text([dict(each.fields) for each in known_pools if each])
        return sha256(f"{digest}{text}".encode()).hexdigest()[:32]


async def _digest(model: Model, admin: Mapping[AdminKey, AdminEntry], balancer: str) -> str:
    digest, pace = sha256(), Pace()
    pools = {pool.name: pool for pool in model.pools if pool.load_balancer == balancer}
    for pool in pools.values():
        digest.update(json_text((pool.name, pool.id, pool.project_id)).encode())
        for backend in pool.backends:
            digest.update(json_text(show_options(backend)).encode())
            entry = admin.get(key_of_backend(pool, backend))
            if entry is not None and is_ours(entry):
                digest.update(entry.state.encode())
            await pace.pause()
    for monitor in model.monitors:
        if monitor.pool_name in pools:
            policy = replace(monitor, pool=monitor.pool_name, targets=(), targets_from=None)
            digest.update(json_text(monitor_json(policy)).encode())
            await pace.pause()
    return digest.hexdigest()[:32]
