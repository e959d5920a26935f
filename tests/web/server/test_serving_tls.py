"""TLS of the endpoint: with real handshakes, certificates of clients, and renewal."""

import asyncio
import shutil
import ssl
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
import trustme

from prober.model.endpoint import CERTIFICATE_REQUIRED, CERTIFICATE_WELCOME, TlsServer
from prober.web.server.client_limits import Limits
from prober.web.server.listener import Listener
from prober.web.server.serving_tls import LOOK_EVERY, RenewedContext, has_allowed_name, make_context
from tests.web.server.test_client_limits import (
    HEALTHY,
    PATIENT,
    answer,
    calling,
    ended,
    serving,
    until,
)
from tests.web.world import World

Names = tuple[str, ...]


class Files:
    """An authority, and the files that a server needs."""

    def __init__(self, folder: Path) -> None:
        self.authority = trustme.CA()
        self.folder = folder
        self.ca = folder / "ca.pem"
        self.authority.cert_pem.write_to_path(self.ca)
        self.cert, self.key = folder / "cert.pem", folder / "key.pem"
        self.issue("127.0.0.1", "first.example")

    def issue(self, *names: str) -> None:
        """Write a new certificate and its key, as one who renews does: by renaming."""
        issued = self.authority.issue_cert(*names)
        for path, pem in (
            (self.cert, issued.cert_chain_pems[0]),
            (self.key, issued.private_key_pem),
        ):
            pem.write_to_path(self.folder / "new")
            (self.folder / "new").replace(path)

    def settings(self, **more: object) -> TlsServer:
        options = {"cert_file": str(self.cert), "key_file": str(self.key), **more}
        return TlsServer(**options)  # type: ignore[arg-type]

    def client(self, *names: str) -> ssl.SSLContext:
        """Return the context of a client, with a certificate if it has names."""
        context = ssl.create_default_context(cafile=str(self.ca))
        if names:
            self.authority.issue_cert(*names).configure_cert(context)
        return context


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def renewed(settings: TlsServer, clock: Callable[[], float] = lambda: 0.0) -> RenewedContext:
    return RenewedContext(settings, clock=clock, report=lambda _: None)


async def ask(listener: Listener, context: ssl.SSLContext) -> str:
    """Return how a client fares: the names in the server's certificate, or the trouble."""
    host, port = listener.addresses[0]
    try:
        reader, writer = await asyncio.open_connection(host, port, ssl=context)
    except OSError as error:
        return type(error).__name__
    try:
        writer.write(HEALTHY)
        status, _ = await answer(reader)
        shown = writer.get_extra_info("peercert")
        return f"{status} {' '.join(name for _, name in shown['subjectAltName'])}"
    except (OSError, asyncio.IncompleteReadError):
        return "refused"
    finally:
        writer.transport.abort()


@pytest.mark.parametrize(
    ("kind", "sans", "client", "fares"),
    [
        ("NoClientCert", (), (), "200"),
        (CERTIFICATE_WELCOME, (), (), "200"),
        (CERTIFICATE_WELCOME, (), ("a.example",), "200"),
        (CERTIFICATE_REQUIRED, (), (), "refused"),
        (CERTIFICATE_REQUIRED, (), ("a.example",), "200"),
        (CERTIFICATE_REQUIRED, ("a.example",), ("a.example",), "200"),
        (CERTIFICATE_REQUIRED, ("a.example",), ("b.example", "a.example"), "200"),
        (CERTIFICATE_REQUIRED, ("a.example",), ("b.example",), "refused"),
        (CERTIFICATE_REQUIRED, ("2001:db8::a",), ("2001:db8:0::a",), "200"),
    ],
)
async def test_which_clients_must_show_which_certificate(  # noqa: PLR0917  (each is a column)
    world: World, files: Files, kind: str, sans: Names, client: Names, fares: str
) -> None:
    ca = None if kind == "NoClientCert" else str(files.ca)
    settings = files.settings(client_auth_type=kind, client_ca_file=ca, client_allowed_sans=sans)
    context = renewed(settings)
    async with serving(world.app(), PATIENT, tls=lambda: context) as listener:
        assert (await ask(listener, files.client(*client))).startswith(fares)
        await until(lambda: len(listener) == 0)


