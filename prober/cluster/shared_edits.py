"""The edits of a cluster, which are stored in etcd under `/prober/<cluster>/edits/`.

Every edit is one transaction that writes the edit and the key `head`, provided that `head` is the
one that this member has put in force. So all members make the same edits in the same order, and of
two concurrent edits, the second one is validated again on top of the first.

The content of `head` is a random word that changes only when it is written for the first time, in
an etcd that is new or that has lost its data. A member that knows another word, or none, adds the
edits that it has: see `EtcdEdits.run`.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import NamedTuple, Protocol
from urllib.parse import quote

from prober.cluster.duties import Tell
from prober.cluster.key_store import (
    Item,
    KeyChanges,
    KeyStore,
    Snapshot,
    StoreTrouble,
    StoreUnavailable,
)
from prober.edits.contract import NotStored, Overtaken
from prober.edits.edit import Edit
from prober.model.definition import MONITOR, POOL, Named

RETRY = 1.0
"""Seconds until etcd is tried again after an error."""
PRUNE = 10.0
"""Seconds between two searches for edits that the files supersede."""
_BATCH = 100  # edits in a transaction; etcd's limit is 128 operations
_UNKNOWN = {StoreTrouble.TIMEOUT, StoreTrouble.UNREACHABLE}


class OwnEdits(Protocol):
    """The edits of this member."""

    def current(self) -> Iterable[Edit]:
        """Return all that it knows."""

    def superseded(self) -> Mapping[Named, Edit]:
        """Return those that its file supersedes."""

    async def follow(self, take: Callable[[], Iterable[Edit] | None]) -> None:
        """Put in force what `take` returns, while nothing else is edited; None: no change."""


class Kept(NamedTuple):
    """An edit and the revision of its key; None for a value that is no edit."""

    edit: Edit | None
    revision: int


class EtcdEdits:
    """The `SharedJournal` in etcd, and what follows it.

    Args:
        store: The etcd.
        cluster: The name of the cluster.
        own: The edits of this member.
        remember: Stores the word in `head` for the next start.
        agreed: Returns whether all members have the same configuration files.
        new_word: Returns a random word for a new `head`.
        tell: Reports what operators should know.

    `word` is the content of `head` that this member knows: set it to that of the previous process.
    `ready` is set once the edits have been read.
    """

    def __init__(
        self,
        store: KeyStore,
        cluster: str,
        own: OwnEdits,
        *,
        remember: Callable[[str], Awaitable[None]],
        agreed: Callable[[], bool],
        new_word: Callable[[], str],
        tell: Tell,
    ) -> None:
        self._store = store
        self._prefix = f"/prober/{cluster}/edits/"
        self._head = f"{self._prefix}head"
        self._own = own
        self.word: str | None = None
        self._remember = remember
        self._agreed = agreed
        self._new_word = new_word
        self._tell = tell
        self._revision = 0  # of `head`, when what is in force was written
        self._kept: dict[str, Kept] = {}
        self.ready = asyncio.Event()

    async def commit(self, named: Named, edit: Edit | None) -> None:
        """Store an edit, or delete it if None; raise `Overtaken` or `NotStored`."""
        if not self.ready.is_set():
            raise NotStored("edits are refused until the cluster's etcd has been read")
        key = self._key(named)
        word = self.word or self._new_word()
        puts = {self._head: word.encode()}
        if edit is not None:
            puts[key] = _dumped(edit)
        deletes = [] if edit else [key]
        try:
            revision = await self._store.change({self._head: self._revision}, puts, deletes)
            if revision is None:
                await self._give_way()
        except StoreUnavailable as error:
            unknown = "; it may yet appear" if error.reason in _UNKNOWN else ""
            message = f"the edit is refused, because etcd does not store it ({error}){unknown}"
            raise NotStored(message) from None
        assert revision is not None  # noqa: S101  (for the type checker: it has given way)
        self._revision = revision
        if edit is not None:
            self._kept[key] = Kept(edit, revision)
        else:
            self._kept.pop(key, None)
        await self._know(word)

    async def run(self) -> None:
        """Follow the edits of all members until cancelled.

        Edits of this member that are not in etcd are taken along if it joins the cluster for the
        first time, or if etcd has lost its data. Where both have an edit of one definition, that in
        etcd wins.
        """
        pruning = asyncio.create_task(self._prune())
        try:
            while True:
                try:
                    await self._follow()
                except StoreUnavailable:
                    await asyncio.sleep(RETRY)
        finally:
            pruning.cancel()
            await asyncio.gather(pruning, return_exceptions=True)

    async def _follow(self) -> None:
        snapshot = await self._store.read(self._prefix)
        while (missing := self._missing(snapshot)) is not None:
            await self._take_along(snapshot, missing)
            snapshot = await self._store.read(self._prefix)
        await self._own.follow(partial(self._replace, snapshot))
        self.ready.set()
        async for changes in self._store.watch(self._prefix, snapshot.revision):
            await self._own.follow(partial(self._update, changes))
            if head := changes.puts.get(self._head):
                await self._know(head.value.decode(errors="replace"))

    def _missing(self, snapshot: Snapshot) -> list[Edit] | None:
        """Return the edits to take along; None if etcd and this member know the same `head`."""
        head = snapshot.items.get(self._head)
        mine = list(self._own.current())
        if head is None:
            return mine or None
        if head.value == (self.word or "").encode():
            return None
        return [edit for edit in mine if self._key(edit.named) not in snapshot.items]

    async def _take_along(self, snapshot: Snapshot, edits: list[Edit]) -> None:
        """Write edits that are not in etcd, unless another member writes meanwhile."""
        head = snapshot.items.get(self._head)
        word = head.value.decode(errors="replace") if head else self._new_word()
        revision: int | None = head.revision if head else 0
        for start in range(0, len(edits), _BATCH):
            puts = {self._key(e.named): _dumped(e) for e in edits[start : start + _BATCH]}
            puts[self._head] = word.encode()
            assert revision is not None  # noqa: S101  (for the type checker)
            revision = await self._store.change({self._head: revision}, puts)
            if revision is None:
                return
        if edits:
            cause = "joined" if self.word is None else "etcd_lost_them"
            self._tell("edits_taken_along", edits=len(edits), cause=cause)
        await self._know(word)

    async def _know(self, word: str) -> None:
        if word != self.word:
            self.word = word
            await self._remember(word)

    async def _give_way(self) -> None:
        """Raise `Overtaken` with what is in etcd now, or `NotStored` if its data was replaced."""
        snapshot = await self._store.read(self._prefix)
        if self._missing(snapshot):
            raise NotStored("etcd has lost its data; it is being restored, try again")
        if head := snapshot.items.get(self._head):
            await self._know(head.value.decode(errors="replace"))
        raise Overtaken(self._replace(snapshot))

    # What is in etcd; called while nothing else is edited

    def _replace(self, snapshot: Snapshot) -> list[Edit]:
        head = snapshot.items.get(self._head)
        revision = head.revision if head else 0
        before, self._kept, self._revision = self._kept, {}, revision
        for key, item in snapshot.items.items():
            if key != self._head:
                known, read = before.get(key), self._read(key, item)
                same = known is not None and known.edit == read.edit
                self._kept[key] = read._replace(edit=known.edit) if known and same else read
        return self._edits()

    def _update(self, changes: KeyChanges) -> list[Edit] | None:
        head = changes.puts.get(self._head)
        if head is None or head.revision <= self._revision:
            return None
        self._revision = head.revision
        for key, item in changes.puts.items():
            known = self._kept.get(key)
            if key != self._head and (known is None or known.revision < item.revision):
                self._kept[key] = self._read(key, item)
        for key in changes.deletes:
            self._kept.pop(key, None)
        return self._edits()

    def _edits(self) -> list[Edit]:
        found = [kept.edit for kept in self._kept.values() if kept.edit]
        return sorted(found, key=lambda edit: (edit.at, edit.named))

    def _read(self, key: str, item: Item) -> Kept:
        edit = _loaded(item.value)
        if edit is None or self._key(edit.named) != key:
            self._tell("record_refused", key=key, reason="it is no edit, or of something else")
            edit = None
        return Kept(edit, item.revision)

    def _key(self, named: Named) -> str:
        return f"{self._prefix}{named[0]}/{quote(named[1], safe='')}"

    # Edits that the files supersede

    async def _prune(self) -> None:
        """Delete edits that the files supersede, once all members have the same files."""
        while True:
            await asyncio.sleep(PRUNE)
            try:
                await self.prune()
            except StoreUnavailable:
                continue

    async def prune(self) -> None:
        """Delete what `_prune` deletes now."""
        superseded = self._own.superseded()
        if self.word is None or not superseded or not self._agreed():
            return
        for named, edit in superseded.items():
            key = self._key(named)
            kept = self._kept.get(key)
            if kept and kept.edit == edit:
                expected = {key: kept.revision}
                await self._store.change(expected, {self._head: self.word.encode()}, [key])


def _dumped(edit: Edit) -> bytes:
    return json.dumps(edit._asdict(), separators=(",", ":")).encode()


_KINDS: Mapping[str, tuple[type, ...]] = {
    "kind": (str,),
    "id": (str,),
    "content": (dict, type(None)),
    "base": (str, type(None)),
    "at": (int, float),
}


def _loaded(value: bytes) -> Edit | None:
    """Read what `_dumped` wrote; None for anything else."""
    try:
        given = json.loads(value)
    except (ValueError, RecursionError):
        return None
    if not isinstance(given, dict) or given.keys() != _KINDS.keys():
        return None
    fine = all(isinstance(given[key], kinds) for key, kinds in _KINDS.items())
    return Edit(**given) if fine and given["kind"] in (MONITOR, POOL) else None
