"""What a handshake offers and trusts: alike in every Python, lenient only where that is meant."""

import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import warnings
from base64 import encodebytes
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from prober.engine import tls_contexts
from prober.engine.tls_contexts import CIPHERS, check_tls, lacks_trust_store, make_context
from prober.model.monitor import Monitor
from prober.model.status import Reason, Result
from prober.model.tls_settings import TlsSettings
from prober.probes.grpc import GrpcProbe
from prober.probes.http import HttpsProbe
from prober.probes.tls import TlsProbe
from prober.protocols.certificate_name import is_for
from tests import ROOT
from tests.engine.by_hand import ByHand
from tests.engine.conftest import Certificates, Serve
from tests.engine.targets import answers, close, find, over_tls
from tests.ports import free_port
from tests.running import program

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
OLD = TlsSettings(min_version="1.0")
DH_1024 = (  # RFC 2409, section 6.2
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E34"
    "04DDEF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6"
    "F406B7EDEE386BFB5A899FA5AE9F24117C4B1FE649286651ECE65381FFFFFFFFFFFFFFFF"
)
DESCRIBE = """
import json, sys
from prober.engine.tls_contexts import make_context
from prober.model.tls_settings import TlsSettings
def describe(**settings):
    context = make_context(TlsSettings(**settings), trust_system=False)
    return [
        [each["name"] for each in context.get_ciphers()], context.security_level,
        int(context.options), int(context.verify_flags), context.hostname_checks_common_name,
        int(context.minimum_version), int(context.maximum_version), context.post_handshake_auth,
    ]
print(json.dumps([describe(), describe(verify=True), describe(verify=True, min_version="1.1")]))
"""
SPOILT = """
openssl_conf = init
[init]
ssl_conf = ssl
[ssl]
system_default = spoilt
[spoilt]
CipherString = ECDHE-RSA-AES256-GCM-SHA384:@SECLEVEL=4
MinProtocol = TLSv1.3
MaxProtocol = TLSv1.3
Options = UnsafeLegacyRenegotiation,-EncryptThenMac
"""


