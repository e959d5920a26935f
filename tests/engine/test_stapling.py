"""Handshakes that ask for an OCSP response, with servers that staple one: nginx, and OpenSSL's."""

import grp
import os
import pwd
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import time
from typing import NamedTuple

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from prober.engine import stapling
from prober.engine.tls_contexts import check_tls
from prober.model.monitor import Monitor
from prober.model.option import Complaint, ReadContext, Rejected, section
from prober.model.probe import Probe
from prober.model.status import Reason
from prober.model.tls_settings import TlsSettings
from prober.probes.http import HttpsProbe
from prober.probes.http2_ping import Http2PingProbe
from prober.probes.tcp import TcpProbe
from prober.probes.tls import TlsProbe
from tests.engine.conftest import Certificates, Serve
from tests.engine.targets import Script, find, over_tls, says
from tests.engine.test_real_servers import NGINX_HEAD, heard, program, running
from tests.stapled import DAY, REVOKED, Authority, write

pytestmark = pytest.mark.xdist_group("stapling")

REQUIRED, ASKED = TlsSettings(ocsp="require"), TlsSettings(ocsp="ask")
NGINX = (
    NGINX_HEAD
    + """\
    ssl_certificate {pem};
    ssl_certificate_key {pem};
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_stapling on;
    {servers}
}}
"""
)
SERVER = """
    server {{
        listen 127.0.0.1:{port} ssl http2;
        ssl_stapling_file {file};
        return 200 ready;
    }}
"""


class Stapling(NamedTuple):
    """An nginx: a port for each response that it staples, and the file of the authority."""

    ports: dict[str, int]
    ca_file: str


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stapling]:
    """Return an nginx that staples a response at each of its ports."""
    path, folder = program("nginx"), tmp_path_factory.mktemp("nginx")
    authority = Authority()
    leaf = authority.issue()
    responder = authority.responder()
    pem = leaf.pem + authority.root.certificate.public_bytes(Encoding.PEM)
    responses = {
        "good": authority.response(leaf),
        "delegated": authority.response(leaf, signer=responder, shown=[responder]),
        "revoked": authority.response(leaf, REVOKED),
        "expired": authority.response(leaf, valid=(-4 * DAY, -3 * DAY)),
        "other": authority.response(authority.issue()),
    }
    files = write(folder, pem=pem, **responses)
    ca_file = folder / "ca.pem"
    ca_file.write_bytes(authority.root.certificate.public_bytes(Encoding.PEM))
    listeners = {name: socket.create_server(("127.0.0.1", 0)) for name in responses}
    ports = {name: each.getsockname()[1] for name, each in listeners.items()}
    servers = "".join(SERVER.format(port=ports[name], file=files[name]) for name in responses)
    user, group = pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(os.getegid()).gr_name
    config = folder / "nginx.conf"
    config.write_text(
        NGINX.format(folder=folder, pem=files["pem"], servers=servers, user=user, group=group)
    )
    numbers = [each.fileno() for each in listeners.values()]
    with running(
        *(path, "-p", str(folder), "-e", "stderr", "-c", str(config)),
        log=folder / "log",
        pass_fds=numbers,
        env={"NGINX": "".join(f"{number};" for number in numbers)},  # as in a binary upgrade
    ):
        for each in listeners.values():
            each.close()
        yield Stapling(ports, str(ca_file))


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize(
    ("stapled", "status", "reasons", "detail"),
    [
        ("good", "good", (Reason.OK, Reason.OK), "handshake"),
        ("delegated", "good", (Reason.OK, Reason.OK), "handshake"),
        ("revoked", "revoked", (Reason.TLS_REVOKED, Reason.TLS_REVOKED), "revoked on 20"),
        ("expired", "expired", (Reason.OK, Reason.TLS_OCSP), "it expired 3.0 days ago"),
        ("other", "unverified", (Reason.OK, Reason.TLS_OCSP), "it is about another certificate"),
    ],
)
async def test_what_nginx_staples_decides(
    nginx: Stapling,
    stapled: str,
    status: str,
    reasons: tuple[Reason, Reason],
    detail: str,
    *,
    version: str,
) -> None:
    for ocsp, reason in zip(("ask", "require"), reasons, strict=True):
        tls = TlsSettings(ocsp=ocsp, max_version=version)
        found = await find(TlsProbe(tls=tls), nginx.ports[stapled])
        assert found.reason is reason
        assert found.facts is not None
        assert found.facts["ocsp_status"] == status
        assert ("ocsp_next_update" in found.facts) == (status != "unverified")
        assert found.facts["tls_version"] == f"TLSv{version}"
        assert "tls_not_after" in found.facts
    assert detail in found.detail


async def test_a_response_is_good_until_its_end(nginx: Stapling) -> None:
    found = await find(TlsProbe(tls=REQUIRED), nginx.ports["good"])
    assert found.facts is not None
    assert 3.9 < (float(found.facts["ocsp_next_update"]) - time()) / 86400 < 4


