"""A target that does not accept a secret is not bad if the secret has been renewed since."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from prober.engine.sent_secrets import hash_of, is_renewed
from prober.files.bounded import BOUNDED
from prober.model.file_kinds import Secret
from prober.model.kinds import Frozen
from prober.model.probe import Probe
from prober.model.status import Reason, Verdict
from prober.model.tls_settings import TlsSettings
from prober.probes.grpc import GRPC_STATUS_CODE, GrpcProbe
from prober.probes.http import HttpProbe, HttpsProbe
from tests.engine.by_hand import ByHand
from tests.engine.conftest import Certificates, Serve
from tests.engine.targets import answers, hold, over_tls


def reply(status: int) -> bytes:
    return b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % status


@pytest.fixture
def token(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text("old\n")
    return file


@pytest.fixture
def in_a_thread() -> Iterator[ByHand]:
    """An engine that has one thread beside that of the test."""
    driven = ByHand(threads=1)
    yield driven
    driven.close()


def with_token(file: Path) -> HttpProbe:
    return HttpProbe(bearer=Secret("old", masked=True, file=str(file)))


@pytest.mark.parametrize(
    "found",
    [
        (401, "new\n", Reason.STALE_SECRET),
        (403, "new\n", Reason.STALE_SECRET),
        (401, "old\r\n", Reason.UNEXPECTED_STATUS),
        (500, "new\n", Reason.UNEXPECTED_STATUS),
        (200, "new\n", Reason.OK),
    ],
)
def test_a_denial_says_nothing_if_the_secret_has_been_renewed(
    found: tuple[int, str, Reason], token: Path, by_hand: ByHand, serve: Serve
) -> None:
    status, now, reason = found
    token.write_text(now)
    by_hand.start(serve(answers(reply(status))), with_token(token))
    outcome = by_hand.outcome()
    assert outcome.reason is reason
    assert (outcome.facts or {})["http_status_code"] == status


def test_a_file_that_cannot_be_read_excuses_nothing(
    token: Path, by_hand: ByHand, serve: Serve
) -> None:
    token.unlink()
    by_hand.start(serve(answers(reply(401))), with_token(token))
    assert by_hand.outcome().reason is Reason.UNEXPECTED_STATUS


def test_a_secret_that_is_in_no_file_is_never_stale(by_hand: ByHand, serve: Serve) -> None:
    probe = HttpProbe(headers=Frozen({"Authorization": Secret("env", masked=True)}))
    by_hand.start(serve(answers(reply(401))), probe)
    assert by_hand.outcome().reason is Reason.UNEXPECTED_STATUS


def test_the_look_takes_no_time_of_the_probe_and_holds_up_nobody(
    token: Path, in_a_thread: ByHand, serve: Serve
) -> None:
    token.write_text("new")
    attempt = in_a_thread.start(serve(answers(reply(401))), with_token(token))
    while attempt.judged is None:
        in_a_thread.drain()
    assert not in_a_thread.outcomes
    in_a_thread.clock.now += 1.0
    in_a_thread.take_answer()
    (found,) = in_a_thread.outcomes
    assert (found.reason, found.seconds) == (Reason.STALE_SECRET, 0.0)


def test_if_the_disk_does_not_answer_in_time_the_denial_counts(
    token: Path, in_a_thread: ByHand, serve: Serve
) -> None:
    token.write_text("new")
    attempt = in_a_thread.start(serve(answers(reply(401))), with_token(token))
    while attempt.judged is None:
        in_a_thread.drain()
    in_a_thread.clock.now += 2.0
    in_a_thread.engine.expire(in_a_thread.clock.now)
    assert [found.reason for found in in_a_thread.outcomes] == [Reason.UNEXPECTED_STATUS]
    in_a_thread.take_answer()
    assert len(in_a_thread.outcomes) == 1


def test_so_does_a_refusal_of_a_client_certificate(
    certificates: Certificates, by_hand: ByHand, serve: Serve, tmp_path: Path
) -> None:
    own = tmp_path / "own.pem"
    foreign = trustme.CA().issue_cert("prober.example")
    foreign.private_key_and_cert_chain_pem.write_to_path(own)
    probe = HttpsProbe(tls=TlsSettings(cert_file=str(own)))
    port = serve(over_tls(certificates.asking_server(), hold))
    by_hand.start(port, probe)
    first = by_hand.outcome()
    assert first.result.value == "CONNECT_FAILED"
    by_hand.outcomes.clear()
    own.write_bytes(Path(certificates.file("prober.example")).read_bytes())
    by_hand.start(port, probe)
    assert by_hand.outcome().reason is Reason.STALE_SECRET


@pytest.mark.parametrize(
    ("probe", "code", "denies"),
    [(GrpcProbe(), 16, True), (GrpcProbe(), 7, True), (GrpcProbe(), 14, False)],
)
def test_codes_of_grpc_that_deny(probe: Probe, code: int, denies: bool) -> None:
    verdict = Verdict(Reason.UNEXPECTED_STATUS, "", {GRPC_STATUS_CODE.name: code})
    assert probe.is_denial(verdict) is denies


def test_what_was_loaded_is_compared_by_its_hash(token: Path) -> None:
    known = {str(token): hash_of(str(token), BOUNDED)}
    assert not is_renewed({}, known)
    token.write_text("new")
    assert is_renewed({}, known)
    token.unlink()
    assert not is_renewed({}, known)
