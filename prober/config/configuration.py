"""The configuration as read: a value without problems."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from prober.config.monitors import Defaults
from prober.config.settings import HealthSection, PageSection, Server
from prober.model.definition import Named
from prober.model.endpoint import Endpoint
from prober.model.monitor import Model

if TYPE_CHECKING:
    from prober.config.blackbox.reading import Modules
    from prober.config.cluster_section import ClusterSection
    from prober.model.maintenance import MaintenanceWindow
    from prober.outputs.output import Output


class FileDefinition(NamedTuple):
    """A monitor's or pool's definition in a file: a digest of it, and the keys that it sets."""

    digest: str
    keys: frozenset[str]


@dataclass(frozen=True, slots=True)
class Config:
    """A configuration without problems; `digest` is a hash of the contents of its files.

    `written` has the definition of each monitor and pool in the files, without the pools that
    follow from a monitor's own targets. `modules` are those for probing on demand, or None.
    `unread_lists` are the files of target lists that could not be read or used.
    """

    server: Server
    model: Model
    files: tuple[str, ...]
    digest: str
    endpoint: Endpoint = Endpoint()
    page: PageSection = PageSection()
    health: HealthSection = HealthSection()
    cluster: "ClusterSection | None" = None
    defaults: Defaults = Defaults()
    written: Mapping[Named, FileDefinition] = field(default_factory=dict)
    modules: "Modules | None" = None
    outputs: "tuple[Output, ...]" = ()
    maintenance: "tuple[MaintenanceWindow, ...]" = ()
    unread_lists: frozenset[str] = frozenset()
