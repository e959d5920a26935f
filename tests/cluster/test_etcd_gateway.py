"""The client against one real etcd that works."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing

import pytest

from prober.cluster import etcd_gateway
from prober.cluster.etcd_gateway import REST, Endpoints, EtcdGateway
from prober.cluster.key_store import Item, LeaseLost, WatchLost
from tests.cluster.etcd_server import Etcd, client, etcd, needs_etcd
from tests.ports import free_port

pytestmark = [needs_etcd, pytest.mark.xdist_group("etcd")]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Etcd]:
    with etcd(tmp_path_factory.mktemp("etcd")) as running:
        yield running


@pytest.fixture
async def store(server: Etcd) -> AsyncIterator[EtcdGateway]:
    async with client(server.url) as made:
        yield made


async def test_what_is_put_is_read_with_its_revision(store: EtcdGateway) -> None:
    first = await store.put("/read/a", b"\x00\xff")
    second = await store.put("/read/b", b"")
    await store.put("/readme", b"another prefix")
    found = await store.read("/read/")
    assert found.items == {"/read/a": Item(b"\x00\xff", first, 0), "/read/b": Item(b"", second, 0)}
    assert found.revision > second > first
    await store.delete("/read/a")
    await store.delete("/read/a")
    assert (await store.read("/read/")).items.keys() == {"/read/b"}


async def test_of_two_changes_that_expect_the_same_one_is_refused(store: EtcdGateway) -> None:
    first = await store.change({"/change/a": 0}, {"/change/a": b"1", "/change/b": b"1"})
    assert first is not None
    assert await store.change({"/change/a": 0}, {"/change/a": b"2"}) is None
    second = await store.change({"/change/a": first}, {"/change/a": b"2"}, ["/change/b"])
    assert second is not None
    assert (await store.read("/change/")).items == {"/change/a": Item(b"2", second, 0)}


async def test_keys_go_with_their_lease(store: EtcdGateway) -> None:
    lease = await store.grant(30)
    assert await store.renew(lease) == 30.0
    await store.put("/lease/a", b"", lease)
    await store.change({}, {"/lease/b": b""}, lease=lease)
    items = (await store.read("/lease/")).items
    assert [item.lease for item in items.values()] == [lease, lease]
    await store.revoke(lease)
    await store.revoke(lease)
    assert (await store.read("/lease/")).items == {}
    with pytest.raises(LeaseLost):
        await store.renew(lease)
    with pytest.raises(LeaseLost):
        await store.put("/lease/a", b"", lease)
    with pytest.raises(LeaseLost):
        await store.change({}, {"/lease/a": b""}, lease=lease)


async def test_a_watch_yields_what_came_after_its_revision(store: EtcdGateway) -> None:
    known = await store.put("/watch/a", b"known")
    missed = await store.put("/watch/a", b"missed")
    async with aclosing(store.watch("/watch/", known)) as changes:
        assert (await anext(changes)).puts == {"/watch/a": Item(b"missed", missed, 0)}
        await store.put("/watchdog", b"another prefix")
        await store.delete("/watch/a")
        assert (await anext(changes)).deletes == ["/watch/a"]


async def test_a_watch_survives_its_own_silence(
    store: EtcdGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(etcd_gateway, "SILENCE", 0.01)
    opened = asyncio.Event()
    request, count = store._request, 0

    def counted(url: str, path: str, body: object, token: str | None) -> object:
        nonlocal count
        count += path == "watch"
        if count == 3:
            opened.set()
        return request(url, path, body, token)

    monkeypatch.setattr(store, "_request", counted)
    known = await store.put("/silence/a", b"")
    async with aclosing(store.watch("/silence/", known)) as changes:
        following = asyncio.ensure_future(anext(changes))
        await opened.wait()
        assert not following.done()
        revision = await store.put("/silence/a", b"x")
        assert (await following).puts == {"/silence/a": Item(b"x", revision, 0)}


async def test_a_watch_that_misses_what_was_compacted_is_lost(
    server: Etcd, store: EtcdGateway
) -> None:
    known = await store.put("/compacted/a", b"1")
    last = [await store.put("/compacted/a", b"2") for _ in range(3)][-1]
    server.control("compact", str(last))
    async with aclosing(store.watch("/compacted/", known)) as changes:
        with pytest.raises(WatchLost, match="compacted"):
            await anext(changes)


async def test_a_watch_of_data_that_is_not_there_any_more_is_lost(store: EtcdGateway) -> None:
    async with aclosing(store.watch("/lost/", 1 << 40)) as changes:
        with pytest.raises(WatchLost, match="its data is new"):
            await anext(changes)


async def test_a_large_change_comes_whole(store: EtcdGateway) -> None:
    known = await store.put("/large", b"")
    puts = {f"/large/{i}": bytes([i]) * 60_000 for i in range(20)}
    await store.change({}, puts)
    async with aclosing(store.watch("/large/", known)) as changes:
        got = (await anext(changes)).puts
    assert {key: item.value for key, item in got.items()} == puts


async def test_an_endpoint_that_is_dead_does_not_keep_another_from_answering(
    server: Etcd,
) -> None:
    async with client(f"http://127.0.0.1:{free_port()}", server.url + "/") as store:
        await store.put("/dead", b"")
        assert store.endpoint == server.url
        assert await store.change({"/dead2": 0}, {"/dead2": b""}) is not None


def test_an_endpoint_that_failed_is_the_last_one_for_a_while() -> None:
    now = 1000.0
    endpoints = Endpoints(["a", "b", "c"], lambda: now)
    assert endpoints.in_turn() == ["a", "b", "c"]
    endpoints.fails("a")
    assert endpoints.in_turn() == ["b", "c", "a"]
    endpoints.works("b")
    now += 1
    endpoints.fails("b")
    assert endpoints.in_turn() == ["c", "a", "b"], "what failed longest ago comes first"
    endpoints.works("c")
    now += REST
    assert endpoints.in_turn() == ["c", "a", "b"], "nobody returns while the current one works"
