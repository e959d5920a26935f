"""The sections of a configuration, and how each of them is read."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from prober.config.settings import HealthSection, PageSection, Server
from prober.model.endpoint import Endpoint
from prober.model.kinds import list_of, text
from prober.model.option import Kind, ReadContext, section
from prober.model.pool import Pool

if TYPE_CHECKING:
    from prober.config.cluster_section import ClusterSection
    from prober.model.maintenance import MaintenanceWindow

T = TypeVar("T")
Read = Callable[[object, ReadContext], T]

KEYS = (
    "server",
    "page",
    "health",
    "cluster",
    "defaults",
    "pools",
    "monitors",
    "maintenance",
    "outputs",
    "include",
)
"""The sections of a configuration."""
INCLUDED_KEYS = ("pools", "monitors")
"""The sections that an included file may have."""


def _read_cluster(value: object, outside: ReadContext) -> "ClusterSection":
    from prober.config.cluster_section import ClusterSection  # noqa: PLC0415  (few want it)

    return section(ClusterSection).read(value, outside)


def _read_maintenance(value: object, outside: ReadContext) -> "tuple[MaintenanceWindow, ...]":
    from prober.model.maintenance import MaintenanceWindow  # noqa: PLC0415  (few want it)

    return list_of(section(MaintenanceWindow)).read(value, outside)


read_server = section(Server).read
read_endpoint = section(Endpoint).read
read_pool = section(Pool).read
read_patterns = list_of(text(1, 4096)).read
read_list = list_of(Kind(lambda value, _: value, {})).read
BY_THEMSELVES: Mapping[str, Read[Any]] = {
    "page": section(PageSection).read,
    "health": section(HealthSection).read,
    "cluster": _read_cluster,
    "maintenance": _read_maintenance,
}
"""The sections that do not depend on others; fields of `Config`."""