async def test_the_certificate_of_a_stranger_is_refused(
    world: World, files: Files, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    stranger = Files(tmp_path / "other").authority.issue_cert("a.example")
    client = files.client()
    stranger.configure_cert(client)
    context = renewed(
        files.settings(client_auth_type=CERTIFICATE_REQUIRED, client_ca_file=str(files.ca))
    )
    async with serving(world.app(), PATIENT, tls=lambda: context) as listener:
        assert await ask(listener, client) == "refused"


async def test_a_renewed_certificate_is_used_for_new_connections(
    world: World, files: Files
) -> None:
    now, told = [0.0], list[str | None]()
    context = RenewedContext(files.settings(), clock=lambda: now[0], report=told.append)
    async with serving(world.app(), PATIENT, tls=lambda: context) as listener:
        asking = partial(ask, listener, files.client())
        assert await asking() == "200 127.0.0.1 first.example"
        files.issue("127.0.0.1", "second.example")
        assert await asking() == "200 127.0.0.1 first.example", "it was looked at just now"
        now[0] += LOOK_EVERY
        assert await asking() == "200 127.0.0.1 second.example"
        files.key.write_text("half a k")
        for _ in range(3):
            now[0] += LOOK_EVERY
            assert await asking() == "200 127.0.0.1 second.example"
        files.cert.unlink()
        now[0] += LOOK_EVERY
        assert await asking() == "200 127.0.0.1 second.example"
        files.issue("127.0.0.1", "third.example")
        now[0] += LOOK_EVERY
        assert await asking() == "200 127.0.0.1 third.example"
    assert [each is None for each in told] == [True, False, False, True]
    assert told[2] == "OpenSSL cannot use these files: No such file or directory"


async def test_without_usable_files_nothing_is_served_unencrypted(
    world: World, files: Files
) -> None:
    files.key.unlink()
    context = renewed(files.settings())
    async with (
        serving(world.app(), PATIENT, tls=lambda: context) as listener,
        calling(listener) as (reader, writer),
    ):
        writer.write(HEALTHY)
        assert await ended(reader) == b""


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01", b"GET / HTTP/1.1\r\n\r\n"])
async def test_a_client_that_does_not_finish_the_handshake_is_dropped(
    world: World, files: Files, sent: bytes
) -> None:
    context = renewed(files.settings())
    limits = PATIENT._replace(headers=0.05)
    async with serving(world.app(), limits, tls=lambda: context) as listener:
        async with calling(listener) as (reader, writer):
            writer.write(sent)
            assert b"HTTP" not in await ended(reader)
        await until(lambda: len(listener) == 0)


async def test_silent_connections_before_tls_make_room_as_well(
    world: World, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prober.web.server.reserve.GRACE", -1.0)
    context = renewed(files.settings())
    limits = Limits(connections=4, per_peer=0, headers=1000)
    async with serving(world.app(), limits, tls=lambda: context) as listener:
        sockets = [await asyncio.open_connection(*listener.addresses[0]) for _ in range(8)]
        assert (await ask(listener, files.client())).startswith("200")
        assert len(listener) <= 4
        for _, writer in sockets:
            writer.transport.abort()


def handshake(server: ssl.SSLContext, client: ssl.SSLContext) -> ssl.SSLObject:
    """Let two contexts speak to each other in memory."""
    a, b = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = server.wrap_bio(a, b, server_side=True)
    theirs = client.wrap_bio(b, a, server_hostname="127.0.0.1")
    for _ in range(4):
        for side in (theirs, ours):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return theirs


def test_versions_and_suites_are_those_that_were_asked_for(files: Files) -> None:
    suite = "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"
    server = make_context(files.settings(max_version="TLS12", cipher_suites=(suite,)))
    client = files.client()
    assert handshake(server, client).cipher() == ("ECDHE-ECDSA-CHACHA20-POLY1305", "TLSv1.2", 256)
    newest = make_context(files.settings(min_version="TLS13", curve_preferences=("CurveP384",)))
    assert handshake(newest, client).version() == "TLSv1.3"
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError):
        handshake(newest, client)


@pytest.mark.parametrize("prefers_server", [True, False])
def test_the_order_of_suites_is_the_servers_or_the_clients(
    files: Files, prefers_server: bool
) -> None:
    suites = tuple(
        f"TLS_ECDHE_ECDSA_WITH_AES_{bits}" for bits in ("256_GCM_SHA384", "128_GCM_SHA256")
    )
    server = make_context(
        files.settings(
            max_version="TLS12", cipher_suites=suites, prefer_server_cipher_suites=prefers_server
        )
    )
    client = files.client()
    client.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384")
    used = handshake(server, client).cipher()
    assert used is not None
    assert ("AES256" in used[0]) == prefers_server


def test_a_name_is_compared_as_a_whole() -> None:
    shown = {"subjectAltName": (("DNS", "a.example"), ("IP Address", "2001:DB8:0:0:0:0:0:1\n"))}
    assert has_allowed_name(shown, ("a.example",))
    assert has_allowed_name(shown, ("2001:db8::1",))
    for allowed in (("example",), ("A.example",), ("*.example",), ()):
        assert not has_allowed_name(shown, allowed)
    assert not has_allowed_name({}, ("a.example",))
    assert not has_allowed_name(None, ("a.example",))


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
async def test_openssl_sees_what_is_configured(world: World, files: Files) -> None:
    context = renewed(files.settings(min_version="TLS13"))
    async with serving(world.app(), PATIENT, tls=lambda: context) as listener:
        host, port = listener.addresses[0]
        for options, works in (((), True), (("-tls1_2",), False), (("-noservername",), True)):
            process = await asyncio.create_subprocess_exec(
                *("openssl", "s_client", "-connect", f"{host}:{port}", "-CAfile", str(files.ca)),
                *("-verify_return_error", "-brief", *options),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            said, _ = await process.communicate()
            assert (b"Protocol version: TLSv1.3" in said) == works, said


# Attacks on handshakes


async def test_a_flood_of_handshakes_that_never_end_locks_nobody_out(
    world: World, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each begins as TLS does, so that OpenSSL has begun to work on it."""
    monkeypatch.setattr("prober.web.server.reserve.GRACE", -1.0)
    context = renewed(files.settings())
    hello = ssl.MemoryBIO()
    begun = files.client().wrap_bio(ssl.MemoryBIO(), hello, server_hostname="127.0.0.1")
    with suppress(ssl.SSLWantReadError):
        begun.do_handshake()
    first = hello.read()
    limits = Limits(connections=8, per_peer=0, headers=1000)
    async with serving(world.app(), limits, tls=lambda: context) as listener:
        writers = []
        for number in range(60):
            _, writer = await asyncio.open_connection(*listener.addresses[0])
            writer.write(first if number % 2 else first[: len(first) // 2])
            writers.append(writer)
            if not number % 20:
                assert (await ask(listener, files.client())).startswith("200")
        assert (await ask(listener, files.client())).startswith("200")
        assert len(listener) <= 8 + limits.reserved
        for writer in writers:
            writer.transport.abort()


@pytest.mark.skipif(not shutil.which("openssl"), reason="there is no openssl")
async def test_a_client_cannot_renegotiate(world: World, files: Files) -> None:
    context = renewed(files.settings())
    async with serving(world.app(), PATIENT, tls=lambda: context) as listener:
        host, port = listener.addresses[0]
        process = await asyncio.create_subprocess_exec(
            *("openssl", "s_client", "-connect", f"{host}:{port}", "-tls1_2", "-CAfile"),
            str(files.ca),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate(b"R\n")
    assert b"RENEGOTIATING" in said
    assert b"no renegotiation" in said or b"handshake failure" in said, said[-500:]


async def test_a_client_certificate_of_abnormal_size_costs_the_handshake_only(
    world: World, files: Files
) -> None:
    settings = files.settings(client_auth_type=CERTIFICATE_REQUIRED, client_ca_file=str(files.ca))
    context = renewed(settings)
    names = [f"host-number-{number}.example" for number in range(4000)]
    async with serving(world.app(), PATIENT, tls=lambda: context) as listener:
        assert await ask(listener, files.client(*names)) == "refused"
        assert (await ask(listener, files.client("a.example"))).startswith("200")
        await until(lambda: len(listener) == 0)
