"""Stapled OCSP responses: what they say of a certificate, and when that is believed."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA512
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from prober.protocols.ocsp import TOLERANCE, StapledAnswer, demands_response, read_stapled
from tests.stapled import DAY, GOOD, HOUR, REVOKED, UNKNOWN, Authority, Holder, Validity

NOW = 1_800_000_000.0
MOMENT = datetime.fromtimestamp(NOW, UTC)
OURS = Authority(MOMENT)
LEAF = OURS.issue()
STRANGER = Authority(MOMENT, name="Somebody else", seed=1000)
SECOND = timedelta(seconds=1)


def read(response: bytes, *chain: Holder, now: float = NOW) -> StapledAnswer:
    return read_stapled(response, LEAF.der, [each.der for each in chain or (OURS.root,)], now)


def test_no_response_is_absent() -> None:
    assert read(b"") == StapledAnswer("absent", "none was sent", None)


@pytest.mark.parametrize(
    ("status", "word", "detail"),
    [
        (GOOD, "good", "good"),
        (REVOKED, "revoked", "revoked on 2027-01-14"),
        (UNKNOWN, "unknown", "its responder does not know the certificate"),
    ],
)
@pytest.mark.parametrize("by_name", [False, True])
def test_the_issuer_is_believed(
    status: ocsp.OCSPCertStatus, word: str, detail: str, by_name: bool
) -> None:
    response = OURS.response(LEAF, status, by_name=by_name)
    until = (MOMENT + 4 * DAY).timestamp()
    assert read(response) == StapledAnswer(word, detail, until)


def test_a_revocation_says_why() -> None:
    response = OURS.response(LEAF, REVOKED, reason=x509.ReasonFlags.key_compromise)
    assert read(response).detail == "revoked on 2027-01-14 (key compromise)"


@pytest.mark.parametrize(
    ("until", "since", "word", "detail"),
    [
        (timedelta(0), -HOUR, "good", "good"),
        (-SECOND, -HOUR, "expired", "it expired 0.0 hours ago"),
        (-3 * DAY, -4 * DAY, "expired", "it expired 3.0 days ago"),
        (DAY, timedelta(seconds=TOLERANCE), "good", "good"),
        (DAY, 2 * HOUR, "expired", "it is valid only in 2.0 hours"),
        (None, -400 * DAY, "good", "good"),
    ],
)
def test_a_response_counts_for_its_time(
    until: timedelta | None, since: timedelta, word: str, detail: str
) -> None:
    found = read(OURS.response(LEAF, valid=(since, until)))
    assert (found.status, found.detail) == (word, detail)


def test_a_revocation_outlasts_the_response() -> None:
    assert read(OURS.response(LEAF, REVOKED, valid=(-4 * DAY, -DAY))).status == "revoked"


@pytest.mark.parametrize(
    ("valid", "word"),
    [((-DAY, DAY), "good"), ((-2 * DAY, -DAY), "unverified"), ((DAY, 2 * DAY), "unverified")],
)
@pytest.mark.parametrize("status", [GOOD, REVOKED])
def test_a_responder_that_the_issuer_has_appointed_is_believed_as_long_as_it_is_valid(
    valid: Validity, word: str, status: ocsp.OCSPCertStatus
) -> None:
    responder = OURS.responder(valid)
    found = read(OURS.response(LEAF, status, signer=responder, shown=[responder]))
    assert found.status == (word if status is GOOD or word != "good" else "revoked")


@pytest.mark.parametrize(
    ("signer", "shown", "detail"),
    [
        (LEAF, [LEAF], "the issuer has not allowed its responder to answer"),
        (LEAF, [], "it is signed by somebody else than the issuer"),
        (STRANGER.root, [STRANGER.root], "the issuer has not allowed its responder to answer"),
        (responder := STRANGER.responder(), [responder], "the issuer has not allowed"),
    ],
)
def test_nobody_else_is_believed(signer: Holder, shown: list[Holder], detail: str) -> None:
    found = read(OURS.response(LEAF, signer=signer, shown=shown))
    assert found.status == "unverified"
    assert found.detail.startswith(detail)


def test_a_name_without_the_key_is_not_believed() -> None:
    forged = Authority(MOMENT, seed=77)
    response = forged.response(LEAF, signer=forged.root, by_name=True)
    assert read(response).status == "unverified"
    at = OURS.response(LEAF)
    assert read(at[:-1] + bytes([at[-1] ^ 1])).detail == "its signature is wrong"


@pytest.mark.parametrize(
    "response",
    [
        OURS.response(OURS.issue()),
        STRANGER.response(LEAF, signer=OURS.root),  # the serial number of another issuer's
    ],
)
def test_a_response_must_be_about_the_certificate(response: bytes) -> None:
    assert read(response) == StapledAnswer("unverified", "it is about another certificate")


def test_the_issuer_is_found_among_the_others() -> None:
    assert read(OURS.response(LEAF), STRANGER.root, LEAF, OURS.root).status == "good"
    found = read(OURS.response(LEAF), STRANGER.root)
    assert found == StapledAnswer("unverified", "the chain lacks the certificate of its issuer")


def test_a_certificate_may_demand_a_response() -> None:
    assert demands_response(OURS.issue(must_staple=True).der)
    for other in (LEAF.der, b"junk"):
        assert not demands_response(other)


def test_a_certificate_may_be_its_own_issuer() -> None:
    found = read_stapled(OURS.response(OURS.root), OURS.root.der, (), NOW)
    assert found.status == "good"


def test_other_hashes_name_the_same_certificate() -> None:
    for algorithm in (SHA256(), SHA512()):
        assert read(OURS.response(LEAF, algorithm=algorithm)).status == "good"


def test_a_responder_that_has_no_answer_says_so() -> None:
    failure = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER)
    found = read(failure.public_bytes(Encoding.DER))
    assert found == StapledAnswer("unverified", "its responder says try later")


@pytest.mark.parametrize("response", [b"junk", OURS.response(LEAF)[:-30], b"\x30\x03\x0a\x01\x00"])
def test_what_cannot_be_read_proves_nothing(response: bytes) -> None:
    assert read(response) == StapledAnswer("unverified", "it cannot be read")


def test_a_leaf_that_cannot_be_read_is_no_certificate_that_is_good() -> None:
    found = read_stapled(OURS.response(LEAF), b"junk", [OURS.root.der], NOW)
    assert found.status == "unverified"


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_keys_of_other_kinds_sign_as_well(kind: str) -> None:
    key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
    if kind == "rsa":
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    else:
        key = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32))
    authority = Authority(MOMENT, key=key)
    leaf = authority.issue()
    for response, word in ((authority.response(leaf), "good"), (OURS.response(LEAF), "unverified")):
        assert read_stapled(response, leaf.der, [authority.root.der], NOW).status == word


def test_the_same_response_is_read_once_and_judged_each_time() -> None:
    response = OURS.response(LEAF)
    assert [read(response, now=NOW + days * 86400).status for days in (0, 5, 0)] == [
        *("good", "expired", "good")
    ]
