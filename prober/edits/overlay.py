"""Applies the edits made over the API to the configuration in the files.

An edit lasts until the file's own definition changes, disappears or appears: then the file wins. An
edit that does not fit the rest at the moment, for example because its pool is gone, is kept but
idle, and the file's definition applies.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from prober.config.configuration import Config
from prober.edits.edit import Edit
from prober.edits.patches import changed_monitor, changed_pool, created_monitor, created_pool
from prober.edits.secret_reach import FileSecrets, is_touched
from prober.model.definition import MONITOR, POOL, Named, Origin
from prober.model.monitor import Model, Monitor
from prober.model.option import Complaint, Rejected, did_you_mean, in_words
from prober.model.pool import Pool

Item = Monitor | Pool
_SUGGESTIONS = 1000  # looking for a near miss among more pools takes time


class Made(NamedTuple):
    """The result of an edit of the file's definition `of`, or of None if the file has none.

    `own` is the pool of a monitor with its own targets, `of_own` the pool that it had before.
    """

    edit: Edit
    of: Item | None
    of_own: Pool | None
    value: Item
    own: Pool | None

    @property
    def pool(self) -> Pool:
        """The resulting pool."""
        assert isinstance(self.value, Pool)  # noqa: S101  (only called for edits of pools)
        return self.value

    @property
    def is_void(self) -> bool:
        """Whether it equals the file's definition."""
        return self.of is not None and replace(self.value, origin=Origin.FILE) == self.of


class Superseded(NamedTuple):
    """An edit that the file supersedes, the name of the definition, and why."""

    edit: Edit
    name: str
    why: str


@dataclass(frozen=True, slots=True)
class Edited:
    """A configuration with edits: `config` is `file` with the edits applied.

    `edits` are all current edits; `idle` are those that are not in force, and why.
    """

    config: Config
    file: Config
    edits: Mapping[Named, Edit] = field(default_factory=dict)
    idle: Mapping[Named, tuple[Complaint, ...]] = field(default_factory=dict)
    superseded: tuple[Superseded, ...] = ()
    made: Mapping[Named, Made] = field(default_factory=dict)
    secrets: FileSecrets | None = None

    def names(self) -> dict[Named, str]:
        """Return the names of everything that the file or an edit defines."""
        model = self.file.model
        found = {(MONITOR, each.id): each.name for each in model.monitors}
        found |= {(POOL, each.id): each.name for each in model.pools}
        for named, edit in self.edits.items():
            name = (edit.content or {}).get("name")
            if isinstance(name, str):
                found[named] = name
        return found


def overlay(file: Config, edits: Iterable[Edit], before: Edited | None = None) -> Edited:
    """Apply edits to the configuration in the files.

    Objects of `before` that are not affected are reused, so that they stay the same object.
    """
    edits = tuple(edits)
    if not edits:
        return Edited(file, file)
    blocked: dict[Named, tuple[Complaint, ...]] = {}
    while True:  # at most once for each edit
        laid_over = _Overlay(file, edits, before, blocked)
        edited = laid_over.result()
        wrong = laid_over.unfit() or laid_over.leaking()
        if not wrong:
            return replace(edited, secrets=laid_over.secrets)
        blocked |= wrong


