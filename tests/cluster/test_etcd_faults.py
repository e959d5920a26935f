"""The client against a real etcd in trouble: it says what is wrong, and never that nothing is."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest
import trustme

from prober.cluster import etcd_gateway
from prober.cluster.etcd_gateway import EtcdGateway
from prober.cluster.key_store import StoreTrouble, StoreUnavailable, WatchLost
from prober.config.cluster_section import ClusterSection
from prober.config.reader import parse
from prober.daemon.membership import etcd_of
from prober.model.option import ReadContext
from tests.cluster.etcd_server import (
    Etcd,
    answering,
    client,
    etcd,
    needs_etcd,
    needs_etcdctl,
    three_of_etcd,
)

pytestmark = [needs_etcd, pytest.mark.xdist_group("etcd")]


async def reason(asked: Awaitable[object]) -> StoreTrouble:
    """Return why something could not be asked."""
    with pytest.raises(StoreUnavailable) as raised:
        await asked
    return raised.value.reason


@asynccontextmanager
async def proxy(url: str, gate: asyncio.Event) -> AsyncIterator[str]:
    """Forward connections, and keep what is answered back until the gate is open."""
    tasks: set[asyncio.Task[None]] = set()
    writers: list[asyncio.StreamWriter] = []

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, held: bool) -> None:
        while data := await reader.read(65536):
            if held:
                await gate.wait()
            writer.write(data)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, _, port = url.removeprefix("http://").partition(":")
        back, forth = await asyncio.open_connection(host, int(port))
        writers.extend((writer, forth))
        for one, other, held in ((reader, forth, False), (back, writer, True)):
            tasks.add(asyncio.create_task(pump(one, other, held)))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        for writer in writers:
            writer.transport.abort()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Etcd]:
    with etcd(tmp_path_factory.mktemp("etcd")) as running:
        yield running


async def test_an_etcd_that_answers_late_answers(alone: Etcd) -> None:
    gate = asyncio.Event()
    async with proxy(alone.url, gate) as url, client(url) as store:
        written = asyncio.create_task(store.put("/prober/late", b""))
        while not (await direct(alone, "/prober/late")):
            pass
        gate.set()
        assert await written > 0


async def direct(server: Etcd, key: str) -> bool:
    async with client(server.url) as store:
        return key in (await store.read(key)).items


async def test_an_etcd_that_does_not_answer_in_time_is_left(
    alone: Etcd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(etcd_gateway, "LIMIT", 0.3)
    async with proxy(alone.url, asyncio.Event()) as url, client(url) as store:
        assert await reason(store.read("/prober/")) is StoreTrouble.TIMEOUT
        async with aclosing(store.watch("/prober/", 0)) as changes:
            assert await reason(anext(changes)) is StoreTrouble.TIMEOUT


async def test_an_etcd_that_is_away_is_unreachable_and_comes_back(tmp_path: Path) -> None:
    with etcd(tmp_path) as server:
        async with client(server.url) as store:
            known = await store.put("/prober/a", b"")
            async with aclosing(store.watch("/prober/", known)) as changes:
                following = asyncio.ensure_future(anext(changes))
                await store.put("/prober/b", b"")
                await following
                following = asyncio.ensure_future(anext(changes))
                server.kill()
                assert await reason(following) is StoreTrouble.UNREACHABLE
            assert await reason(store.read("/prober/")) is StoreTrouble.UNREACHABLE
            server.start()
            assert (await answering(store)).items.keys() == {"/prober/a", "/prober/b"}


async def test_a_watcher_is_told_that_data_was_wiped(tmp_path: Path) -> None:
    with etcd(tmp_path) as server:
        async with client(server.url) as store:
            for _ in range(20):
                known = await store.put("/prober/a", b"")
            server.wipe()
            assert (await answering(store)).items == {}
            async with aclosing(store.watch("/prober/", known)) as changes:
                with pytest.raises(WatchLost):
                    await anext(changes)


async def test_a_member_that_is_stopped_is_left_and_another_one_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with three_of_etcd(tmp_path) as servers:
        async with client(*(each.url for each in servers)) as store:
            known = (await answering(store)).revision
            first = next(each for each in servers if each.url == store.endpoint)
            async with aclosing(store.watch("/prober/", known)) as changes:
                following = asyncio.ensure_future(anext(changes))
                await store.put("/prober/a", b"")
                await following
                following = asyncio.ensure_future(anext(changes))
                first.pause()
                assert await reason(store.read("/prober/")) is StoreTrouble.TIMEOUT
                assert await reason(following) is StoreTrouble.UNREACHABLE, "what it watched there"
            assert (await answering(store)).items.keys() == {"/prober/a"}
            assert store.endpoint != first.url
            await left_without_a_quorum(servers, store, first)


async def left_without_a_quorum(servers: list[Etcd], store: EtcdGateway, first: Etcd) -> None:
    """Kill one more of three: the last one says that it has no leader, until they are back."""
    second = next(each for each in servers if each.url == store.endpoint)
    second.kill()
    while await reason(store.change({}, {"/prober/b": b""})) is not StoreTrouble.NO_QUORUM:
        pass
    async with aclosing(store.watch("/prober/", 0)) as changes:
        assert await reason(anext(changes)) in (StoreTrouble.NO_QUORUM, StoreTrouble.TIMEOUT)
    first.go_on()
    second.start()
    found = await answering(store)
    assert "/prober/a" in found.items


@needs_etcdctl
async def test_a_user_without_permission_is_unauthorized_and_an_expired_login_is_renewed(
    tmp_path: Path,
) -> None:
    with etcd(tmp_path) as server:
        async with client(server.url, username="prober", password=lambda: "sesame") as early:
            await early.put("/prober/a", b"without authentication, a user is not needed")
        server.enable_authentication()
        async with client(server.url) as nobody:
            assert await reason(nobody.read("/prober/")) is StoreTrouble.UNAUTHORIZED
        async with client(server.url, username="prober", password=lambda: "wrong") as wrong:
            assert await reason(wrong.put("/prober/a", b"")) is StoreTrouble.UNAUTHORIZED
            async with aclosing(wrong.watch("/prober/", 0)) as changes:
                assert await reason(anext(changes)) is StoreTrouble.UNAUTHORIZED
        async with client(server.url, username="prober", password=lambda: "sesame") as store:
            known = await store.put("/prober/a", b"")
            assert await reason(store.read("/elsewhere/")) is StoreTrouble.UNAUTHORIZED
            async with aclosing(store.watch("/elsewhere/", 0)) as changes:
                assert await reason(anext(changes)) is StoreTrouble.UNAUTHORIZED
            server.kill()  # and with it its tokens
            server.start()
            server.wait()
            await answering(store)
            assert await store.put("/prober/b", b"") > known
            async with aclosing(store.watch("/prober/", known)) as changes:
                assert (await anext(changes)).puts.keys() == {"/prober/b"}


async def fill(store: EtcdGateway) -> None:
    for _ in range(100):
        await store.put("/prober/a", b"x" * 20_000)


async def test_a_full_etcd_says_so_and_can_be_read(tmp_path: Path) -> None:
    with etcd(tmp_path, "--quota-backend-bytes", "200000") as server:
        async with client(server.url) as store:
            assert await reason(fill(store)) is StoreTrouble.NO_SPACE
            assert "/prober/a" in (await store.read("/prober/")).items
            assert await reason(store.grant(10)) is StoreTrouble.NO_SPACE
            assert await reason(store.change({}, {"/prober/b": b""})) is StoreTrouble.NO_SPACE


def section(url: str, folder: Path) -> ClusterSection:
    """Return a section of a configuration file, with the files of the test over TLS."""
    tls = {"ca_file": "ca.pem", "cert_file": "both.pem", "key_file": "key.pem"}
    text = json.dumps({"cluster": {"name": "a", "etcd": {"endpoints": [url], "tls": tls}}})
    outside = ReadContext(str(folder), lambda name: Path(name).read_text(), {})
    found = parse(text, source="test", outside=outside).cluster
    assert found is not None
    return found


@asynccontextmanager
async def configured(found: ClusterSection) -> AsyncIterator[EtcdGateway]:
    store = etcd_of(found)
    try:
        yield store
    finally:
        await store.close()


async def test_etcd_over_tls_wants_the_right_certificates(tmp_path: Path) -> None:
    authority, stranger = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    files = {"cert-file": "both.pem", "key-file": "key.pem", "trusted-ca-file": "ca.pem"}
    flags = [part for flag, name in files.items() for part in (f"--{flag}", str(tmp_path / name))]

    def trusting(trusted: trustme.CA, shown: bool) -> Callable[[], ssl.SSLContext]:
        def make() -> ssl.SSLContext:
            context = ssl.create_default_context()
            trusted.configure_trust(context)
            if shown:
                issued.configure_cert(context)
            return context

        return make

    with etcd(tmp_path, *flags, "--client-cert-auth", scheme="https") as server:
        async with client(server.url, tls=trusting(authority, True)) as store:
            await answering(store)
            assert await store.put("/prober/a", b"") > 0
        async with client(server.url, tls=trusting(authority, False)) as store:
            assert await reason(store.read("/prober/")) is StoreTrouble.TLS
        async with client(server.url, tls=trusting(stranger, True)) as store:
            assert await reason(store.read("/prober/")) is StoreTrouble.TLS
        async with configured(section(server.url, tmp_path)) as store:
            assert "/prober/a" in (await store.read("/prober/")).items
        plain = server.url.replace("https", "http")
        async with client(plain) as store:
            assert await reason(store.read("/prober/")) is not StoreTrouble.TIMEOUT