@pytest.mark.parametrize(
    "probe",
    [HttpsProbe, partial(HttpsProbe, http_version="2"), Http2PingProbe],
    ids=["HTTPS", "HTTP/2", "HTTP2_PING"],
)
async def test_http_can_ask(nginx: Stapling, probe: Callable[..., Probe]) -> None:
    tls = TlsSettings(ocsp="require", verify=True, ca_file=nginx.ca_file, server_name="localhost")
    assert (await find(probe(tls=tls), nginx.ports["good"])).reason is Reason.OK
    assert (await find(probe(tls=tls), nginx.ports["revoked"])).reason is Reason.TLS_REVOKED
    wrong = replace(tls, server_name="elsewhere.example")
    assert (await find(probe(tls=wrong), nginx.ports["good"])).reason is Reason.TLS_HOSTNAME


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
async def test_openssl_that_staples_and_requires_a_certificate(
    certificates: Certificates, tmp_path: Path, version: str
) -> None:
    authority = Authority()
    leaf = authority.issue()
    chain = authority.root.certificate.public_bytes(Encoding.PEM)
    files = write(tmp_path, leaf=leaf.pem, chain=chain, response=authority.response(leaf))
    own = certificates.file("client.example")
    command = [program("openssl"), "s_server", "-accept", "127.0.0.1:0", "-naccept", "2", "-www"]
    command += ["-cert", files["leaf"], "-cert_chain", files["chain"], version]
    command += ["-status_file", files["response"]]
    command += ["-Verify", "1", "-verify_return_error", "-CAfile", certificates.ca_file]
    with running(
        *command, log=tmp_path / "log", stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as server:
        port = int(heard(server, r"ACCEPT .*:(\d+)"))
        assert (await find(HttpsProbe(tls=REQUIRED), port)).reason is Reason.TLS_ALERT
        tls = replace(REQUIRED, cert_file=own, verify=True, ca_file=files["chain"])
        found = await find(HttpsProbe(tls=tls, body_regex="s_server"), port, host="localhost")
    assert found.reason is Reason.OK
    assert found.facts is not None
    assert found.facts["ocsp_status"] == "good"


def starttls(certificates: Certificates) -> Script:
    """Return a script that begins TLS when it is asked to."""
    inside = over_tls(certificates.server(), says(b"hello"))

    def script(connection: socket.socket) -> None:
        assert connection.recv(100) == b"STARTTLS"
        connection.sendall(b"go")
        inside(connection)

    return script


async def test_starttls_can_ask(serve: Serve, certificates: Certificates) -> None:
    steps = [{"send": {"text": "STARTTLS"}}, {"expect": {"text": "go"}}, {"starttls": {}}]
    steps += [{"expect": {"text": "hello"}}]
    keys = {"steps": steps, "tls": {"ocsp": "ask"}}
    probe = section(TcpProbe).read(keys, ReadContext("", str, {}))
    found = await find(probe, serve(starttls(certificates)))
    assert found.reason is Reason.OK
    assert found.facts is not None
    assert found.facts["ocsp_status"] == "absent"


async def test_a_server_that_staples_nothing_fails_only_where_a_response_is_required(
    serve: Serve, certificates: Certificates
) -> None:
    for version in ("1.2", "1.3"):
        port = serve(over_tls(certificates.server(tls=version)))
        asked = await find(TlsProbe(tls=ASKED), port)
        assert asked.reason is Reason.OK
        assert asked.facts is not None
        assert asked.facts["ocsp_status"] == "absent"
        required = await find(TlsProbe(tls=REQUIRED), port)
        assert required.reason is Reason.TLS_OCSP
        assert required.detail == "certificate: stapled OCSP response: none was sent"
        other = await find(TlsProbe(), port)
        assert other.facts is not None
        assert "ocsp_status" not in other.facts


async def test_a_certificate_that_demands_a_response_is_bad_without_one(
    serve: Serve, tmp_path: Path
) -> None:
    leaf = Authority().issue(must_staple=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(write(tmp_path, leaf=leaf.pem)["leaf"])
    port = serve(over_tls(context))
    found = await find(TlsProbe(tls=ASKED), port)
    assert found.reason is Reason.TLS_OCSP
    assert (await find(TlsProbe(), port)).reason is Reason.OK


def complaints(**settings: object) -> list[Complaint]:
    tls = TlsSettings(ocsp="ask", **settings)  # type: ignore[arg-type]  # as they are declared
    return list(check_tls(Monitor(name="m", type="any", pool="p", probe=TlsProbe(tls=tls))))


@pytest.mark.parametrize("missing", ["OpenSSL", "OpenSSL.SSL"])
def test_without_the_extra_the_message_names_it(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    if missing == "OpenSSL.SSL":
        monkeypatch.delattr("OpenSSL.SSL")
    message = "needs prober's extra 'ocsp', which is not installed"
    assert complaints() == [Complaint(("tls", "ocsp"), message)]


def test_a_version_that_is_not_supported_is_found_before_any_probe(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(stapling._VERSIONS, "1.0", 1)
    (complaint,) = complaints(min_version="1.0")
    assert complaint.path == ("tls", "min_version")
    assert "does not support TLS 1.0" in complaint.message


def test_the_end_of_a_response_matters_only_where_one_is_asked_for() -> None:
    with pytest.raises(Rejected, match="has no effect without ocsp"):
        TlsSettings(ocsp_expires_within=60.0)


async def test_a_probe_that_does_not_ask_needs_nothing_of_it(
    serve: Serve, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    for missing in ("OpenSSL", "cryptography"):
        monkeypatch.setitem(sys.modules, missing, None)
    found = await find(TlsProbe(), serve(over_tls(certificates.server())))
    assert found.reason is Reason.OK
