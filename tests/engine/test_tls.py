"""TLS, HTTPS and mutual TLS against Python's own TLS server."""

import socket
import ssl
from base64 import b64encode
from contextlib import suppress
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from queue import SimpleQueue

import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509 import load_pem_x509_certificate

from prober.engine.certificate_cache import CertificateCache
from prober.engine.handshake import TlsStream
from prober.engine.tls_contexts import TlsContexts, check_tls, make_context
from prober.model.monitor import Monitor
from prober.model.option import ReadContext, Rejected, section
from prober.model.probe import Probe, Send, StartTls, Steps
from prober.model.status import Reason, Result, Verdict
from prober.model.tls_settings import TlsSettings
from prober.probes.http import HttpsProbe
from prober.probes.tcp import TcpProbe
from prober.probes.tls import TlsProbe
from tests.engine.by_hand import ByHand, Scripted, accept
from tests.engine.conftest import Certificates, Serve
from tests.engine.targets import (
    PATIENCE,
    Script,
    answers,
    close,
    find,
    hold,
    over_tls,
    phases,
    reset,
    says,
)

pytestmark = pytest.mark.usefixtures("either_handshake")

OK = answers(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nready")


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
async def test_a_handshake_is_good(serve: Serve, certificates: Certificates, tls: str) -> None:
    found = await find(TlsProbe(), serve(over_tls(certificates.server(tls=tls))))
    assert (found.result, found.detail) == (Result.OK, f"TLSv{tls} handshake")
    assert found.facts is not None
    assert found.facts["tls_version"] == f"TLSv{tls}"
    assert phases(found) == {"connect", "tls"}


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
@pytest.mark.parametrize("probe", [HttpsProbe(), HttpsProbe(body_regex="ready")])
async def test_http_over_tls_is_good(
    serve: Serve, certificates: Certificates, tls: str, probe: HttpsProbe
) -> None:
    found = await find(probe, serve(over_tls(certificates.server(tls=tls), OK)))
    assert found.reason is Reason.OK
    assert found.facts is not None
    assert found.facts["http_status_code"] == 200
    assert found.facts["tls_version"] == f"TLSv{tls}"
    assert phases(found) == {"connect", "tls", "send", "first_byte", "transfer"}


@pytest.mark.parametrize(
    ("names", "dates", "reason"),
    [
        (("localhost",), {}, Reason.OK),
        (("example.org",), {}, Reason.TLS_HOSTNAME),
        (("127.0.0.1",), {}, Reason.TLS_HOSTNAME),
        (("localhost",), {"not_after": "yesterday"}, Reason.TLS_EXPIRED),
        (("localhost",), {"not_before": "tomorrow"}, Reason.TLS_EXPIRED),
    ],
)
async def test_a_certificate_is_verified_if_that_is_wanted(
    *,
    serve: Serve,
    certificates: Certificates,
    moments: dict[str, datetime],
    names: tuple[str, ...],
    dates: dict[str, str],
    reason: Reason,
) -> None:
    given = {"not_before": "long ago", "not_after": "in a month"} | dates
    leaf = certificates.issue(*names, **{key: moments[name] for key, name in given.items()})
    port = serve(over_tls(certificates.server(leaf), OK))
    verified = TlsSettings(verify=True, ca_file=certificates.ca_file)
    for probe in (TlsProbe(tls=verified), HttpsProbe(tls=verified)):
        found = await find(probe, port, host="localhost")
        assert found.reason is reason, found
        assert reason is Reason.OK or found.detail.startswith("certificate: ")
    for lax in (TlsProbe(), HttpsProbe()):
        found = await find(lax, port, host="localhost")
        assert found.result is Result.OK
        assert found.facts is not None
        assert found.facts["tls_not_after"] == moments[given["not_after"]].timestamp()


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
async def test_the_earliest_end_is_that_of_all_certificates_that_are_shown(
    *,
    serve: Serve,
    certificates: Certificates,
    moments: dict[str, datetime],
    tmp_path: Path,
    tls: str,
) -> None:
    """Whether or not they vouch for each other, as that is how blackbox_exporter has it."""
    leaf = certificates.issue("localhost", not_after=moments["in a month"])
    context = certificates.server(leaf, tls=tls)
    file = tmp_path / "chain.pem"
    shown = [leaf, certificates.issue("b", not_after=moments["tomorrow"]), certificates.issue("c")]
    pems = b"".join(each.cert_chain_pems[0].bytes() for each in shown)
    file.write_bytes(leaf.private_key_pem.bytes() + pems)
    context.load_cert_chain(file)
    port = serve(over_tls(context, OK))
    for probe in (TlsProbe(), HttpsProbe()):
        found = await find(probe, port)
        assert found.facts is not None
        assert found.facts["tls_not_after"] == moments["in a month"].timestamp()
        assert found.facts["tls_chain_not_after"] == moments["tomorrow"].timestamp()


def test_a_certificate_of_abnormal_size_is_read_but_not_remembered(
    certificates: Certificates,
) -> None:
    """A target that shows another one each time would fill the memory."""
    known = CertificateCache()
    stream = TlsStream(make_context(TlsSettings()), "localhost")
    client, server = ssl.MemoryBIO(), ssl.MemoryBIO()
    many = certificates.issue(*(f"host-number-{number}.example" for number in range(400)))
    peer = certificates.server(many).wrap_bio(client, server, server_side=True)
    while not stream.shake():
        client.write(stream.outgoing.read())
        with suppress(ssl.SSLWantReadError):
            peer.do_handshake()
        stream.feed(server.read())
    session = stream.session(known)
    assert len(session.sent[0]) > 8192
    assert session.not_after is not None
    assert not known._ends
    assert not known._leaves


@pytest.mark.parametrize("openly", [True, False])
def test_a_python_that_shows_no_chain_tells_the_leaf_alone(
    monkeypatch: pytest.MonkeyPatch, certificates: Certificates, *, openly: bool
) -> None:
    stream = TlsStream(make_context(TlsSettings()), "localhost")
    leaf = ssl.PEM_cert_to_DER_cert(certificates.issue("a").cert_chain_pems[0].bytes().decode())

    class Connection:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

        def getpeercert(self, *, binary_form: bool) -> bytes:
            assert binary_form
            return leaf

        def version(self) -> str:
            return "TLSv1.3"

        def selected_alpn_protocol(self) -> None:
            return None

    class Open(Connection):
        def get_unverified_chain(self) -> list[bytes]:
            return [leaf] * 99

    monkeypatch.setattr(stream, "_object", Open() if openly else Connection())
    session = stream.session(CertificateCache())
    assert set(session.sent) == {leaf}
    assert len(session.sent) == (32 if openly else 1)
    assert session.not_after == session.chain_not_after is not None


async def test_an_unknown_authority_is_not_trusted(
    serve: Serve, certificates: Certificates
) -> None:
    probe = TlsProbe(tls=TlsSettings(verify=True))
    found = await find(probe, serve(over_tls(certificates.server())), host="localhost")
    assert (found.result, found.reason) == (Result.CONNECT_FAILED, Reason.TLS_UNTRUSTED)
    assert phases(found) == {"resolve", "connect", "tls"}


async def test_an_address_is_verified_as_an_address(
    serve: Serve, certificates: Certificates
) -> None:
    settings = TlsSettings(verify=True, ca_file=certificates.ca_file)
    for name, reason in (("127.0.0.1", Reason.OK), ("127.0.0.2", Reason.TLS_HOSTNAME)):
        port = serve(over_tls(certificates.server(certificates.issue(name))))
        assert (await find(TlsProbe(tls=settings), port)).reason is reason


@pytest.mark.parametrize(
    ("probe", "host", "name"),
    [
        (TlsProbe(), "localhost", "localhost"),
        (TlsProbe(), "127.0.0.1", None),
        (TlsProbe(domain_name="a.example"), "127.0.0.1", "a.example"),
        (TlsProbe(domain_name="a.example."), "127.0.0.1", "a.example"),
        (HttpsProbe(domain_name="a.example"), "localhost", "a.example"),
        (HttpsProbe(tls=TlsSettings(server_name="b.example")), "localhost", "b.example"),
    ],
)
async def test_the_server_is_told_which_name_is_meant(
    serve: Serve, certificates: Certificates, probe: Probe, host: str, name: str | None
) -> None:
    seen: list[str | None] = []
    context = certificates.server()
    context.sni_callback = lambda _, asked, __: seen.append(asked)
    assert (await find(probe, serve(over_tls(context, OK)), host=host)).reason is Reason.OK
    assert seen == [name]


@pytest.mark.parametrize(
    ("probe", "offered", "spoken"),
    [
        (TlsProbe(), ["h2"], None),
        (TlsProbe(tls=TlsSettings(alpn=("h2", "http/1.1"))), ["h2"], "h2"),
        (HttpsProbe(), ["h2", "http/1.1"], "http/1.1"),
    ],
)
async def test_protocols_are_agreed_on(
    serve: Serve, certificates: Certificates, probe: Probe, offered: list[str], spoken: str | None
) -> None:
    heard: SimpleQueue[str | None] = SimpleQueue()

    def listen(connection: socket.socket) -> None:
        assert isinstance(connection, ssl.SSLSocket)
        heard.put(connection.selected_alpn_protocol())
        OK(connection)

    context = certificates.server()
    context.set_alpn_protocols(offered)
    found = await find(probe, serve(over_tls(context, listen)))
    assert found.reason is Reason.OK
    assert heard.get(timeout=PATIENCE) == spoken
    assert (f", {spoken}" in found.detail) == (isinstance(probe, TlsProbe) and bool(spoken))


NOT_SPOKEN = "TLS alert: no application protocol"
NO_TLS = "TLS: wrong version number: the target does not speak TLS here, but"
SNI_REFUSED = "TLS alert: unrecognized name"


@pytest.mark.parametrize(
    ("script", "reason", "detail"),
    [
        (says(b"SSH-2.0-OpenSSH_9.2\r\n"), Reason.TLS_HANDSHAKE, f"{NO_TLS} something else"),
        (answers(b"HTTP/1.1 400 no TLS\r\n\r\n"), Reason.TLS_HANDSHAKE, f"{NO_TLS} HTTP"),
        (answers(then=close), Reason.CLOSED, "closed during the TLS handshake"),
        (answers(then=reset), Reason.RESET, "connection reset by peer"),
        (hold, Reason.TIMEOUT, "TLS handshake not completed within 0.1 s"),
        (answers(b"\x16\x03\x03"), Reason.TIMEOUT, "TLS handshake not completed within 0.1 s"),
        (answers(b"\x15\x03\x03\x00\x02\x02\x70"), Reason.TLS_ALERT, SNI_REFUSED),
        (answers(b"\x15\x03\x03\x00\x02\x02\x28"), Reason.TLS_ALERT, "alert: handshake failure"),
        (answers(b"\x15\x03\x03\x00\x02\x02\x78"), Reason.TLS_ALERT, NOT_SPOKEN),
        (answers(b"\x15\x03\x01\x00\x02\x02\x73"), Reason.TLS_ALERT, "unknown psk identity"),
        (answers(b"\x15\x03\x03\x00\x02\x02\x79"), Reason.TLS_ALERT, "TLS alert: number 121"),
        (answers(b"\x15\x03\x03\x00\x02\x02\xff"), Reason.TLS_ALERT, "TLS alert: number 255"),
    ],
)
@pytest.mark.parametrize("probe", [TlsProbe(), HttpsProbe()])
async def test_a_handshake_that_fails_says_why(
    serve: Serve, probe: Probe, script: Script, reason: Reason, detail: str
) -> None:
    timeout = 0.1 if reason is Reason.TIMEOUT else PATIENCE
    found = await find(probe, serve(script), timeout=timeout)
    assert found.reason is reason
    assert detail in found.detail
    assert found.facts is None
    assert phases(found) == {"connect", "tls"}


async def test_an_old_version_is_refused(serve: Serve, certificates: Certificates) -> None:
    port = serve(over_tls(certificates.server(tls="1.2")))
    found = await find(TlsProbe(tls=TlsSettings(min_version="1.3")), port)
    assert (found.reason, found.detail) == (Reason.TLS_ALERT, "TLS alert: protocol version")


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
@pytest.mark.parametrize("kind", [TlsProbe, HttpsProbe])
async def test_a_server_that_asks_for_a_certificate_gets_the_given_one_or_refuses(
    serve: Serve, certificates: Certificates, kind: type[TlsProbe | HttpsProbe], tls: str
) -> None:
    port = serve(over_tls(certificates.asking_server(tls=tls), OK))
    if kind is HttpsProbe or tls == "1.2":  # elsewhere a slow refusal is taken for silent consent
        refused = await find(kind(), port)
        assert refused.result is Result.CONNECT_FAILED
        assert refused.reason is Reason.TLS_ALERT, refused
        assert "tls" in phases(refused)
    own = certificates.file("client.example")
    found = await find(kind(tls=TlsSettings(cert_file=own, key_file=own)), port)
    assert found.reason is Reason.OK, found


# TLS 1.3: the client has finished before the server has judged it.


def test_a_server_without_session_tickets_is_good_and_the_wait_does_not_count(
    by_hand: ByHand, listener: socket.socket, certificates: Certificates
) -> None:
    by_hand.start(listener.getsockname()[1], TlsProbe())
    by_hand.drain()
    with accept(listener) as connection:
        assert shake(by_hand, connection, certificates.server(tickets=0)) == b""
        by_hand.clock.advance(0.05)
        assert not by_hand.outcomes
        by_hand.clock.advance(0.1)
    (found,) = by_hand.outcomes
    assert found.reason is Reason.OK
    assert found.seconds == 0.0
    assert phases(found) == {"connect", "tls"}


async def test_a_server_without_session_tickets_is_good_in_real_time(
    serve: Serve, certificates: Certificates
) -> None:
    found = await find(TlsProbe(), serve(over_tls(certificates.server(tickets=0))))
    assert found.reason is Reason.OK


def test_a_timeout_shorter_than_the_wait_for_a_refusal_is_no_failure(
    by_hand: ByHand, listener: socket.socket, certificates: Certificates
) -> None:
    by_hand.start(listener.getsockname()[1], TlsProbe(), timeout=0.05)
    by_hand.drain()
    with accept(listener) as connection:
        shake(by_hand, connection, certificates.server(tickets=0))
        by_hand.clock.advance(0.1)
    assert [found.reason for found in by_hand.outcomes] == [Reason.OK]


@pytest.mark.parametrize(
    ("tickets", "then", "reason"),
    [
        (2, close, Reason.OK),
        (2, reset, Reason.OK),
        (0, close, Reason.CLOSED),
        (0, reset, Reason.RESET),
    ],
)
def test_a_server_that_ends_after_the_handshake_has_taken_it_if_it_sent_a_ticket(
    *,
    by_hand: ByHand,
    listener: socket.socket,
    certificates: Certificates,
    tickets: int,
    then: Script,
    reason: Reason,
) -> None:
    by_hand.start(listener.getsockname()[1], TlsProbe())
    by_hand.drain()
    with accept(listener) as connection:
        connection.sendall(shake(by_hand, connection, certificates.server(tickets=tickets)))
        then(connection)
    assert by_hand.outcome().reason is reason


def test_a_refusal_in_pieces_is_still_a_refusal(
    by_hand: ByHand, listener: socket.socket, certificates: Certificates
) -> None:
    by_hand.start(listener.getsockname()[1], TlsProbe())
    by_hand.drain()
    with accept(listener) as connection:
        alert = shake(by_hand, connection, certificates.asking_server())
        for byte in alert:
            assert not by_hand.outcomes
            connection.send(bytes([byte]))
            by_hand.drain()
    (found,) = by_hand.outcomes
    assert (found.reason, found.detail) == (Reason.TLS_ALERT, "TLS alert: certificate required")


def test_a_refusal_is_heard_even_if_the_connection_is_reset_before_the_request(
    by_hand: ByHand, listener: socket.socket, certificates: Certificates
) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = certificates.asking_server().wrap_bio(incoming, outgoing, server_side=True)

    def go_on() -> None:
        incoming.write(connection.recv(65536))
        with suppress(ssl.SSLError):
            server.do_handshake()
        connection.sendall(outgoing.read())

    def steps() -> Steps:
        yield StartTls(TlsSettings(), "localhost")
        go_on()  # to its refusal
        reset(connection)
        connection.close()
        yield Send(b"request")
        return Verdict(Reason.OK, "never")

    by_hand.start(listener.getsockname()[1], Scripted(steps))
    by_hand.drain()
    with accept(listener) as connection:
        go_on()
        by_hand.drain()
    assert [found.reason for found in by_hand.outcomes] == [Reason.TLS_ALERT]


async def test_a_server_of_tls_1_2_may_close_after_the_handshake(
    serve: Serve, certificates: Certificates
) -> None:
    found = await find(TlsProbe(), serve(over_tls(certificates.server(tls="1.2"), close)))
    assert found.reason is Reason.OK


def shake(by_hand: ByHand, connection: socket.socket, context: ssl.SSLContext) -> bytes:
    """Do a server's part of a handshake; return what it says at its end, still unsent."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_side=True)
    while True:
        incoming.write(connection.recv(65536))
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            connection.sendall(outgoing.read())
            by_hand.drain()
        except ssl.SSLError:
            break
        else:
            break
    return outgoing.read()


# Settings and their files


def test_one_context_serves_all_handshakes_with_the_same_settings(
    certificates: Certificates,
) -> None:
    contexts = TlsContexts()
    verified = TlsSettings(verify=True, ca_file=certificates.ca_file)
    starts = [
        handshake(TlsSettings(), ()),
        handshake(TlsSettings(), ("h2",)),
        handshake(TlsSettings(min_version="1.3"), ()),
        handshake(TlsSettings(max_version="1.2"), ()),
        handshake(TlsSettings(ciphers="AES128-SHA"), ()),
        handshake(verified, ()),
    ]
    made = [contexts.get(start) for start in starts]
    assert len(set(map(id, made))) == len(starts)
    assert [contexts.get(start._replace(server_name="b")) for start in starts] == made
    assert contexts.get(starts[-1], match_name=False) not in made
    contexts.clear()
    assert contexts.get(starts[0]) is not made[0]


def handshake(settings: TlsSettings, alpn: tuple[str, ...]) -> StartTls:
    return StartTls(settings, "a", alpn)


def test_files_that_have_gone_since_they_were_configured_are_our_trouble(
    by_hand: ByHand, listener: socket.socket, tmp_path: Path
) -> None:
    settings = TlsSettings(cert_file=str(tmp_path / "gone.pem"))
    by_hand.start(listener.getsockname()[1], TlsProbe(tls=settings))
    found = by_hand.outcome()
    assert (found.result, found.reason) == (Result.UNKNOWN, Reason.INTERNAL)
    assert "No such file" in found.detail


def test_files_that_openssl_cannot_use_are_found_before_any_probe(
    certificates: Certificates, tmp_path: Path
) -> None:
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("-----BEGIN CERTIFICATE-----\nnothing\n-----END CERTIFICATE-----\n")
    locked = tmp_path / "locked.pem"
    locked.write_bytes(
        rsa.generate_private_key(65537, 2048).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
        )
    )
    own = certificates.file("client.example")
    settings = [
        TlsSettings(cert_file=str(nonsense)),
        TlsSettings(cert_file=own, key_file=certificates.file("other.example")),
        TlsSettings(cert_file=own, key_file=str(locked)),
        TlsSettings(verify=True, ca_file=str(nonsense)),
    ]
    for wrong in settings:
        (complaint,) = check_tls(monitor(TlsProbe(tls=wrong)))
        assert complaint.path == ("tls",)
        assert complaint.message.startswith("OpenSSL cannot use these files: ")
    assert not list(check_tls(monitor(TlsProbe(tls=TlsSettings(cert_file=own)))))
    assert not list(check_tls(monitor(TcpProbe())))


def monitor(probe: Probe) -> Monitor:
    return Monitor(name="m", type="any", pool="p", probe=probe)


def pin_of(leaf: trustme.LeafCert) -> str:
    """Return the pin of a certificate."""
    certificate = load_pem_x509_certificate(leaf.cert_chain_pems[0].bytes())
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"sha256/{b64encode(sha256(key).digest()).decode()}"


@pytest.mark.parametrize("verify", [False, True])
async def test_a_certificate_must_have_one_of_the_pinned_keys(
    serve: Serve, certificates: Certificates, verify: bool
) -> None:
    leaf = certificates.issue("localhost")
    port = serve(over_tls(certificates.server(leaf), hold))
    own, other = pin_of(leaf), f"sha256/{'A' * 43}="
    ca_file = certificates.ca_file if verify else None
    for pin, reason in (((other, own), Reason.OK), ((other,), Reason.TLS_PIN)):
        tls = TlsSettings(pin=pin, server_name="localhost", verify=verify, ca_file=ca_file)
        found = await find(TlsProbe(tls=tls), port)
        assert found.reason is reason, found
        assert found.facts
        assert "tls_version" in found.facts
    assert found.detail == f"certificate: its key, {own}, is not pinned"
    sent = await find(HttpsProbe(tls=tls), port)
    assert sent.reason is Reason.TLS_PIN


async def test_the_issuer_of_a_certificate_must_match(
    serve: Serve, certificates: Certificates
) -> None:
    port = serve(over_tls(certificates.server(), hold))
    for pattern, reason in (("trustme", Reason.OK), ("^Example CA$", Reason.TLS_ISSUER)):
        found = await find(TlsProbe(tls=TlsSettings(expect_issuer=pattern)), port)
        assert found.reason is reason, found
    assert found.facts
    issuer = found.facts["tls_issuer"]
    assert found.detail == f"certificate: issued by {issuer!r}, expected '^Example CA$'"


@pytest.mark.parametrize("pin", ["", "sha256/x", "sha1/" + "A" * 43 + "=", "A" * 43 + "="])
def test_a_pin_is_a_hash_in_base64(pin: str) -> None:
    with pytest.raises(Rejected, match="expected a pin such as"):
        section(TlsSettings).read({"pin": [pin]}, ReadContext("/", str, {}))
