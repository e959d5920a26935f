"""What Oracle's two services show of load balancers, backend sets and backends."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from prober.model.option import Kind, ReadContext, Rejected
from prober.model.pool import Pool
from prober.model.wording import time_text
from prober.web.dialects.oracle.backend_form import BackendForm, lacking, read_members
from prober.web.dialects.oracle.places import Balancer
from prober.web.server.json_answer import Json

_OUTSIDE = ReadContext("", str, {})


class KeptMember(NamedTuple):
    """A member of a backend set that means nothing to prober, and what is shown without a value."""

    kind: Kind[Any]
    otherwise: object


class ObjectForm(NamedTuple):
    """How one service shows its objects.

    `kept` are members of a backend set that prober only gives back; `set_unusable` are those that
    ask for what prober is not. A change of a set needs those that are `set_required`.
    `balancer_more` are members of a load balancer that never change; `subnet` returns the member
    for prober's name, which takes the place of a subnet.
    """

    backend: BackendForm
    kept: Mapping[str, KeptMember]
    set_unusable: Mapping[str, str]
    set_required: tuple[str, ...]
    balancer_more: Json
    subnet: Callable[[str], Json]

    @property
    def set_members(self) -> tuple[str, ...]:
        """The members of a backend set, without its name."""
        return (*self.kept, *self.set_unusable, "backends", "healthChecker")

    def read_kept(self, given: Mapping[str, Any]) -> dict[str, object]:
        """Return the members of a request that are only given back, or raise `Refused`."""
        kinds = {name: member.kind for name, member in self.kept.items()}
        kinds |= {name: lacking(what) for name, what in self.set_unusable.items()}
        return read_members(kinds, {name: given[name] for name in kinds if name in given})

    def set_json(
        self, pool: Pool, kept: Mapping[str, object], checker: Json | None, backends: list[Json]
    ) -> Json:
        """Return a pool as a backend set; `kept` is what was written of the members `kept`."""
        return {
            "name": pool.name,
            "backends": backends,
            "healthChecker": checker,
            **dict.fromkeys(self.set_unusable),
            **{name: self._shown(name, kept) for name in self.kept},
        }

    def _shown(self, name: str, kept: Mapping[str, object]) -> object:
        """Return a kept member, unless it was written over the other service in its own words."""
        member = self.kept[name]
        try:
            return member.kind.read(kept[name], _OUTSIDE) if name in kept else member.otherwise
        except Rejected:
            return member.otherwise

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
