"""Signatures, made by the signers of the clouds' own SDKs and then tampered with."""

import hmac
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import formatdate
from functools import partial
from hashlib import sha256
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given
from hypothesis import strategies as st

from prober.web.server.signatures import (
    HUAWEI_SKEW,
    ORACLE_SKEW,
    BadSignature,
    Claim,
    SignedRequest,
    claim_huawei,
    claim_oracle,
)

NOW = 1_800_000_000.0
KEY_ID = "ocid1.tenancy.oc1..x/ocid1.user.oc1..x/" + ":".join(["ab"] * 16)
HOST = "prober.example:7762"
BODY = b'{"port": 80}'


class Sent(NamedTuple):
    """A request with its body."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


def verified(
    judge: Callable[[SignedRequest, Mapping[str, str], float], Claim],
    sent: Sent,
    keys: Mapping[str, str],
    now: float,
    repeated: frozenset[str] = frozenset(),
) -> str:
    head = SignedRequest(sent.method, sent.target, sent.headers, repeated, bool(sent.body))
    claim = judge(head, keys, now)
    claim.prove(sent.body)
    return claim.key_id


verify_oracle = partial(verified, claim_oracle)
verify_huawei = partial(verified, claim_huawei)


class Pair(NamedTuple):
    """An RSA key pair in PEM."""

    private: str
    public: str


@pytest.fixture(scope="module")
def pair() -> Pair:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return Pair(private.decode(), public.decode())


Sign = Callable[..., Sent]


@pytest.fixture
def sign_oracle(pair: Pair) -> Sign:
    """Return what signs as Oracle's SDK does."""
    signer = pytest.importorskip("oci.signer", reason="the SDK oci is not installed")
    requests = pytest.importorskip("requests", reason="the SDK oci is not installed")
    tenancy, user, fingerprint = KEY_ID.split("/")
    auth = signer.Signer(tenancy, user, fingerprint, None, private_key_content=pair.private)

    def sign(
        method: str = "GET",
        target: str = "/20170115/loadBalancers/lb/health?limit=2",
        body: bytes | None = None,
        **headers: str,
    ) -> Sent:
        headers.setdefault("date", formatdate(NOW, usegmt=True))
        request = requests.Request(
            method, f"http://{HOST}{target}", data=body, headers=headers, auth=auth
        ).prepare()
        names = {name.lower(): str(value) for name, value in request.headers.items()}
        return Sent(method, request.path_url, names, body or b"")

    return sign


PATHS = [
    "/20170115/loadBalancers/lb-1/backendSets/web/backends/127.0.0.1%3A8080/health",
    "/20170115/loadBalancers/lb-1/backendSets/a%20b/backends/%5B%3A%3A1%5D%3A80",
    "/20170115/loadBalancers?compartmentId=c%2F1&limit=2",
    "/20170115/loadBalancers/%C3%BC",
]