class _Overlay:
    """The state of applying edits to a configuration."""

    def __init__(
        self,
        file: Config,
        edits: tuple[Edit, ...],
        before: Edited | None,
        blocked: Mapping[Named, tuple[Complaint, ...]],
    ) -> None:
        self._file = file
        self._blocked = blocked
        self.secrets = before.secrets if before and before.file is file else None
        self._known = before.made if before and before.file.defaults == file.defaults else {}
        self._superseded: list[Superseded] = []
        self._idle: dict[Named, tuple[Complaint, ...]] = dict(blocked)
        self._made: dict[Named, Made] = {}
        self._own = {each.name: each for each in file.model.pools if not self._is_defined(each)}
        self._standing = self._sift(edits)
        self._pools: dict[str, Pool] = {}
        self._monitors: dict[str, Monitor] = {}
        self._own_pools: dict[str, Pool] = {}

    def result(self) -> Edited:
        """Return the configuration with the edits applied."""
        deleted = self._lay_over_pools()
        self._lay_over_monitors()
        users = {monitor.pool: monitor.name for monitor in self._monitors.values()}
        for pool in deleted:
            if pool.name in users:
                why = f"monitor {users[pool.name]!r} uses pool {pool.name!r}"
                self._idle[POOL, pool.id] = (Complaint((), why),)
            else:
                del self._pools[pool.name]
        pools = (*self._pools.values(), *self._own_pools.values())
        model = Model(tuple(self._monitors.values()), pools)
        return Edited(
            replace(self._file, model=model),
            self._file,
            self._standing,
            self._idle,
            tuple(self._superseded),
            self._made,
        )

    def unfit(self) -> dict[Named, tuple[Complaint, ...]]:
        """Return the edits for which a monitor cannot probe a backend of its pool, and why not.

        If both were edited, it is the later edit.
        """
        found: dict[Named, tuple[Complaint, ...]] = {}
        for monitor in self._monitors.values():
            pool = self._pools.get(monitor.pool)
            if pool is None or not is_touched(monitor, pool):
                continue
            of_both = ((MONITOR, monitor.id), (POOL, pool.id))
            made = [self._made[named].edit for named in of_both if named in self._made]
            if made and (misfit := next(monitor.misfits(pool.backends), None)):
                latest = max(made, key=lambda edit: edit.at)
                path = ("pool",) if latest.kind == MONITOR else ("backends", misfit[0])
                found[latest.named] = (Complaint(path, f"backend {misfit[1]}"),)
        return found

    def leaking(self) -> dict[Named, tuple[Complaint, ...]]:
        """Return the edits that would send a secret of the file elsewhere, and why not."""
        file = self._file.model
        pools = {**self._pools, **self._own_pools}
        named = {monitor.id: monitor.name for monitor in file.monitors}
        opened = self._file.server.api_targets.move_secrets
        found: dict[Named, tuple[Complaint, ...]] = {}
        for monitor in self._monitors.values():
            pool = pools[monitor.pool_name]
            if not is_touched(monitor, pool) or named.get(monitor.id, monitor.name) in opened:
                continue
            secrets = self._file_secrets()
            if leak := secrets.leak(monitor, pool):
                before = next((each for each in file.pools if each.name == pool.name), None)
                by_pool = before and not secrets.leak(monitor, before)
                if by_pool and (POOL, pool.id) in self._made:
                    found[POOL, pool.id] = (Complaint(("backends",), str(leak)),)
                else:
                    found[MONITOR, monitor.id] = (Complaint(leak.secret, str(leak)),)
        return found

    def _file_secrets(self) -> FileSecrets:
        if self.secrets is None:
            model = self._file.model
            pools = {each.name: each for each in model.pools}
            self.secrets = FileSecrets(model.monitors, pools, self._file.defaults)
        return self.secrets

    def _is_defined(self, pool: Pool) -> bool:
        return (POOL, pool.id) in self._file.written

    def _sift(self, edits: tuple[Edit, ...]) -> dict[Named, Edit]:
        """Set aside the edits that the file supersedes, and return the others."""
        model = self._file.model
        ids = {(MONITOR, each.name): each.id for each in model.monitors}
        ids |= {(POOL, each.name): each.id for each in model.pools}
        names = {(kind, identifier): name for (kind, name), identifier in ids.items()}
        standing = {}
        for edit in edits:
            own_name = (edit.content or {}).get("name")
            name = own_name if isinstance(own_name, str) else names.get(edit.named, edit.id)
            why = self._why_superseded(edit, ids.get((edit.kind, name)))
            if why:
                self._superseded.append(Superseded(edit, name, why))
            else:
                standing[edit.named] = edit
        return standing

    def _why_superseded(self, edit: Edit, owner: str | None) -> str | None:
        """Return why the file wins over an edit; `owner` is the id that has its name there."""
        written = self._file.written.get(edit.named)
        if edit.base is None:
            return "the file now defines it" if written or owner else None
        if written is None:
            return "the file no longer defines it"
        if written.digest != edit.base:
            return "its definition in the file has changed"
        if owner not in (None, edit.id):
            return f"the file defines another {edit.kind} with this name"
        return None

    def _lay_over_pools(self) -> list[Pool]:
        """Return all pools, including those that are to be deleted."""
        deleted = []
        for pool in filter(self._is_defined, self._file.model.pools):
            edit = self._standing.get((POOL, pool.id))
            self._pools[pool.name] = pool
            if edit and edit.content is None:
                deleted.append(pool)
            elif edit and (made := self._make(edit, pool)):
                self._pools[pool.name] = made.pool
        for edit in self._created(POOL):
            made = self._make(edit, None)
            if made and self._is_free(edit, made.value.name, self._pools):
                self._pools[made.value.name] = made.pool
        return deleted

    def _lay_over_monitors(self) -> None:
        for monitor in self._file.model.monitors:
            edit = self._standing.get((MONITOR, monitor.id))
            if edit and edit.content is None:
                continue
            if edit is None or not self._place_made(edit, monitor):
                self._place(monitor, self._own.get(monitor.name))
        for edit in self._created(MONITOR):
            self._place_made(edit, None)

    def _created(self, kind: str) -> list[Edit]:
        return [
            edit
            for edit in self._standing.values()
            if edit.kind == kind and edit.base is None and edit.content is not None
        ]

    def _place(self, monitor: Monitor, own: Pool | None) -> None:
        self._monitors[monitor.name] = monitor
        if own and not monitor.pool:
            self._own_pools[monitor.name] = own

    def _place_made(self, edit: Edit, of: Monitor | None) -> bool:
        """Put the result of an edit of a monitor in its place, if it fits there."""
        made = self._make(edit, of)
        if made is None or not isinstance(made.value, Monitor):
            return False
        monitor = made.value
        if not self._is_free(edit, monitor.name, self._monitors):
            return False
        if monitor.pool and monitor.pool not in self._pools:
            near = did_you_mean(monitor.pool, list(self._pools)[:_SUGGESTIONS])
            self._idle[edit.named] = (
                Complaint(("pool",), f"unknown pool {in_words(monitor.pool)}{near}"),
            )
            return False
        if not monitor.pool and not self._is_free(edit, monitor.name, self._pools):
            return False
        self._place(monitor, made.own)
        return True

    def _is_free(self, edit: Edit, name: str, taken: Mapping[str, Item]) -> bool:
        if name in taken:
            self._idle[edit.named] = (Complaint(("name",), f"the name {in_words(name)} is taken"),)
            return False
        return True

    def _make(self, edit: Edit, of: Item | None) -> Made | None:
        """Return the result of an edit of the file's definition, or None if it is not valid."""
        if edit.named in self._blocked:
            return None
        made = self._known.get(edit.named)
        own = self._own.get(of.name) if isinstance(of, Monitor) else None
        if made is None or made.edit is not edit or made.of is not of or made.of_own is not own:
            try:
                made = self._made_anew(edit, of, own)
            except Rejected as rejected:
                self._idle[edit.named] = rejected.complaints
                return None
        self._made[edit.named] = made
        return made

    def _made_anew(self, edit: Edit, of: Item | None, own: Pool | None) -> Made:
        content, defaults = edit.content or {}, self._file.defaults
        if edit.kind == POOL:
            pool = of if isinstance(of, Pool) else None
            keys = self._file.written[edit.named].keys if pool else ()
            value = changed_pool(pool, keys, content) if pool else created_pool(content)
            return Made(edit, of, None, value, None)
        monitor = of if isinstance(of, Monitor) else None
        if monitor is None:
            new = created_monitor(content, defaults)
        else:
            keys = self._file.written[edit.named].keys
            new = changed_monitor(monitor, keys, content, defaults)
        return Made(edit, of, own, new, _own_pool(new, monitor, own))


def _own_pool(new: Monitor, old: Monitor | None, own: Pool | None) -> Pool | None:
    """Return the pool of a monitor's own targets; the previous one if it has not changed."""
    if new.pool:
        return None
    if old and own and (new.name, new.targets) == (old.name, old.targets):
        return own
    listed = own.backends if own and new.targets_from else new.targets
    origin = Origin.EDITED if own else new.origin
    return Pool(name=new.name, backends=listed, origin=origin)