def described(python: str, **environment: str) -> object:
    """Return what a Python makes of some settings."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    done = subprocess.run(
        [python, "-c", DESCRIBE], env=environment, capture_output=True, check=True
    )
    return json.loads(done.stdout)


def usable(python: str) -> bool:
    """Return whether it is a Python that could run prober, without the packages it needs."""
    command = "import sys, ssl; sys.exit(sys.version_info < (3, 11))"
    return not subprocess.run([python, "-c", command], capture_output=True, check=False).returncode


def test_the_same_is_offered_by_every_build_of_python() -> None:
    own = described(sys.executable)
    others = [path for path in map(str, Path("/usr/bin").glob("python3.1[1-9]")) if usable(path)]
    if not others:
        pytest.skip("no other Python in /usr/bin")
    for other in others:
        assert described(other) == own


def test_the_same_is_offered_whatever_openssl_is_configured_to(tmp_path: Path) -> None:
    spoilt = tmp_path / "openssl.cnf"
    spoilt.write_text(SPOILT)
    assert described(sys.executable, OPENSSL_CONF=str(spoilt)) == described(sys.executable)


@pytest.mark.parametrize(
    ("settings", "level"),
    [
        (TlsSettings(), 0),
        (TlsSettings(verify=True), 2),
        (TlsSettings(verify=True, min_version="1.1"), 0),
        (TlsSettings(verify=True, ciphers="ECDHE+AESGCM"), 2),
        (TlsSettings(verify=True, ciphers="DEFAULT:@SECLEVEL=1"), 1),
        (TlsSettings(ciphers="ECDHE+AESGCM"), 0),
    ],
)
def test_the_security_level_is_lowered_where_nothing_is_proved_and_for_old_devices(
    settings: TlsSettings, level: int
) -> None:
    context = make_context(settings, trust_system=False)
    assert context.security_level == level
    assert bool(context.options & 0x4) == (level == 0)
    names = {each["name"] for each in context.get_ciphers()}
    assert {name for name in names if name.startswith("TLS_")}
    if not settings.ciphers:
        assert names >= set(CIPHERS)
    assert not {name for name in names if "NULL" in name or name.startswith(("ADH", "AECDH"))}


Configure = Callable[[ssl.SSLContext, Path], None]


def suite(name: str) -> Configure:
    def configure(context: ssl.SSLContext, _: Path) -> None:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(name)

    return configure


def short_dh(context: ssl.SSLContext, folder: Path) -> None:
    """Have the server speak DH with 1024 bits."""
    der = b"\x02\x81\x81\0" + bytes.fromhex(DH_1024) + b"\x02\x01\x02"
    body = encodebytes(b"\x30\x81" + bytes([len(der)]) + der).decode()
    file = folder / "dh.pem"
    file.write_text(f"-----BEGIN DH PARAMETERS-----\n{body}-----END DH PARAMETERS-----\n")
    suite("DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0")(context, folder)
    context.load_dh_params(str(file))


def old(context: ssl.SSLContext, _: Path) -> None:
    """Have the server speak TLS 1.0 only."""
    context.set_ciphers("AES128-SHA:ECDHE-RSA-AES128-SHA:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1


@pytest.mark.parametrize(
    ("configure", "tls", "reason"),
    [
        (suite("AES256-GCM-SHA384"), TlsSettings(), Reason.OK),
        (suite("AES128-SHA"), TlsSettings(), Reason.OK),
        (suite("ECDHE-RSA-AES128-SHA"), TlsSettings(), Reason.OK),
        (suite("AES128-SHA"), TlsSettings(ciphers="ECDHE+AESGCM"), Reason.TLS_ALERT),
        (suite("AES128-SHA"), TlsSettings(ciphers="AES128-SHA"), Reason.OK),
        (suite("AES128-SHA"), TlsSettings(max_version="1.2"), Reason.OK),
        (short_dh, TlsSettings(), Reason.OK),
        (short_dh, TlsSettings(ciphers="DEFAULT:@SECLEVEL=2"), Reason.TLS_HANDSHAKE),
        (old, TlsSettings(), Reason.TLS_ALERT),
        (old, OLD, Reason.OK),
        (old, TlsSettings(min_version="1.0", max_version="1.1"), Reason.OK),
    ],
)
@pytest.mark.usefixtures("either_handshake")
async def test_old_servers_are_spoken_to_as_far_as_that_is_asked_for(
    *,
    serve: Serve,
    certificates: Certificates,
    tmp_path: Path,
    configure: Configure,
    tls: TlsSettings,
    reason: Reason,
) -> None:
    leaf = certificates.authority.issue_cert("localhost", key_type=trustme.KeyType.RSA)
    context = certificates.server(leaf)
    configure(context, tmp_path)
    for probe in (TlsProbe(tls=tls), HttpsProbe(tls=tls)):
        found = await find(probe, serve(over_tls(context, answers(OK))))
        assert found.reason is reason, found


@pytest.mark.usefixtures("either_handshake")
async def test_a_highest_version_is_not_exceeded(serve: Serve, certificates: Certificates) -> None:
    probe = TlsProbe(tls=TlsSettings(max_version="1.2"))
    found = await find(probe, serve(over_tls(certificates.server())))
    assert found.facts is not None
    assert found.facts["tls_version"] == "TLSv1.2"


@pytest.mark.usefixtures("either_handshake")
async def test_verification_still_asks_for_strong_keys(
    serve: Serve, certificates: Certificates, tmp_path: Path
) -> None:
    leaf = certificates.authority.issue_cert("localhost", key_type=trustme.KeyType.RSA)
    context = certificates.server(leaf)
    short_dh(context, tmp_path)
    port = serve(over_tls(context))
    for version, reason in (("1.2", Reason.TLS_HANDSHAKE), ("1.0", Reason.OK)):
        tls = TlsSettings(verify=True, ca_file=certificates.ca_file, min_version=version)
        assert (await find(TlsProbe(tls=tls), port, host="localhost")).reason is reason


@pytest.mark.usefixtures("either_handshake")
async def test_a_server_without_secure_renegotiation_is_spoken_to_but_not_trusted(
    certificates: Certificates,
) -> None:
    """RFC 5746; GnuTLS can still be such a server."""
    if not shutil.which("gnutls-serv"):
        pytest.skip("gnutls-serv is not installed")
    own, port = certificates.file("localhost"), free_port()
    priority = "NORMAL:-VERS-ALL:+VERS-TLS1.2:%DISABLE_SAFE_RENEGOTIATION"
    command = (
        "gnutls-serv",
        "-p",
        str(port),
        "--http",
        "--x509certfile",
        own,
        "--x509keyfile",
        own,
    )
    with program(*command, "--priority", priority, port=port):
        assert (await find(TlsProbe(), port)).reason is Reason.OK
        strict = TlsSettings(verify=True, ca_file=certificates.ca_file)
        found = await find(TlsProbe(tls=strict), port, host="localhost")
        assert found.reason is Reason.TLS_HANDSHAKE
        assert found.detail == "TLS: unsafe legacy renegotiation disabled"


@pytest.mark.parametrize(
    ("tls", "path", "words"),
    [
        (TlsSettings(ciphers="NONSENSE"), ("tls", "ciphers"), "OpenSSL supports none of these"),
        (TlsSettings(ciphers="TLS_AES_128_GCM_SHA256"), ("tls", "ciphers"), "always offered"),
    ],
)
@pytest.mark.usefixtures("either_handshake")
def test_what_this_openssl_lacks_is_found_before_any_probe(
    tls: TlsSettings, path: tuple[str, ...], words: str
) -> None:
    (complaint,) = check_tls(Monitor(name="m", type="any", pool="p", probe=TlsProbe(tls=tls)))
    assert complaint.path == path
    assert words in complaint.message


def test_a_version_that_openssl_was_built_without_is_found_before_any_probe(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(tls_contexts._BUILT_IN, "1.0", False)
    (complaint,) = check_tls(Monitor(name="m", type="any", pool="p", probe=TlsProbe(tls=OLD)))
    assert complaint.path == ("tls", "min_version")
    assert complaint.message == "OpenSSL on this host does not support TLS 1.0"


# Names


def certificate_of(folder: Path, common_name: str, *names: str) -> str:
    """Return the file of a certificate that vouches for itself, with its key.

    `names` are its alternative names, which trustme would not all write as they are.
    """
    key = rsa.generate_private_key(65537, 2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
    )
    if names:
        alternative = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        builder = builder.add_extension(alternative, critical=False)
    pem = builder.sign(key, SHA256()).public_bytes(Encoding.PEM)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file = folder / "own.pem"
    file.write_bytes(private + pem)
    return str(file)


def server_with(own: str) -> ssl.SSLContext:
    """Return the context of a server with a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own)
    return context


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
@pytest.mark.usefixtures("either_handshake")
async def test_a_name_that_is_only_the_common_one_is_none(
    serve: Serve, tmp_path: Path, name: str
) -> None:
    own = certificate_of(tmp_path, name)
    port = serve(over_tls(server_with(own)))
    tls = TlsSettings(verify=True, ca_file=own)
    for probe in (TlsProbe(tls=tls), HttpsProbe(tls=tls), GrpcProbe(tls=tls)):
        found = await find(probe, port, host=name)
        assert (found.result, found.reason) == (Result.CONNECT_FAILED, Reason.TLS_HOSTNAME)


