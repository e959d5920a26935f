"""An editor for tests: a world whose configuration is kept as definitions, and edited as such."""

from collections.abc import Mapping

from prober.config.monitors import Defaults, keys_of, read_monitor
from prober.edits.contract import Conflict, Definition
from prober.model.monitor import Monitor
from prober.model.option import ReadContext, section
from prober.model.pool import Pool
from tests.web.world import World

_OUTSIDE = ReadContext("", lambda name: "canary", {"SECRET": "canary"})
_POOL = section(Pool)


class WorldEditor:
    """Edits a world. `edits` are the patches that were asked for, those that failed as well."""

    def __init__(
        self, world: World, *monitors: Definition, pools: tuple[Definition, ...] = ()
    ) -> None:
        self.locked: str | None = None
        self.lasting = True
        self.edits: list[dict[str, object]] = []
        self._world = world
        self._definitions = {str(each["name"]): dict(each) for each in monitors}
        self._pools = tuple(_POOL.read(dict(each), _OUTSIDE) for each in pools)
        self._take(self._definitions)

    def _take(self, definitions: Mapping[str, Definition]) -> None:
        monitors = [read_monitor(dict(each), Defaults(), _OUTSIDE) for each in definitions.values()]
        self._world.configure(*monitors, pools=self._pools)
        self._definitions = {name: dict(each) for name, each in definitions.items()}

    async def change_monitor(self, monitor: Monitor, patch: Definition) -> Monitor:
        """Change some keys; a new type keeps those that it has as well."""
        self.edits.append(dict(patch))
        if self._world.store.monitors.get(monitor.name) is not monitor:
            raise Conflict(f"the monitor {monitor.name!r} was changed meanwhile")
        definition = {**self._definitions[monitor.name], **patch}
        if definition["type"] != monitor.type:
            known = keys_of(str(definition["type"]))
            definition = {key: value for key, value in definition.items() if key in known}
        definition = {key: value for key, value in definition.items() if value is not None}
        self._take({**self._definitions, monitor.name: definition})
        return self._world.store.monitors[monitor.name]

    async def create_monitor(self, definition: Definition) -> Monitor:
        """Not asked for here."""
        raise NotImplementedError(definition)

    async def delete_monitor(self, monitor: Monitor) -> None:
        """Not asked for here."""
        raise NotImplementedError(monitor)

    async def create_pool(self, definition: Definition) -> Pool:
        """Not asked for here."""
        raise NotImplementedError(definition)

    async def change_pool(self, pool: Pool, patch: Definition) -> Pool:
        """Not asked for here."""
        raise NotImplementedError(pool, patch)

    async def delete_pool(self, pool: Pool) -> None:
        """Not asked for here."""
        raise NotImplementedError(pool)
