"""What the tests of the engine share: targets, certificates, and the proof that nothing is left."""

import gc
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme

from prober.engine import tls_contexts
from prober.model.build import BUILD
from prober.model.tls_settings import TlsSettings
from tests.engine.by_hand import ByHand
from tests.engine.targets import PATIENCE, Script, listening
from tests.simulation import of_an_engine

Serve = Callable[..., int]


def open_descriptors() -> list[str]:
    """Return what the open descriptors of this process lead to, by their kind."""
    found = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the one that lists them
            found.append(str(descriptor.readlink()).partition(":")[0])
    return sorted(found)


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """After every test, no descriptor is open and no attempt lives on, even in a cycle."""
    gc.collect()
    before = open_descriptors()
    gc.disable()
    try:
        yield
        attempts = of_an_engine(gc.get_objects())
    finally:
        gc.enable()
    assert not attempts
    assert open_descriptors() == before


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start targets; `serve(script)` returns the port of one."""
    with ExitStack() as stack:

        def start(script: Script, host: str = "127.0.0.1") -> int:
            return stack.enter_context(listening(script, host))

        yield start


@pytest.fixture
def by_hand() -> Iterator[ByHand]:
    """Return an engine that the test drives."""
    driven = ByHand()
    yield driven
    nothing_to_end = driven.engine.next_deadline() is None
    assert nothing_to_end or driven.engine.in_flight
    driven.close()
    assert not driven.bugs


@pytest.fixture(params=["ssl", "pyOpenSSL"])
def either_handshake(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Handshakes as Python's ssl does them, and as they are if they ask for an OCSP response."""
    if request.param == "ssl":
        return
    if BUILD == "compiled":
        pytest.skip("what is compiled cannot be replaced")
    context_for = tls_contexts.context_for

    def stapling(settings: TlsSettings, *args: Any, **options: Any) -> tls_contexts.TlsContext:
        return context_for(replace(settings, ocsp="ask"), *args, **options)

    monkeypatch.setattr(tls_contexts, "context_for", stapling)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Return a listening socket whose connections the test takes itself."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        sock.settimeout(PATIENCE)
        yield sock


@dataclass(frozen=True)
class Certificates:
    """An authority and what it has issued."""

    authority: trustme.CA
    folder: Path

    @property
    def ca_file(self) -> str:
        """The authority's own certificate."""
        path = self.folder / "ca.pem"
        self.authority.cert_pem.write_to_path(path)
        return str(path)

    def issue(
        self,
        *names: str,
        not_before: datetime | None = None,
        not_after: datetime | None = None,
    ) -> trustme.LeafCert:
        """Return a new certificate."""
        return self.authority.issue_cert(*names, not_before=not_before, not_after=not_after)

    def file(self, *names: str) -> str:
        """Return the path of a new certificate with its key."""
        path = self.folder / f"{names[0]}.pem"
        path.unlink(missing_ok=True)
        self.issue(*names).private_key_and_cert_chain_pem.write_to_path(path)
        return str(path)

    def server(
        self, leaf: trustme.LeafCert | None = None, *, tls: str = "1.3", tickets: int = 2
    ) -> ssl.SSLContext:
        """Return a server's context, with a certificate for localhost and 127.0.0.1."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        (leaf or self.issue("localhost", "127.0.0.1")).configure_cert(context)
        if tls == "1.2":
            context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.num_tickets = tickets
        return context

    def asking_server(self, *, tls: str = "1.3") -> ssl.SSLContext:
        """Return the context of a server that requires a certificate of this authority."""
        context = self.server(tls=tls)
        context.verify_mode = ssl.CERT_REQUIRED
        self.authority.configure_trust(context)
        return context


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Return an authority of the tests' own."""
    return Certificates(trustme.CA(), tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def moments() -> dict[str, datetime]:
    """Return moments before, around and after now, on the second."""
    now = datetime.now(UTC).replace(microsecond=0)
    days = {"long ago": -20, "yesterday": -1, "tomorrow": 1, "in a month": 30}
    return {name: now + timedelta(days=count) for name, count in days.items()}