@pytest.mark.parametrize(
    ("name", "issued", "reason"),
    [
        ("my_app.example.test", "*.example.test", Reason.OK),
        ("MY_app.example.test", "*.EXAMPLE.test", Reason.OK),
        ("my_app.example.test", "my_app.example.test", Reason.OK),
        ("a.my_zone.example.test", "*.my_zone.example.test", Reason.OK),
        ("my_app.example.test", "*.example.org", Reason.TLS_HOSTNAME),
        ("a.my_app.example.test", "*.example.test", Reason.TLS_HOSTNAME),
        ("_app.test", "*.test", Reason.TLS_HOSTNAME),
    ],
)
@pytest.mark.usefixtures("either_handshake")
async def test_a_name_with_an_underscore_is_a_name_like_others(
    *,
    serve: Serve,
    certificates: Certificates,
    tmp_path: Path,
    name: str,
    issued: str,
    reason: Reason,
) -> None:
    own = certificate_of(tmp_path, "any", issued)
    tls = TlsSettings(verify=True, ca_file=own)
    port = serve(over_tls(server_with(own), answers(OK)))
    for probe in (TlsProbe(domain_name=name, tls=tls), HttpsProbe(domain_name=name, tls=tls)):
        found = await find(probe, port)
        assert found.reason is reason, found
    untrusted = TlsSettings(verify=True, ca_file=certificates.ca_file)
    found = await find(TlsProbe(domain_name=name, tls=untrusted), port)
    assert found.reason is Reason.TLS_UNTRUSTED


@pytest.mark.parametrize(
    ("pattern", "fits"),
    [
        ("a_b.c.d", True),
        ("A_B.C.D.", True),
        ("*.c.d", True),
        ("*.d", False),
        ("*", False),
        ("*.*.d", False),
        ("a_*.c.d", False),
        ("*_b.c.d", False),
        ("b.c.d", False),
        ("c.d", False),
        ("", False),
    ],
)
def test_a_wildcard_is_a_whole_label_and_the_first(pattern: str, *, fits: bool) -> None:
    assert is_for("a_b.c.d", [pattern]) is fits
    assert is_for("a_b.c.d.", ["x.y", pattern]) is fits


# Trust


