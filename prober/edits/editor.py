"""Makes edits: each is validated as a whole, put in force, then stored; or nothing happens.

`prober.edits.overlay` and `prober.edits.patches` define what an edit means.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from itertools import starmap
from typing import Any, Protocol, TypeVar

from prober.config.changes import Changes, changes
from prober.config.configuration import Config, FileDefinition
from prober.config.yielding import yielding
from prober.edits.contract import Conflict, Overtaken, SharedJournal
from prober.edits.edit import Edit
from prober.edits.kept import KeptEdits
from prober.edits.overlay import Edited, overlay
from prober.edits.patches import (
    Content,
    created_monitor,
    created_pool,
    patched,
    replacing,
    unknown_secrets,
    whole,
)
from prober.model.definition import MONITOR, POOL, Named
from prober.model.monitor import Check, Model, Monitor
from prober.model.option import Complaint, Rejected, options_of
from prober.model.pool import Pool
from prober.model.probe import Target
from prober.model.reach import is_loopback

Item = TypeVar("Item", Monitor, Pool)
Result = TypeVar("Result")

ATTEMPTS = 5
"""How often an edit is made if other members of a cluster are first each time."""

OFF = "edits over the API are disabled; set `server.writable: true` in the configuration"


class RunningConfig(Protocol):
    """What runs with a configuration, and can switch to another."""

    config: Config

    async def apply(self, config: Config, difference: Changes, *, reread: bool) -> None:
        """Switch to a configuration, given the differences to the current one.

        `reread` is whether it was read again, with all files that it uses.
        """


class ConfigEditor:
    """Makes edits, one at a time: the `Editor` of the APIs.

    Args:
        running: What runs with the edits.
        standing: The current edits.
        busy: A lock that separates edits and reloads.
        check_monitor: Returns what is wrong with a monitor on this machine.
        objection: Returns why an address and port must not be probed for the API.
        wall: Unix time.
        also_locked: Returns why edits are refused although the configuration allows them.

    `shared` stores the edits of a cluster, before they are in force; None: there is no cluster.
    """

    def __init__(
        self,
        running: RunningConfig,
        standing: KeptEdits,
        *,
        busy: asyncio.Lock,
        check_monitor: Callable[[Monitor], Iterable[Complaint]],
        objection: Callable[[str, int], str | None],
        wall: Callable[[], float],
        also_locked: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._running = running
        self._standing = standing
        self._busy = busy
        self._check_monitor = check_monitor
        self._objection = objection
        self._wall = wall
        self._also_locked = also_locked
        self.shared: SharedJournal | None = None

    # What the web asks: prober.web.server.editing

    @property
    def locked(self) -> str | None:
        """Why edits are refused, and how to enable them; None if they are accepted."""
        return self._also_locked() if self._standing.edited.file.server.writable else OFF

    @property
    def lasting(self) -> bool:
        """Whether edits survive the process."""
        return self.shared is not None or self._standing.lasting

    async def stored(self) -> bool:
        """Wait until the disk or the cluster has all edits so far; return whether it does."""
        return self.shared is not None or await self._standing.stored()

    async def create_monitor(self, definition: Content) -> Monitor:
        """Add a monitor; keys that are left out get the `defaults` of the file."""

        async def make() -> Monitor:
            with yielding():
                defaults = self._standing.edited.file.defaults
                new = await asyncio.to_thread(created_monitor, definition, defaults)
            return await self._create(new, definition)

        return await self._alone(make)

    async def create_pool(self, definition: Content) -> Pool:
        """Add a pool."""

        async def make() -> Pool:
            with yielding():
                new = await asyncio.to_thread(created_pool, definition)
            return await self._create(new, definition)

        return await self._alone(make)

    async def change_monitor(self, monitor: Monitor, patch: Content) -> Monitor:
        """Change some keys of a monitor and keep the others; None resets a key to its default."""

        async def make() -> Monitor:
            self._reject_stale(monitor)
            return await self._change(monitor, patch)

        return await self._alone(make)

    async def change_pool(self, pool: Pool, patch: Content) -> Pool:
        """Change some keys of a pool and keep the others; None resets a key to its default."""

        async def make() -> Pool:
            self._reject_stale(pool)
            self._reject_own(pool)
            return await self._change(pool, patch)

        return await self._alone(make)

    async def delete_monitor(self, monitor: Monitor) -> None:
        """Remove a monitor, and the pool of its own `targets`."""

        async def make() -> None:
            self._reject_stale(monitor)
            await self._delete(monitor)

        await self._alone(make)

    async def delete_pool(self, pool: Pool) -> None:
        """Remove a pool that no monitor uses; raise `Conflict` if one does."""

        async def make() -> None:
            self._reject_stale(pool)
            self._reject_own(pool)
            model = self._standing.edited.config.model
            if user := next((each.name for each in model.monitors if each.pool == pool.name), None):
                raise Conflict(f"monitor {user!r} uses pool {pool.name!r}")
            await self._delete(pool)

        await self._alone(make)

    def edits(self) -> Iterator[Mapping[str, Any]]:
        """Yield all edits, with secrets masked; `idle` says why one is inactive."""
        return self._standing.shown()

    async def take_back(self, kind: str, identifier: str) -> bool:
        """Revert an edit, so that the file's definition applies; return whether there was one."""

        async def make() -> bool:
            named = kind, identifier
            if named not in self._standing.edited.edits:
                return False
            name = self._standing.edited.names()[named]
            await self._take(named, None)
            self._standing.tell(named, name, f"{kind} {name!r}: its edit was reverted")
            return True

        return await self._alone(make)

    # The other members of a cluster

    async def follow(self, take: Callable[[], Iterable[Edit] | None]) -> None:
        """Put the edits of a cluster in force; `take` returns them, or None for no change.

        Nothing is edited or reloaded between that and when they are in force.
        """
        async with self._busy:
            edits = take()
            if edits is not None:
                await self._take_over(edits)

    async def _take_over(self, edits: Iterable[Edit]) -> None:
        before = self._standing.edited

        def work_out() -> tuple[Edited, Changes]:
            edited = self._standing.with_edits(edits)
            return edited, changes(before.config.model, edited.config.model)

        with yielding():
            edited, difference = await asyncio.to_thread(work_out)
        self._standing.take_over(edited)
        await self._running.apply(edited.config, difference, reread=False)

    async def _alone(self, make: Callable[[], Awaitable[Result]]) -> Result:
        """Make an edit while nothing else is edited; again if another member was first."""
        async with self._busy:
            for _ in range(ATTEMPTS):
                try:
                    return await make()
                except Overtaken as overtaken:
                    await self._take_over(overtaken.edits)
        raise Conflict("other members of the cluster keep editing at the same time; try again")

    # How an edit is made

    def _written(self, item: Monitor | Pool) -> FileDefinition | None:
        return self._standing.edited.file.written.get(_named(item))

    def _reject_stale(self, item: Monitor | Pool) -> None:
        there = next((each for each in self._items(item) if each.name == item.name), None)
        if there != item:
            raise Conflict(f"{_kind(item)} {item.name!r} was changed by another edit or a reload")

    def _items(self, like: Monitor | Pool) -> Iterable[Any]:
        """Return all objects of the same kind."""
        model = self._standing.edited.config.model
        return model.monitors if isinstance(like, Monitor) else model.pools

    def _reject_own(self, pool: Pool) -> None:
        model = self._standing.edited.config.model
        if any(not each.pool and each.name == pool.name for each in model.monitors):
            raise Conflict(
                f"pool {pool.name!r} consists of the targets of monitor {pool.name!r}: edit those"
            )

    async def _create(self, new: Item, definition: Content) -> Item:
        for each in self._items(new):
            if each.name == new.name or each.id == new.id:
                key = "name" if each.name == new.name else "id"
                raise Conflict(f"a {_kind(new)} with this {key} already exists: {each.name!r}")
        written = self._written(new)
        content = {**definition, "id": new.id}
        if written:  # it was deleted over the API, and returns as an edit of the file's definition
            content = replacing(definition, written.keys)
            content.pop("id", None)
        base = written.digest if written else None
        made = await self._make(new, Edit(*_named(new), content, base, self._wall()))
        self._tell(made, "created")
        return made

    async def _change(self, item: Item, patch: Content) -> Item:
        named, written = _named(item), self._written(item)
        there = self._standing.edited
        edit = None if named in there.idle else there.edits.get(named)
        content = patched((edit and edit.content) or {}, patch, item)
        if written:
            content = {k: v for k, v in content.items() if v is not None or k in written.keys}
        else:
            content = whole(content)
        base = written.digest if written else None
        made = await self._make(item, Edit(*named, content, base, self._wall()))
        self._tell(made, f"changed: {_differing(item, made)}")
        return made

    async def _make(self, item: Item, edit: Edit) -> Item:
        """Make an edit that leads to a monitor or pool, and return that."""
        await self._take(edit.named, edit)
        made: Item = next(each for each in self._items(item) if each.id == item.id)
        if local := [str(each) for each in self._set_here(made) if is_loopback(each.host)]:
            self._standing.warn_of_loopback(edit.named, made.name, local)
        return made

    def _set_here(self, made: Monitor | Pool) -> Iterator[Target]:
        """Yield the targets of a monitor or pool that edits have set."""
        if isinstance(made, Pool):
            yield from (each.target(None) for each in made.backends if each.under_policy)
            return
        pools = self._standing.edited.config.model.pools
        pool = next(each for each in pools if each.name == made.pool_name)
        checks = (Check(made, pool, backend) for backend in pool.backends)
        yield from (check.target for check in checks if check.under_policy)

    async def _delete(self, item: Monitor | Pool) -> None:
        named, written = _named(item), self._written(item)
        edit = Edit(*named, None, written.digest, self._wall()) if written else None
        await self._take(named, edit)
        self._tell(item, "deleted")

    def _tell(self, item: Monitor | Pool, what: str) -> None:
        self._standing.tell(_named(item), item.name, f"{_kind(item)} {item.name!r} {what}")

    async def _take(self, named: Named, edit: Edit | None) -> None:
        """Replace the edit of a definition by another one, or by none."""
        with yielding():
            edited, difference = await asyncio.to_thread(self._work_out, named, edit)
        if self.shared is not None:
            await self.shared.commit(named, edited.edits.get(named))
        self._standing.settle(edited)
        self._standing.keep(named)
        await self._running.apply(edited.config, difference, reread=False)

    def _work_out(self, named: Named, edit: Edit | None) -> tuple[Edited, Changes]:
        """Return the result of an edit; raise `Rejected` or `Conflict` if it is not possible."""
        before = self._standing.edited
        edits = {key: each for key, each in before.edits.items() if key != named}
        if edit is not None:
            edits[named] = edit
        edited = overlay(before.file, edits.values(), before)
        for lost in edited.superseded:
            raise Conflict(f"{lost.edit.kind} {lost.name!r}: {lost.why}")
        if named in edited.idle:
            raise Rejected(*edited.idle[named])
        for other in edited.idle.keys() - before.idle.keys():
            why = Rejected(*edited.idle[other])
            raise Conflict(f"{other[0]} {edited.names()[other]!r} would no longer be valid: {why}")
        made = edited.made.get(named)
        if made and made.is_void:
            return self._work_out(named, None)
        if made and (complaints := list(self._complaints(made.value, edited.config.model))):
            raise Rejected(*complaints)
        return edited, changes(before.config.model, edited.config.model)

    def _complaints(self, value: Monitor | Pool, model: Model) -> Iterator[Complaint]:
        """Yield what is wrong on this machine with the result of an edit."""
        if isinstance(value, Pool):
            for i, backend in enumerate(value.backends):
                if backend.under_policy and (why := self._objection(*backend.target(None))):
                    yield Complaint(("backends", i), why)
            return
        yield from unknown_secrets(value.probe)
        yield from self._check_monitor(value)
        pool = next(each for each in model.pools if each.name == value.pool_name)
        for i, backend in enumerate(pool.backends):
            check = Check(value, pool, backend)
            places = (check.target, value.probe.proxy or check.target)
            if check.under_policy and (
                why := next(filter(None, starmap(self._objection, places)), "")
            ):
                yield Complaint(("targets", i) if value.targets else ("pool",), why)


def _differing(old: Monitor | Pool, new: Monitor | Pool) -> str:
    """Return the names of the keys that differ."""
    pairs: list[tuple[Any, Any]] = [(old, new)]
    if isinstance(old, Monitor) and isinstance(new, Monitor):
        pairs.append((old.probe, new.probe))
    keys = (
        key
        for one, other in pairs
        for key in {**options_of(type(one)), **options_of(type(other))}
        if getattr(one, key, None) != getattr(other, key, None)
    )
    return ", ".join(keys) or "nothing"


def _kind(item: Monitor | Pool) -> str:
    return MONITOR if isinstance(item, Monitor) else POOL


def _named(item: Monitor | Pool) -> Named:
    return _kind(item), item.id