@pytest.mark.parametrize("target", PATHS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_what_oracles_sdk_signs_is_accepted(
    pair: Pair, sign_oracle: Sign, method: str, target: str
) -> None:
    assert verify_oracle(sign_oracle(method, target), {KEY_ID: pair.public}, NOW) == KEY_ID


@pytest.mark.parametrize("method", ["PUT", "POST", "PATCH"])
@pytest.mark.parametrize("body", [BODY, "ü".encode(), None])
def test_what_oracles_sdk_signs_with_a_body_is_accepted(
    pair: Pair, sign_oracle: Sign, method: str, body: bytes | None
) -> None:
    request = sign_oracle(method, body=body)
    assert verify_oracle(request, {KEY_ID: pair.public}, NOW) == KEY_ID


def changed(request: Sent, **headers: str | None) -> Sent:
    """Return the request with some headers changed, or without those that are None."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    merged = {**request.headers, **names}
    return request._replace(headers={n: v for n, v in merged.items() if v is not None})


@pytest.mark.parametrize(
    ("tamper", "message"),
    [
        (lambda r: r._replace(method="DELETE"), "does not match this request"),
        (lambda r: r._replace(target=f"{r.target}0"), "does not match this request"),
        (lambda r: changed(r, host="other"), "does not match this request"),
        (lambda r: changed(r, content_type="text/plain"), "does not match this request"),
        (
            lambda r: changed(r, date=formatdate(NOW - 1, usegmt=True)),
            "does not match this request",
        ),
        (lambda r: r._replace(body=b'{"port": 81}'), "x-content-sha256 does not match the body"),
        (lambda r: r._replace(body=b""), "x-content-sha256 does not match the body"),
        (lambda r: changed(r, content_length="13"), "does not match this request"),
        (lambda r: changed(r, content_type=None), "which the request does not have"),
        (lambda r: changed(r, date=None), "expected a date in date"),
        (lambda r: changed(r, authorization=None), "expected Authorization: Signature"),
    ],
)
def test_a_request_that_was_changed_on_the_way_is_refused(
    pair: Pair,
    sign_oracle: Sign,
    tamper: Callable[[Sent], Sent],
    message: str,
) -> None:
    request = tamper(sign_oracle("PUT", body=BODY))
    with pytest.raises(BadSignature, match=message):
        verify_oracle(request, {KEY_ID: pair.public}, NOW)


def test_a_changed_digest_of_the_body_is_refused(pair: Pair, sign_oracle: Sign) -> None:
    other = b'{"port": 81}'
    digest = b64encode(sha256(other).digest()).decode()
    request = changed(sign_oracle("PUT", body=BODY), x_content_sha256=digest)
    with pytest.raises(BadSignature, match="does not match this request"):
        verify_oracle(request._replace(body=other), {KEY_ID: pair.public}, NOW)


@pytest.mark.parametrize("off", [-ORACLE_SKEW, ORACLE_SKEW])
def test_a_clock_may_differ_by_five_minutes_and_no_more(
    pair: Pair, sign_oracle: Sign, off: float
) -> None:
    keys, request = {KEY_ID: pair.public}, sign_oracle()
    assert verify_oracle(request, keys, NOW + off) == KEY_ID
    with pytest.raises(BadSignature, match=r"^signed 30\d s .+; at most 300 s are allowed"):
        verify_oracle(request, keys, NOW + off * 1.01)


def oracle_header(names: str, **more: str) -> str:
    """Return an Authorization header that covers these headers, with a signature of nothing."""
    parameters = {
        "version": "1",
        "keyId": KEY_ID,
        "algorithm": "rsa-sha256",
        "headers": names,
        "signature": "AAAA",
    }
    return "Signature " + ",".join(f'{k}="{v}"' for k, v in {**parameters, **more}.items())


@pytest.mark.parametrize(
    ("method", "header", "message"),
    [
        ("GET", "", "expected Authorization: Signature"),
        ("GET", "Bearer x", "expected Authorization: Signature"),
        ("GET", 'Signature version="1"', "algorithm"),
        ("GET", oracle_header("date", version="2"), "expected version"),
        ("GET", oracle_header("date", algorithm="hmac-sha256"), "expected version"),
        ("GET", oracle_header("date") + ',version="1"', "duplicate parameter"),
        ("GET", oracle_header("date host"), r"does not cover \(request-target\)"),
        ("GET", oracle_header("date (request-target)"), "does not cover host"),
        ("GET", oracle_header("(request-target) host"), "does not cover date"),
        ("PUT", oracle_header("date (request-target) host"), "does not cover content-length, "),
        ("GET", oracle_header("date (request-target) host", keyId="x"), "unknown key 'x'"),
        ("GET", oracle_header("date (request-target) host", signature="!"), "does not match this"),
    ],
)
def test_a_signature_that_proves_too_little_is_refused(
    pair: Pair, method: str, header: str, message: str
) -> None:
    headers = {"date": formatdate(NOW), "host": HOST, "authorization": header}
    with pytest.raises(BadSignature, match=message):
        verify_oracle(Sent(method, "/", headers, b""), {KEY_ID: pair.public}, NOW)


def test_a_body_must_be_signed_whatever_the_method(pair: Pair, sign_oracle: Sign) -> None:
    request = sign_oracle("DELETE")._replace(body=BODY)
    with pytest.raises(BadSignature, match="does not cover content-length"):
        verify_oracle(request, {KEY_ID: pair.public}, NOW)


@pytest.mark.parametrize("date", ["", "yesterday", "Fri, 99 Nov 2026 15:04:46 GMT"])
def test_a_date_that_is_none_is_refused(pair: Pair, date: str) -> None:
    headers = {
        "date": date,
        "host": HOST,
        "authorization": oracle_header("date (request-target) host"),
    }
    with pytest.raises(BadSignature, match="expected a date in date"):
        verify_oracle(Sent("GET", "/", headers, b""), {KEY_ID: pair.public}, NOW)


def test_browsers_sign_x_date(pair: Pair) -> None:
    headers = {"x-date": formatdate(NOW, usegmt=True), "date": "?", "host": HOST}
    signed = f"(request-target): get /\nhost: {HOST}\nx-date: {headers['x-date']}"
    key = serialization.load_pem_private_key(pair.private.encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    signature = b64encode(key.sign(signed.encode(), PKCS1v15(), SHA256())).decode()
    header = oracle_header("(request-target) host x-date", signature=signature)
    request = Sent("GET", "/", {**headers, "authorization": header}, b"")
    assert verify_oracle(request, {KEY_ID: pair.public}, NOW) == KEY_ID
    with pytest.raises(BadSignature, match="does not match this request"):
        verify_oracle(changed(request, x_date=formatdate(NOW + 1)), {KEY_ID: pair.public}, NOW)


@pytest.mark.parametrize("pem", ["", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"])
def test_a_key_that_is_none_accepts_nothing(sign_oracle: Sign, pem: str) -> None:
    with pytest.raises(BadSignature, match="not a public RSA key in PEM"):
        verify_oracle(sign_oracle(), {KEY_ID: pem}, NOW)


def test_a_key_that_is_not_rsa_accepts_nothing(sign_oracle: Sign) -> None:
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    pem = public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()
    with pytest.raises(BadSignature, match="not a public RSA key in PEM"):
        verify_oracle(sign_oracle(), {KEY_ID: pem}, NOW)


def test_without_the_extra_the_refusal_says_what_to_install(
    sign_oracle: Sign, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = sign_oracle()
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    with pytest.raises(BadSignature, match="extra 'oci' is not installed"):
        verify_oracle(request, {KEY_ID: pair.public}, NOW)


def test_the_module_needs_no_extra_to_be_imported() -> None:
    code = "import sys, prober.web.server.signatures; sys.exit('cryptography' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


ACCESS, SECRET = "AK", "SK"


@pytest.fixture
def sign_huawei() -> Sign:
    """Return what signs as Huawei's SDK does."""
    absent = "the SDK huaweicloudsdkcore is not installed"
    signer = pytest.importorskip("huaweicloudsdkcore.signer.signer", reason=absent)
    sdk_request = pytest.importorskip("huaweicloudsdkcore.sdk_request", reason=absent)

    def sign(
        method: str = "GET",
        path: str = "/v3/p1/elb/healthmonitors",
        query: list[tuple[str, Any]] | None = None,
        body: str | None = None,
        **headers: str,
    ) -> Sent:
        moment = datetime.fromtimestamp(NOW, UTC)
        request = sdk_request.SdkRequest(
            method=method,
            host=HOST,
            resource_path=path,
            query_params=query or [],
            header_params={"X-Sdk-Date": moment.strftime("%Y%m%dT%H%M%SZ"), **headers},
            body=body,
        )
        signed = signer.Signer(SimpleNamespace(ak=ACCESS, sk=SECRET)).sign(request)
        names = {
            name.lower(): value.encode("iso-8859-1").decode()
            for name, value in signed.header_params.items()
        }
        return Sent(method, signed.uri, names, (body or "").encode())

    return sign


@pytest.mark.parametrize(
    "query",
    [
        [],
        [("type", ["TCP", "HTTP"]), ("delay", [10, 5]), ("admin_state_up", True)],
        [("name", "a b+c&d=e/é~*"), ("limit", 2), ("marker", "")],
        [("delay", [5, 10]), ("Limit", 2)],
    ],
)
def test_what_huaweis_sdk_signs_is_accepted(
    sign_huawei: Sign, query: list[tuple[str, Any]]
) -> None:
    request = sign_huawei(query=query, **{"X-Project-Id": "p1", "User-Agent": " sdk é "})
    assert verify_huawei(request, {ACCESS: SECRET}, NOW) == ACCESS


@pytest.mark.parametrize("path", ["/", "/v3/p1/elb/healthmonitors/", "/v3/%7Bproject_id%7D/é"])
def test_every_path_that_huaweis_sdk_signs_is_accepted(sign_huawei: Sign, path: str) -> None:
    assert verify_huawei(sign_huawei(path=path), {ACCESS: SECRET}, NOW) == ACCESS


@given(
    names=st.lists(st.text(min_size=1), unique=True, max_size=4),
    values=st.lists(st.text(), min_size=4, max_size=4),
    body=st.text(),
)
def test_whatever_huaweis_sdk_signs_is_accepted(
    names: list[str], values: list[str], body: str
) -> None:
    sign: Sign = sign_huawei.__wrapped__()  # type: ignore[attr-defined]  # the fixture's function
    query = list(zip(names, values, strict=False))
    request = sign("POST", query=query, body=body, **{"Content-Type": "application/json"})
    assert verify_huawei(request, {ACCESS: SECRET}, NOW) == ACCESS


@pytest.mark.parametrize(
    ("tamper", "message"),
    [
        (lambda r: r._replace(method="DELETE"), "does not match this request"),
        (lambda r: r._replace(target=f"{r.target}x"), "does not match this request"),
        (lambda r: r._replace(target=f"{r.target}?a=b"), "does not match this request"),
        (lambda r: r._replace(body=b"{}"), "does not match this request"),
        (lambda r: changed(r, host="other"), "does not match this request"),
        (lambda r: changed(r, x_sdk_date="20270115T080001Z"), "does not match this request"),
        (lambda r: changed(r, x_sdk_date="2027-01-15"), "expected x-sdk-date like"),
        (lambda r: changed(r, x_sdk_date=None), "which the request does not have"),
        (lambda r: changed(r, host=None), "which the request does not have"),
        (lambda r: changed(r, authorization=None), "expected Authorization: SDK-HMAC-SHA256"),
        (
            lambda r: changed(r, authorization=r.headers["authorization"].replace("AK", "KA")),
            "unknown access key 'KA'",
        ),
        (
            lambda r: changed(r, authorization=r.headers["authorization"].replace("host;", "")),
            "does not match this request",
        ),
        (
            lambda r: changed(
                r, authorization=r.headers["authorization"].replace(";x-sdk-date", "")
            ),
            "does not cover x-sdk-date",
        ),
    ],
)
def test_a_huawei_request_that_was_changed_on_the_way_is_refused(
    sign_huawei: Sign, tamper: Callable[[Sent], Sent], message: str
) -> None:
    with pytest.raises(BadSignature, match=message):
        verify_huawei(tamper(sign_huawei("PUT", body='{"a": 1}')), {ACCESS: SECRET}, NOW)


TARGETS = [
    ("/v3/p/a/b", "/v3/p/a%2Fb"),
    ("/v3/p/a/b", "/v3/p/a%2fb"),
    ("/v3/p/a%2Fb", "/v3/p/a/b"),
    ("/v3/p/a%252Fb", "/v3/p/a%2Fb"),
    ("/v3/p?name=a%2Bb", "/v3/p?name=a+b"),
    ("/v3/p?a=1%26b", "/v3/p?a=1&b"),
    ("/v3/p?a=2&a=1", "/v3/p?a=1&a=2"),
    ("/v3/p?a=1&b=2", "/v3/p?a=2&b=1"),
    ("/v3/p%3Fa", "/v3/p?a"),
]


def signed_by_hand(target: str, *, in_order: bool = False, host: bool = True) -> Sent:
    """Sign a request as Huawei's rules say, whatever its SDK makes of such a target."""
    date = datetime.fromtimestamp(NOW, UTC).strftime("%Y%m%dT%H%M%SZ")
    headers = {"host": HOST, "x-sdk-date": date}
    path, _, query = target.partition("?")
    order = (lambda pair: pair) if in_order else (lambda pair: pair.partition("=")[0])
    written = [pair if "=" in pair else f"{pair}=" for pair in query.split("&") if pair]
    pairs = "&".join(sorted(written, key=order))
    names = "host;x-sdk-date" if host else "x-sdk-date"
    lines = f"host:{HOST}\nx-sdk-date:{date}" if host else f"x-sdk-date:{date}"
    canonical = f"GET\n{path}/\n{pairs}\n{lines}\n\n{names}\n{sha256(b'').hexdigest()}"
    text = f"SDK-HMAC-SHA256\n{date}\n{sha256(canonical.encode()).hexdigest()}"
    signature = hmac.new(SECRET.encode(), text.encode(), sha256).hexdigest()
    value = f"SDK-HMAC-SHA256 Access={ACCESS}, SignedHeaders={names}, Signature={signature}"
    return Sent("GET", target, {**headers, "authorization": value}, b"")


@pytest.mark.parametrize(("target", "other"), TARGETS)
def test_what_is_verified_is_what_is_routed(target: str, other: str) -> None:
    request = signed_by_hand(target)
    assert verify_huawei(request, {ACCESS: SECRET}, NOW) == ACCESS
    with pytest.raises(BadSignature, match="does not match this request"):
        verify_huawei(request._replace(target=other), {ACCESS: SECRET}, NOW)


@pytest.mark.parametrize("target", ["/v3/p?a=2&a=1", "/v3/p?a=b&a=a%20b&a=10&a=9&b=1"])
def test_what_clients_in_go_sign_is_accepted(target: str) -> None:
    request = signed_by_hand(target, in_order=True, host=False)
    assert verify_huawei(request, {ACCESS: SECRET}, NOW) == ACCESS
    with pytest.raises(BadSignature, match="does not match this request"):
        verify_huawei(request, {ACCESS: "other"}, NOW)
    with pytest.raises(BadSignature, match="900 s are allowed"):
        verify_huawei(request, {ACCESS: SECRET}, NOW + HUAWEI_SKEW * 1.01)


@pytest.mark.parametrize("name", ["host", "x-sdk-date"])
def test_a_signed_header_comes_once(name: str) -> None:
    request = signed_by_hand("/v3/p")
    with pytest.raises(BadSignature, match="which the request has twice"):
        verify_huawei(request, {ACCESS: SECRET}, NOW, frozenset({name}))


def test_a_header_that_oracles_way_signs_comes_once(pair: Pair, sign_oracle: Sign) -> None:
    request = sign_oracle("PUT", body=BODY)
    for name in ("host", "date", "content-type", "content-length", "x-content-sha256"):
        with pytest.raises(BadSignature, match="which the request has twice"):
            verify_oracle(request, {KEY_ID: pair.public}, NOW, frozenset({name}))


def test_a_body_that_huaweis_sdk_leaves_unsigned_is_refused(sign_huawei: Sign) -> None:
    request = sign_huawei("PUT", body="a", **{"Content-Type": "text/plain"})
    assert request.headers["x-sdk-content-sha256"] == "UNSIGNED-PAYLOAD"
    with pytest.raises(BadSignature, match="does not match this request"):
        verify_huawei(request, {ACCESS: SECRET}, NOW)


def test_another_secret_is_refused(sign_huawei: Sign) -> None:
    with pytest.raises(BadSignature, match="does not match this request"):
        verify_huawei(sign_huawei(), {ACCESS: "other"}, NOW)


@pytest.mark.parametrize("off", [-HUAWEI_SKEW, HUAWEI_SKEW])
def test_a_huawei_clock_may_differ_by_fifteen_minutes_and_no_more(
    sign_huawei: Sign, off: float
) -> None:
    assert verify_huawei(sign_huawei(), {ACCESS: SECRET}, NOW + off) == ACCESS
    with pytest.raises(BadSignature, match="900 s are allowed"):
        verify_huawei(sign_huawei(), {ACCESS: SECRET}, NOW + off * 1.01)


@given(
    header=st.text(),
    target=st.text(),
    headers=st.dictionaries(st.sampled_from(["host", "date", "x-sdk-date", "x"]), st.text()),
    body=st.binary(max_size=9),
)
def test_nothing_that_is_sent_makes_a_verifier_fail(
    header: str, target: str, headers: dict[str, str], body: bytes
) -> None:
    for prefix, verify in (
        ("", verify_oracle),
        (
            'Signature keyId="AK",version="1",algorithm="rsa-sha256",headers="date host"',
            verify_oracle,
        ),
        ("SDK-HMAC-SHA256 Access=AK, SignedHeaders=host;x-sdk-date, Signature=", verify_huawei),
    ):
        request = Sent("PUT", target, {**headers, "authorization": prefix + header}, body)
        with pytest.raises(BadSignature):
            verify(request, {"AK": "secret"}, NOW)