@pytest.mark.usefixtures("either_handshake")
async def test_an_authority_that_is_trusted_need_not_be_a_root(
    serve: Serve, tmp_path: Path
) -> None:
    """RFC 5280, section 6.1.1, (d): the trust anchor is what one trusts."""
    middle = trustme.CA().create_child_ca()
    leaf = middle.issue_cert("localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(context)
    port = serve(over_tls(context))
    anchors = {"middle.pem": middle.cert_pem, "leaf.pem": leaf.cert_chain_pems[0]}
    for name, pem in anchors.items():
        pem.write_to_path(tmp_path / name)
        tls = TlsSettings(verify=True, ca_file=str(tmp_path / name))
        found = await find(TlsProbe(tls=tls), port, host="localhost")
        assert found.reason is Reason.OK, found


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Take this host's root certificates away; return the folder where they would be."""
    folder = tmp_path / "certs"
    folder.mkdir()
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "bundle.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", f"/nonexistent:{folder}")
    return folder


@pytest.mark.parametrize("kind", [TlsProbe, HttpsProbe, GrpcProbe])
@pytest.mark.usefixtures("either_handshake")
def test_without_a_trust_store_nothing_is_said_of_the_target(
    by_hand: ByHand, bare: Path, serve: Serve, certificates: Certificates, kind: type[GrpcProbe]
) -> None:
    port = serve(over_tls(certificates.server(), close))
    assert bare.is_dir()
    assert lacks_trust_store()
    by_hand.start(port, kind(tls=TlsSettings(verify=True)))
    found = by_hand.outcome()
    assert (found.result, found.reason) == (Result.UNKNOWN, Reason.NO_TRUST_STORE)
    by_hand.start(port, kind(tls=TlsSettings(verify=True, ca_file=certificates.ca_file)))
    while len(by_hand.outcomes) < 2:
        by_hand.drain()
    assert by_hand.outcomes[1].reason is not Reason.NO_TRUST_STORE


@pytest.mark.usefixtures("either_handshake")
def test_a_trust_store_that_comes_later_is_used_without_a_reload(
    by_hand: ByHand, bare: Path, serve: Serve, certificates: Certificates
) -> None:
    port = serve(over_tls(certificates.server()))
    probe = TlsProbe(domain_name="localhost", tls=TlsSettings(verify=True))
    by_hand.start(port, probe)
    assert by_hand.outcome().reason is Reason.NO_TRUST_STORE
    certificates.authority.cert_pem.write_to_path(bare.parent / "bundle.pem")
    by_hand.start(port, probe)
    while len(by_hand.outcomes) < 2:
        by_hand.drain()
    assert by_hand.outcomes[1].reason is Reason.OK


def hashed_name(path: str) -> str:
    """Return the name by which OpenSSL finds a certificate in a folder."""
    openssl = shutil.which("openssl") or pytest.skip("openssl is not installed")
    command = (openssl, "x509", "-hash", "-noout", "-in", path)
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return f"{done.stdout.strip()}.0"


@pytest.mark.usefixtures("either_handshake")
async def test_a_folder_of_hashed_names_is_trusted_beside_a_bundle_that_has_nothing(
    bare: Path, serve: Serve, certificates: Certificates
) -> None:
    certificates.authority.cert_pem.write_to_path(bare / hashed_name(certificates.ca_file))
    (bare.parent / "bundle.pem").write_text("-----BEGIN PRIVATE KEY-----\n")
    probe = TlsProbe(domain_name="localhost", tls=TlsSettings(verify=True))
    found = await find(probe, serve(over_tls(certificates.server())))
    assert found.reason is Reason.OK, found


def test_a_trust_store_is_a_bundle_or_a_folder_of_hashed_names(
    bare: Path, certificates: Certificates
) -> None:
    (bare / "README").touch()
    (bare.parent / "bundle.pem").write_text("-----BEGIN PRIVATE KEY-----\n")
    assert lacks_trust_store()
    (bare / "0a1b2c3d.0").touch()
    assert not lacks_trust_store()
    (bare / "0a1b2c3d.0").unlink()
    certificates.authority.cert_pem.write_to_path(bare.parent / "bundle.pem")
    assert not lacks_trust_store()


# Client certificates


@pytest.mark.parametrize("given", [True, False])
async def test_a_certificate_is_also_shown_when_it_is_asked_for_after_the_handshake(
    serve: Serve, certificates: Certificates, *, given: bool
) -> None:
    """RFC 8446, section 4.6.2: servers do so that want it for some paths only."""

    def ask(connection: socket.socket) -> None:
        assert isinstance(connection, ssl.SSLSocket)
        assert connection.recv(65536)
        connection.verify_client_post_handshake()
        connection.sendall(OK)

    context = certificates.server()
    context.post_handshake_auth = True
    context.verify_mode = ssl.CERT_REQUIRED
    certificates.authority.configure_trust(context)
    port = serve(over_tls(context, ask))
    own = certificates.file("client.example") if given else None
    found = await find(HttpsProbe(tls=TlsSettings(cert_file=own)), port)
    assert (found.reason is Reason.OK) == given, found
