"""Edits in a real etcd, made by members that know nothing of each other but what lies there."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from prober.cluster import shared_edits
from prober.cluster.shared_edits import EtcdEdits
from prober.edits.contract import NotStored, Overtaken
from prober.edits.edit import Edit
from prober.model.definition import Named
from tests.cluster.etcd_server import Etcd, client, etcd, needs_etcd

pytestmark = [needs_etcd, pytest.mark.xdist_group("etcd")]
COUNT = count()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Etcd]:
    with etcd(tmp_path_factory.mktemp("etcd")) as running:
        yield running


@pytest.fixture
def cluster() -> str:
    return f"c{next(COUNT)}"


def edit(name: str, port: int = 80) -> Edit:
    return Edit("monitor", name, {"name": name, "targets": [f"192.0.2.1:{port}"]}, None, 1.5)


class Member:
    """The edits of a member: a list that is in force, and a lock around each change of it."""

    def __init__(self, *edits: Edit) -> None:
        self.edits = {each.named: each for each in edits}
        self.won: dict[Named, Edit] = {}
        self.words: list[str] = []
        self.told: list[tuple[str, dict[str, object]]] = []
        self.changed = asyncio.Event()
        self.same_files = True
        self._busy = asyncio.Lock()

    def current(self) -> Iterable[Edit]:
        return self.edits.values()

    def superseded(self) -> dict[Named, Edit]:
        return self.won

    async def follow(self, take: Callable[[], Iterable[Edit] | None]) -> None:
        async with self._busy:
            if (edits := take()) is not None:
                self.edits = {each.named: each for each in edits}
                self.changed.set()

    async def make(self, shared: EtcdEdits, named: Named, change: Edit | None) -> None:
        async with self._busy:
            try:
                await shared.commit(named, change)
            except Overtaken as overtaken:
                self.edits = {each.named: each for each in overtaken.edits}
                raise
            self.edits.pop(named, None)
            if change:
                self.edits[named] = change

    async def until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            self.changed.clear()
            await self.changed.wait()

    async def remember(self, word: str) -> None:
        self.words.append(word)

    def tell(self, event: str, **facts: object) -> None:
        self.told.append((event, facts))


@asynccontextmanager
async def joined(
    server: Etcd, cluster: str, member: Member, *, word: str | None = None, **options: Any
) -> AsyncIterator[EtcdEdits]:
    async with client(server.url) as store:
        shared = EtcdEdits(
            store,
            cluster,
            member,
            remember=member.remember,
            agreed=lambda: member.same_files,
            new_word=lambda: f"w{next(COUNT)}",
            tell=member.tell,
            **options,
        )
        shared.word = word
        running = asyncio.create_task(shared.run())
        await shared.ready.wait()
        try:
            yield shared
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def test_an_edit_is_seen_by_all_and_then_gone_for_all(server: Etcd, cluster: str) -> None:
    one, other = Member(), Member()
    web = edit("web")
    async with joined(server, cluster, one) as here, joined(server, cluster, other):
        await one.make(here, web.named, web)
        await other.until(lambda: other.edits == {web.named: web})
        await one.make(here, web.named, None)
        await other.until(lambda: not other.edits)
    assert one.words == other.words != []


async def test_of_two_edits_at_once_the_second_is_overtaken(server: Etcd, cluster: str) -> None:
    one, other = Member(), Member()
    async with joined(server, cluster, one) as here, joined(server, cluster, other) as there:
        results = await asyncio.gather(
            one.make(here, edit("web").named, edit("web", 81)),
            other.make(there, edit("web").named, edit("web", 82)),
            return_exceptions=True,
        )
        [overtaken] = [each for each in results if each is not None]
        assert isinstance(overtaken, Overtaken)
        loser, again = (one, here) if results[0] is overtaken else (other, there)
        winner = other if loser is one else one
        assert loser.edits == winner.edits != {}
        await loser.make(again, edit("web").named, edit("web", 83))
        await winner.until(lambda: winner.edits == {edit("web").named: edit("web", 83)})


async def test_edits_from_before_the_cluster_are_taken_along_once(
    server: Etcd, cluster: str
) -> None:
    theirs, alone, clash = edit("theirs"), edit("alone"), edit("theirs", 99)
    first = Member()
    async with joined(server, cluster, first) as here:
        await first.make(here, theirs.named, theirs)
        newcomer = Member(alone, clash)
        async with joined(server, cluster, newcomer):
            assert newcomer.edits == {theirs.named: theirs, alone.named: alone}
            assert newcomer.told == [("edits_taken_along", {"edits": 1, "cause": "joined"})]
            await first.until(lambda: alone.named in first.edits)
        await first.make(here, alone.named, None)
        returning = Member(alone, theirs)
        async with joined(server, cluster, returning, word=newcomer.words[-1]):
            assert returning.edits == {theirs.named: theirs}, "what was deleted stays deleted"
            assert returning.told == []


async def test_more_edits_than_fit_into_a_transaction_are_taken_along(
    server: Etcd, cluster: str
) -> None:
    many = [edit(f"m{number}") for number in range(250)]
    member, other = Member(*many), Member()
    async with joined(server, cluster, member), joined(server, cluster, other):
        assert len(member.edits) == 250
        await other.until(lambda: len(other.edits) == 250)


async def test_edits_that_etcd_has_lost_are_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_edits, "RETRY", 0.05)
    web, db, new = edit("web"), edit("db"), edit("new")
    with etcd(tmp_path) as server:
        member = Member()
        async with joined(server, "c", member) as here:
            await member.make(here, web.named, web)
            await member.make(here, db.named, db)
            server.wipe()
            late = Member()
            async with joined(server, "c", late) as there:
                while new.named not in late.edits:
                    try:
                        await late.make(there, new.named, new)
                    except (Overtaken, NotStored):
                        await asyncio.sleep(0.05)
                await late.until(lambda: len(late.edits) == 3)
                await member.until(lambda: len(member.edits) == 3)
                assert late.edits == member.edits
        assert [event for event, _ in member.told] == ["edits_taken_along"]
        assert member.told[0][1]["cause"] == "etcd_lost_them"


async def test_an_edit_is_refused_while_etcd_is_away(tmp_path: Path) -> None:
    with etcd(tmp_path) as server:
        member = Member()
        async with joined(server, "c", member) as here:
            server.kill()
            with pytest.raises(NotStored, match="etcd does not store it"):
                await member.make(here, edit("web").named, edit("web"))
            assert member.edits == {}


async def test_an_edit_is_refused_until_etcd_was_read() -> None:
    member = Member()
    async with client("http://127.0.0.1:1") as store:
        shared = EtcdEdits(
            store,
            "c",
            member,
            remember=member.remember,
            agreed=lambda: True,
            new_word=lambda: "w",
            tell=member.tell,
        )
        with pytest.raises(NotStored, match="until the cluster's etcd has been read"):
            await shared.commit(edit("web").named, edit("web"))


async def test_what_is_no_edit_is_ignored_and_told(server: Etcd, cluster: str) -> None:
    values = [b"", b"[]", b'{"kind": "monitor"}', b"\xff", b"[" * 100_000]
    async with client(server.url) as store:
        for number, value in enumerate(values):
            await store.put(f"/prober/{cluster}/edits/monitor/{number}", value)
        await store.put(f"/prober/{cluster}/edits/head", b"w")
    member = Member()
    async with joined(server, cluster, member):
        assert member.edits == {}
    assert [event for event, _ in member.told] == ["record_refused"] * len(values)


async def test_an_edit_that_the_file_supersedes_is_deleted_once_all_have_that_file(
    server: Etcd, cluster: str
) -> None:
    one, other, web = Member(), Member(), edit("web")
    async with joined(server, cluster, one) as here, joined(server, cluster, other):
        await one.make(here, web.named, web)
        await other.until(lambda: web.named in other.edits)
        one.won, one.same_files = {web.named: web}, False
        await here.prune()
        assert here._edits() == [web], "others may still have the earlier file"
        one.same_files = True
        await here.prune()
        await other.until(lambda: not other.edits)
