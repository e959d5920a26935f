"""GRPC probes against gRPC's own server."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

from prober.model.file_kinds import Secret
from prober.model.kinds import Codes, Frozen
from prober.model.status import FactValue, Reason, Result
from prober.model.tls_settings import TlsSettings
from prober.probes.grpc import GrpcProbe
from tests import ROOT
from tests.engine.conftest import Certificates, Serve
from tests.engine.targets import answers, close, find, hold, over_tls, phases

UP = {"grpc_status_code": 0, "grpc_serving_status": "SERVING"}


pytestmark = pytest.mark.xdist_group("grpc")


@pytest.fixture(scope="module")
def ports(certificates: Certificates) -> Iterator[dict[str, int]]:
    """Return the ports of a real gRPC server."""
    command = [sys.executable, "-m", "tests.engine.grpc_target", certificates.file("localhost")]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as program:
        assert program.stdout is not None
        yield json.loads(program.stdout.readline())


@pytest.mark.parametrize(
    ("probe", "reason", "facts"),
    [
        (GrpcProbe(), Reason.OK, UP),
        (GrpcProbe(service="up", authority="a.example"), Reason.OK, UP),
        (
            GrpcProbe(service="down"),
            Reason.NOT_SERVING,
            {"grpc_status_code": 0, "grpc_serving_status": "NOT_SERVING"},
        ),
        (GrpcProbe(service="unknown"), Reason.UNEXPECTED_STATUS, {"grpc_status_code": 5}),
        (
            GrpcProbe(service="unknown", expected_codes=Codes("0,5", frozenset({0, 5}))),
            Reason.OK,
            {"grpc_status_code": 5},
        ),
    ],
)
async def test_the_health_service_decides(
    ports: dict[str, int], probe: GrpcProbe, reason: Reason, facts: dict[str, FactValue]
) -> None:
    found = await find(probe, ports["clear"])
    assert (found.reason, found.facts) == (reason, facts)
    assert phases(found) == {"connect", "send", "first_byte", "transfer"}


async def test_a_server_without_a_health_service_is_not_good(ports: dict[str, int]) -> None:
    found = await find(GrpcProbe(), ports["bare"])
    assert (found.result, found.facts) == (Result.INVALID_STATUS_CODE, {"grpc_status_code": 12})


async def test_grpc_is_spoken_over_tls(ports: dict[str, int], certificates: Certificates) -> None:
    verified = TlsSettings(verify=True, ca_file=certificates.ca_file)
    found = await find(GrpcProbe(tls=verified), ports["tls"], host="localhost")
    assert found.reason is Reason.OK
    assert found.facts is not None
    assert found.facts.items() >= UP.items()
    assert found.facts["tls_version"] == "TLSv1.3"
    assert "tls" in phases(found)
    asking = GrpcProbe(tls=replace(verified, ocsp="ask"))
    found = await find(asking, ports["tls"], host="localhost")
    assert found.reason is Reason.OK
    assert found.facts is not None
    assert found.facts["ocsp_status"] == "absent"


async def test_a_server_that_wants_tls_closes(ports: dict[str, int]) -> None:
    found = await find(GrpcProbe(), ports["tls"])
    assert found.result in (Result.CONNECT_FAILED, Result.HEALTH_PAYLOAD_MISMATCH)


async def test_a_server_that_speaks_no_http_2_breaks_the_protocol(serve: Serve) -> None:
    found = await find(GrpcProbe(), serve(answers(b"HTTP/1.1 400 Bad Request\r\n\r\n", then=close)))
    assert (found.result, found.reason) == (Result.HEALTH_PAYLOAD_MISMATCH, Reason.BAD_RESPONSE)


async def test_a_server_that_does_not_answer_the_call_times_out(serve: Serve) -> None:
    greeted = serve(answers(b"\0\0\0\4\0\0\0\0\0"))
    for port in (greeted, serve(hold)):
        found = await find(GrpcProbe(), port, timeout=0.1)
        assert found.reason is Reason.TIMEOUT


async def test_metadata_go_with_the_call(ports: dict[str, int]) -> None:
    token = Frozen(authorization=Secret("Bearer s3cret", masked=True))
    found = await find(GrpcProbe(metadata=token), ports["guarded"])
    assert (found.reason, found.facts) == (Reason.OK, UP)
    found = await find(GrpcProbe(), ports["guarded"])
    assert (found.reason, found.detail) == (
        Reason.UNEXPECTED_STATUS,
        "gRPC code 16: who are you?, expected 0",
    )


async def test_a_server_that_does_not_choose_http_2_over_tls_is_bad(
    serve: Serve, certificates: Certificates
) -> None:
    port = serve(over_tls(certificates.server(), hold))
    found = await find(GrpcProbe(tls=TlsSettings()), port)
    assert found.reason is Reason.BAD_RESPONSE
    assert found.detail == (
        "the server does not speak HTTP/2 over TLS: it chose no protocol (ALPN)"
    )
