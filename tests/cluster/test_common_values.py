"""Values that members have in common, in a real etcd: the later one holds, whatever happens."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from prober.cluster import common_values
from prober.cluster.common_values import FORGOTTEN, LARGEST, CommonValue, CommonValues, read_value
from tests.cluster.etcd_server import Etcd, client, etcd, needs_etcd

pytestmark = [needs_etcd, pytest.mark.xdist_group("etcd")]
COUNT = count()
NOW = 1.8e9


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Etcd]:
    with etcd(tmp_path_factory.mktemp("etcd")) as running:
        yield running


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(common_values, "RETRY", 0.01)


@pytest.fixture
def cluster() -> str:
    return f"v{next(COUNT)}"


class Member:
    """A member that hears of values; its clock stands at `now`."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now
        self.heard: list[tuple[str, Any]] = []
        self.told: list[tuple[str, dict[str, object]]] = []
        self.values: CommonValues
        self._changed = asyncio.Event()

    def hear(self, key: str, content: Any) -> None:
        self.heard.append((key, content))
        self._changed.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            self._changed.clear()
            await self._changed.wait()


@asynccontextmanager
async def run(server: Etcd, cluster: str, member: Member) -> AsyncIterator[CommonValues]:
    async with client(server.url) as store:
        member.values = CommonValues(
            store,
            cluster,
            wall=lambda: member.now,
            heard=member.hear,
            tell=lambda event, **facts: member.told.append((event, facts)),
        )
        yield member.values


@asynccontextmanager
async def going(values: CommonValues) -> AsyncIterator[None]:
    task = asyncio.create_task(values.run())
    try:
        await values.ready.wait()
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_what_one_member_puts_holds_on_all_also_on_those_that_come_later(
    server: Etcd, cluster: str
) -> None:
    one, other, late = Member(), Member(), Member()
    runs = run(server, cluster, one), run(server, cluster, other)
    async with runs[0] as a, runs[1] as b, going(a), going(b):
        a.put("admin/x", ["drain"])
        await other.until(lambda: other.heard == [("admin/x", ["drain"])])
        b.put("admin/x", None)
        await one.until(lambda: one.heard == [("admin/x", None)])
        b.put("admin/y", 1)
        await one.until(lambda: a.get("admin/y") == 1)
        async with run(server, cluster, late) as c, going(c):
            assert dict(c.items()) == {"admin/y": 1}


async def test_a_clock_that_is_behind_does_not_lose_what_is_put_now(
    server: Etcd, cluster: str
) -> None:
    ahead, behind = Member(NOW + 86400), Member(NOW)
    runs = run(server, cluster, ahead), run(server, cluster, behind)
    async with runs[0] as a, runs[1] as b, going(a), going(b):
        a.put("k", "first")
        await behind.until(lambda: b.get("k") == "first")
        b.put("k", "second")
        await ahead.until(lambda: a.get("k") == "second")


async def test_what_ended_while_a_member_was_away_does_not_come_back(
    server: Etcd, cluster: str
) -> None:
    one, away = Member(NOW + 5), Member(NOW + 9)
    async with run(server, cluster, one) as a, going(a):
        a.put("k", "old")
        a.put("k", None)
        async with run(server, cluster, away) as b:
            b.recall("k", CommonValue("old", NOW))
            b.recall("mine", CommonValue("kept", NOW))
            async with going(b):
                await away.until(lambda: away.heard == [("k", None)])
                await one.until(lambda: a.get("mine") == "kept")
    assert dict(b.items()) == {"mine": "kept"}


async def test_what_is_put_without_etcd_is_written_later_and_lost_data_again(
    tmp_path: Path,
) -> None:
    one, other = Member(), Member(NOW + 1)
    with etcd(tmp_path) as server:
        runs = run(server, "c", one), run(server, "c", other)
        async with runs[0] as a, runs[1] as b, going(a), going(b):
            a.put("k", 1)
            await other.until(lambda: b.get("k") == 1)
            server.kill()
            b.put("l", 2)
            assert b.get("l") == 2
            server.wipe()
            await one.until(lambda: a.get("l") == 2)
            late = Member()
            async with run(server, "c", late) as c, going(c):
                await late.until(lambda: dict(c.items()) == {"k": 1, "l": 2})


async def test_what_ended_long_ago_is_forgotten(server: Etcd, cluster: str) -> None:
    one, later = Member(), Member(NOW + FORGOTTEN + 2)
    async with client(server.url) as store:

        async def keys() -> set[str]:
            found = await store.read(f"/prober/{cluster}/common/")
            return {key.rpartition("/")[2] for key in found.items}

        async with run(server, cluster, one) as a, going(a):
            a.put("gone", None)
            a.put("ends", "soon", until=NOW + 1)
            a.put("stays", "on")
            while await keys() != {"gone", "ends", "stays"}:
                pass
        async with run(server, cluster, later) as b, going(b):
            while await keys() != {"stays"}:
                pass
            assert dict(b.items()) == {"stays": "on"}


async def test_nonsense_is_refused_and_said(server: Etcd, cluster: str) -> None:
    member = Member()
    async with client(server.url) as store, run(server, cluster, member) as a:
        await store.put(f"/prober/{cluster}/common/k", b"nonsense")
        async with going(a):
            assert a.get("k") is None
            a.put("large", [str(n) for n in range(10**6)])
            assert a.get("large") is None
    assert [event for event, _ in member.told] == ["record_refused", "record_refused"]
    assert LARGEST < 1_500_000
    for text in (b"", CommonValue("a", 1.0).to_bytes()[:-3], CommonValue("a", "b").to_bytes()):  # type: ignore[arg-type]  # no time
        with pytest.raises(ValueError, match="not a value"):
            read_value(text)
