"""What differs between Oracle's two services, and what an application remembers for each."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from aiohttp import web

from prober.web.dialects.oracle.backend_health import ResultJson
from prober.web.dialects.oracle.checker import CheckerForm
from prober.web.dialects.oracle.ledger import Ledger, Versions, Work, WorkRequest
from prober.web.dialects.oracle.object_form import ObjectForm
from prober.web.dialects.oracle.requests import reject_other_version
from prober.web.server.dialect import MEMORY
from prober.web.server.json_answer import Json
from prober.web.server.services import services_of


class Remembered(NamedTuple):
    """What an application remembers between the requests to a service."""

    ledger: Ledger
    versions: Versions


class ServiceSpec(NamedTuple):
    """What differs between the services; paths are below `root`.

    `paged` is whether lists of backend sets and of backends come in pages; `edited` is the status
    code that answers an edit; `works` are the service's words for edits. `shows_created` is whether
    a new load balancer is in the answer. `balancer_members` are those of a new load balancer, most
    of which mean nothing to prober; `unoffered` are the parts of a load balancer that prober has
    none of, `unoffered_actions` what cannot be done with one; `constant_lists` have nothing to do
    with any.
    """

    name: str
    root: str
    balancers: str
    healths: str
    work_requests: str
    work_requests_of: str
    id_name: str
    checker: CheckerForm
    result_json: ResultJson
    objects: ObjectForm
    works: Mapping[Work, str]
    work_json: Callable[[WorkRequest, str], Json]
    collection: Callable[[list[Any]], object]
    paged: bool
    edited: int
    shows_created: bool
    balancer_members: tuple[str, ...]
    unoffered: tuple[str, ...]
    unoffered_actions: tuple[tuple[str, str], ...]
    constant_lists: Mapping[str, tuple[object, ...]]

    def remembered(self, request: web.Request) -> Remembered:
        """Return what the application remembers for the service."""
        memory = request.app[MEMORY]
        if self.name not in memory:
            memory[self.name] = Remembered(Ledger(), Versions())
        found: Remembered = memory[self.name]
        return found

    async def version(self, request: web.Request, balancer: str) -> str:
        """Return the ETag of a load balancer."""
        return await self.remembered(request).versions.of(services_of(request).store, balancer)

    async def expected_version(self, request: web.Request, balancer: str) -> str:
        """Return the ETag of a load balancer; raise `Refused` if the client expects another."""
        version = await self.version(request, balancer)
        reject_other_version(request, version)
        return version
