"""Certificates and TLS records: a hostile server never gets more than a verdict out of them."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

import trustme
from cryptography import x509

from prober.engine.certificate_cache import CertificateCache
from prober.engine.handshake import TlsStream
from prober.engine.tls_contexts import context_for
from prober.model.probe import Trouble
from prober.model.status import Result, Verdict
from prober.model.tls_settings import TlsSettings
from prober.protocols.der import issuer_of, not_after
from prober.protocols.ocsp import ABSENT, EXPIRED, GOOD, REVOKED, UNKNOWN, UNVERIFIED, read_stapled
from tests.fuzz.subject import Feed, Subject
from tests.stapled import Authority

MOMENT = datetime.fromtimestamp(1_800_000_000, UTC)
STATUSES = {ABSENT, EXPIRED, GOOD, REVOKED, UNKNOWN, UNVERIFIED}
FLIGHTS = 6
"""Times that both sides speak in turn; a handshake and some replies take fewer."""


@contextmanager
def _certificates() -> Iterator[Feed]:
    def feed(content: bytes) -> None:
        found = not_after(content)
        assert found is None or isinstance(found, float)
        issuer = issuer_of(content)
        assert issuer is None or issuer.encode()
        try:
            certificate = x509.load_der_x509_certificate(content)
            wanted = certificate.not_valid_after_utc
        except (ValueError, x509.InvalidVersion):
            return
        assert found == wanted.timestamp(), (found, wanted)

    yield feed


@contextmanager
def _stapled() -> Iterator[Feed]:
    authority = Authority(MOMENT)
    leaf = authority.issue()

    def feed(content: bytes) -> None:
        found = read_stapled(content, leaf.der, [authority.root.der], MOMENT.timestamp())
        assert found.status in STATUSES
        assert found.detail.isprintable()
        assert found.next_update is None or isinstance(found.next_update, float)

    yield feed


@contextmanager
def _handshakes() -> Iterator[Feed]:
    """Yield what shakes hands with a server whose bytes are changed on the way.

    The input says how, four bytes at a time: where (two bytes), what is done there, and with what.
    Its first byte chooses the version, whether the certificate is verified, and whether an OCSP
    response is asked for.
    """
    far = datetime(2100, 1, 1, tzinfo=UTC)
    leaf = trustme.CA().issue_cert("target.test", not_after=far)
    servers = []
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.maximum_version = version
        leaf.configure_cert(context)
        servers.append(context)
    kinds = [{"verify": verify, "ocsp": ocsp} for ocsp in (None, "ask") for verify in (False, True)]
    clients = [context_for(TlsSettings(**kind)) for kind in kinds]  # type: ignore[arg-type]  # as they are declared

    def feed(content: bytes) -> None:
        which = content[0] if content else 0
        changes = [content[at : at + 4] for at in range(1, len(content) - 3, 4)]
        stream = TlsStream(clients[which // 2 % 4], "target.test")
        verdict = _verdict(stream, servers[which % 2], changes)
        assert verdict is None or verdict.reason.result is Result.CONNECT_FAILED, verdict
        assert verdict is None or verdict.detail.isprintable(), verdict

    yield feed


def _verdict(stream: TlsStream, context: ssl.SSLContext, changes: list[bytes]) -> Verdict | None:
    try:
        _converse(stream, context, changes)
    except Trouble as trouble:
        return trouble.verdict
    return None


def _converse(stream: TlsStream, context: ssl.SSLContext, changes: list[bytes]) -> None:
    """Shake hands, then read what the server sends; changes are made to its bytes in passing."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context.wrap_bio(incoming, outgoing, server_side=True)
    shaken, passed = False, 0
    for _ in range(FLIGHTS):
        if not shaken and stream.shake():
            shaken = True
            session = stream.session(CertificateCache())
            assert session.version.startswith("TLS")
            assert session.not_after is None or session.not_after > 0
        if shaken:
            assert isinstance(stream.read(), bytes | None)
            assert stream.has_ticket in (True, False)
        incoming.write(stream.outgoing.read())
        with suppress(ssl.SSLError):  # it may be told of what it has not sent
            server.do_handshake()
            server.write(b"hello")
        flight = bytearray(outgoing.read())
        for change in changes:
            _change(flight, change, passed)
        passed += len(flight)
        stream.feed(bytes(flight))


def _change(flight: bytearray, change: bytes, passed: int) -> None:
    at = int.from_bytes(change[:2]) - passed
    if not 0 <= at < len(flight):
        return
    if change[2] % 4 == 0:
        del flight[at:]
    elif change[2] % 4 == 1:
        flight[at:at] = change[3:] * 5
    elif change[2] % 4 == 2:
        del flight[at : at + 1 + change[3]]
    else:
        flight[at] ^= change[3]


SUBJECTS = (
    Subject("certificate", _certificates),
    Subject("stapled", _stapled),
    Subject("handshake", _handshakes),
)
