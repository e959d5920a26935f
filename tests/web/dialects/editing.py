"""An editor for tests of those who ask for edits: every edit reads a whole configuration anew."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from prober.config.problem import ConfigError
from prober.config.reader import parse
from prober.edits.contract import Conflict, Definition
from prober.model.monitor import Model, Monitor
from prober.model.option import Complaint, ReadContext, Rejected, have_in_common, options_of
from prober.model.pool import Pool
from prober.probes import PROBE_TYPES
from tests.web.world import World

Document = dict[str, list[dict[str, Any]]]
_OUTSIDE = ReadContext("", lambda _: "canary", {"SECRET": "canary"})


class FakeEditor:
    """Holds a configuration as JSON, and makes a world of it."""

    def __init__(self, world: World, document: Mapping[str, Any]) -> None:
        self.locked: str | None = None
        self.lasting = True
        self.writes = True
        self.patches: list[Definition] = []
        self._world = world
        self._document: Document = {"pools": [], "monitors": [], **document}
        self._adopt(self._document)

    async def stored(self) -> bool:
        return self.writes

    async def create_monitor(self, definition: Definition) -> Monitor:
        if definition["name"] in self._world.store.monitors:
            raise Conflict(f"there is a monitor {definition['name']!r} already")
        self._try([*self._document["monitors"], dict(definition)])
        return self._world.store.model.monitors[-1]

    async def change_monitor(self, monitor: Monitor, patch: Definition) -> Monitor:
        self._check(monitor)
        self.patches.append(patch)
        index = self._index(monitor)
        merged = {**self._document["monitors"][index], **patch}
        if "type" in patch:
            cls = PROBE_TYPES[str(patch["type"])]
            stays = {
                key for key in options_of(cls) if have_in_common(type(monitor.probe), cls, key)
            }
            stays |= {*options_of(Monitor), *(patch.keys() & options_of(cls).keys())}
            merged = {key: value for key, value in merged.items() if key in stays}
        changed = {key: value for key, value in merged.items() if value is not None}
        before = self._document["monitors"]
        self._try([*before[:index], changed, *before[index + 1 :]])
        return self._world.store.model.monitors[index]

    async def delete_monitor(self, monitor: Monitor) -> None:
        self._check(monitor)
        index = self._index(monitor)
        self._try([each for i, each in enumerate(self._document["monitors"]) if i != index])

    def edits(self) -> Iterable[Mapping[str, Any]]:
        return ()

    async def take_back(self, kind: str, identifier: str) -> bool:
        raise NotImplementedError

    async def create_pool(self, definition: Definition) -> Pool:
        if definition["name"] in self._world.store.pools:
            raise Conflict(f"there is a pool {definition['name']!r} already")
        self._try([*self._document["pools"], dict(definition)], "pools")
        return self._world.store.pools[str(definition["name"])]

    async def change_pool(self, pool: Pool, patch: Definition) -> Pool:
        self._check_pool(pool)
        self.patches.append(patch)
        listed = [
            {k: v for k, v in {**each, **patch}.items() if v is not None}
            if each["name"] == pool.name
            else each
            for each in self._document["pools"]
        ]
        self._try(listed, "pools")
        return self._world.store.pools[pool.name]

    async def delete_pool(self, pool: Pool) -> None:
        self._check_pool(pool)
        self._try([each for each in self._document["pools"] if each["name"] != pool.name], "pools")

    def _check_pool(self, pool: Pool) -> None:
        if self._world.store.pools.get(pool.name) is not pool:
            raise Conflict(f"pool {pool.name!r} was changed meanwhile")

    def _check(self, monitor: Monitor) -> None:
        if self._world.store.monitors.get(monitor.name) is not monitor:
            raise Conflict(f"monitor {monitor.name!r} was changed meanwhile")

    def _index(self, monitor: Monitor) -> int:
        return self._world.store.model.monitors.index(monitor)

    def _try(self, definitions: list[dict[str, Any]], key: str = "monitors") -> None:
        document = {**self._document, key: definitions}
        try:
            self._adopt(document)
        except ConfigError as error:
            complaints = [Complaint(each.path[2:], each.message) for each in error.problems]
            raise Rejected(*complaints) from None
        self._document = document

    def _adopt(self, document: Document) -> None:
        read = parse(json.dumps(document), source="test.json", outside=_OUTSIDE)
        model: Model = read.model
        own = {monitor.pool_name for monitor in model.monitors if not monitor.pool}
        pools = tuple(pool for pool in model.pools if pool.name not in own)
        self._world.configure(*model.monitors, pools=pools)
