"""What Oracle's two services show of load balancers, backend sets and backends."""

from collections.abc import Callable
from typing import NamedTuple

from prober.model.pool import Backend, Pool
from prober.model.wording import time_text
from prober.web.dialects.oracle.places import Balancer
from prober.web.server.json_answer import Json


class ObjectForm(NamedTuple):
    """How one service shows its objects.

    `drain`, `backup` and `offline` are its names for the flags of a backend. `backend_more`,
    `set_more` and `balancer_more` are members that only this service has and whose values never
    change; `subnet` returns the member for prober's name, which takes the place of a subnet.
    """

    drain: str
    backup: str
    offline: str
    policy: str
    backend_more: Json
    set_more: Json
    balancer_more: Json
    subnet: Callable[[str], Json]

    def backend_json(self, backend: Backend) -> Json:
        """Return a backend."""
        return {
            "name": backend.key,
            "ipAddress": backend.address,
            "port": backend.port,
            "weight": 1,
            self.drain: False,
            self.backup: False,
            self.offline: False,
            **self.backend_more,
        }

    def set_json(self, pool: Pool, checker: Json | None, backends: list[Json]) -> Json:
        """Return a pool as a backend set."""
        return {
            "name": pool.name,
            "policy": self.policy,
            "backends": backends,
            "healthChecker": checker,
            **self.set_more,
        }

    def balancer_json(self, balancer: Balancer, sets: dict[str, Json]) -> Json:
        """Return a load balancer with its backend sets."""
        return {
            "id": balancer.name,
            "compartmentId": balancer.compartment,
            "displayName": balancer.name,
            "lifecycleState": "ACTIVE",
            "timeCreated": time_text(balancer.known_since),
            "isPrivate": True,
            "ipAddresses": [],
            "listeners": {},
            "freeformTags": {},
            "definedTags": {},
            "backendSets": sets,
            **self.balancer_more,
            **self.subnet(balancer.reporter),
        }
