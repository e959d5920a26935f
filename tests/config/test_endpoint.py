"""Who may use the API, and the web file: what is read, and what is refused in which words."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from prober.config.configuration import Config
from prober.config.problem import ConfigError
from prober.config.reader import load
from prober.daemon.local_checks import LOCAL_CHECKS
from prober.model.auth_settings import Role
from prober.model.endpoint import Endpoint, RateLimit
from tests.config.judging import judge_of_all

Read = Callable[..., Config]
Said = Callable[..., list[str]]

HASH = "$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi"
PEM = "-----BEGIN PUBLIC KEY-----\n"
FILES = {"token": "canary\n", "public.pem": PEM, "cert.pem": "-----BEGIN CERTIFICATE-----"}
FILES["key.pem"] = "-----BEGIN PRIVATE KEY-----"
WEB = "server: {web_config_file: web.yml}"


def auth(**sections: object) -> str:
    return json.dumps({"server": {"auth": sections}})


def token(**more: object) -> dict[str, object]:
    return {"name": "a", "role": "read", "token": {"file": "token"}, **more}


def test_credentials_come_from_files_and_the_environment(read: Read) -> None:
    text = auth(
        tokens=[token(), token(name="b", role="write", token={"env": "TOKEN"})],
        oracle_keys=[{"key_id": "t/u/f", "role": "read", "public_key": "public.pem"}],
        huawei_keys=[{"access_key": "AK", "role": "write", "secret_key": {"file": "token"}}],
    )
    judge_of_all().validate(json.loads(text))
    config = read(text, files=FILES, environment={"TOKEN": "other"})
    found = config.server.auth
    assert found is not None
    assert [(t.name, t.role, t.token.content) for t in found.tokens] == [
        ("a", Role.READ, "canary"),
        ("b", Role.WRITE, "other"),
    ]
    assert found.oracle_keys[0].public_key == PEM
    assert found.huawei_keys[0].secret_key.content == "canary"
    assert "canary" not in repr(config)
    assert set(config.files) == {"prober.yaml", "token", "public.pem"}, "all are watched"


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({}, "auth: expected at least one of tokens, oracle_keys, huawei_keys"),
        ({"tokens": []}, "auth.tokens: expected at least 1 in the list, got 0"),
        ({"users": []}, "auth.users: unknown key"),
        (
            {"tokens": [token(token="canary")]},
            "auth.tokens[0].token: expected {file: PATH} or {env: NAME}, got text",
        ),
        (
            {"tokens": [token(role="admin")]},
            "auth.tokens[0].role: expected one of read, write, got 'admin'",
        ),
        (
            {"tokens": [token(token={"file": "none"})]},
            "auth.tokens[0].token.file: cannot read 'none': No such file or directory",
        ),
        (
            {"tokens": [token(token={"file": "empty"})]},
            "auth.tokens[0].token.file: the secret is empty",
        ),
        (
            {"tokens": [token(token={"file": "lines"})]},
            "auth.tokens[0].token.file: expected a single line of ASCII characters without spaces",
        ),
        (
            {"tokens": [token(token={"env": "NONE"})]},
            "auth.tokens[0].token.env: environment variable 'NONE' is not set",
        ),
        (
            {"tokens": [token(), token(name="b")]},
            "auth.tokens[1].token: duplicate of tokens[0].token",
        ),
        (
            {"oracle_keys": [{"key_id": "a", "role": "read", "public_key": "key.pem"}]},
            (
                "auth.oracle_keys[0].public_key: 'key.pem' contains a private key; "
                "use the public key instead"
            ),
        ),
        (
            {"oracle_keys": [{"key_id": "a", "role": "read", "public_key": "token"}]},
            "auth.oracle_keys[0].public_key: 'token' does not contain a public key in PEM format",
        ),
    ],
)
def test_a_mistake_is_named_and_no_secret_with_it(
    problems: Said, section: dict[str, object], said: str
) -> None:
    files = {**FILES, "empty": "\n", "lines": "canary\ncanary"}
    found = problems(auth(**section), files=files)
    assert f"1: server.{said}" in found
    assert "canary" not in "".join(found)


def test_the_web_file_is_read_and_its_paths_start_where_it_is(read: Read) -> None:
    web = f"""
tls_server_config:
  cert_file: cert.pem
  key_file: key.pem
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: cert.pem
  client_allowed_sans: [prometheus.example]
  min_version: TLS13
  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_AES_128_GCM_SHA256]
  curve_preferences: [X25519]
  prefer_server_cipher_suites: false
http_server_config:
  http2: true
  headers: {{X-Frame-Options: deny, Strict-Transport-Security: max-age=1}}
basic_auth_users: {{anna: {HASH}}}
rate_limit: {{interval: 100ms, burst: 20}}
"""
    files = {"etc/web.yml": web, "etc/cert.pem": FILES["cert.pem"], "etc/key.pem": FILES["key.pem"]}
    config = read("server: {web_config_file: etc/web.yml}", files=files)
    endpoint = config.endpoint
    assert endpoint.tls_server_config is not None
    assert endpoint.tls_server_config.cert_file == "etc/cert.pem"
    assert endpoint.requires_certificates
    assert endpoint.basic_auth_users == {"anna": HASH}
    assert endpoint.rate_limit == RateLimit(interval=0.1, burst=20)
    assert "etc/web.yml" in config.files


def test_a_web_file_may_secure_nothing_but_not_be_empty(read: Read, problems: Said) -> None:
    assert read(WEB, files={"web.yml": "{}"}).endpoint == Endpoint()
    assert problems(WEB, files={"web.yml": ""}) == ["web.yml:1: the file is empty"]


TLS = {"cert_file": "cert.pem", "key_file": "key.pem"}


@pytest.mark.parametrize(
    ("web", "said"),
    [
        ({"tls_config": {}}, "tls_config: unknown key; did you mean 'tls_server_config'?"),
        (
            {"tls_server_config": {"cert_file": "cert.pem"}},
            "tls_server_config: missing key 'key_file'",
        ),
        (
            {"tls_server_config": {**TLS, "cert_file": "none.pem"}},
            "tls_server_config.cert_file: cannot read 'none.pem': No such file or directory",
        ),
        (
            {"tls_server_config": {**TLS, "key": "canary"}},
            "tls_server_config.key: write the PEM text to a file and set key_file to its path",
        ),
        (
            {"tls_server_config": {**TLS, "client_auth_type": "RequireAnyClientCert"}},
            (
                "tls_server_config.client_auth_type: expected one of NoClientCert, "
                "VerifyClientCertIfGiven, RequireAndVerifyClientCert, got 'RequireAnyClientCert'; "
                "did you mean 'RequireAndVerifyClientCert'?"
            ),
        ),
        (
            {"tls_server_config": {**TLS, "client_auth_type": "VerifyClientCertIfGiven"}},
            "tls_server_config.client_auth_type: VerifyClientCertIfGiven needs client_ca_file",
        ),
        (
            {"tls_server_config": {**TLS, "client_ca_file": "cert.pem"}},
            (
                "tls_server_config.client_ca_file: has no effect without "
                "client_auth_type: RequireAndVerifyClientCert"
            ),
        ),
        (
            {"tls_server_config": {**TLS, "client_allowed_sans": ["a"]}},
            (
                "tls_server_config.client_allowed_sans: needs "
                "client_auth_type: RequireAndVerifyClientCert"
            ),
        ),
        (
            {"tls_server_config": {**TLS, "min_version": "TLS13", "max_version": "TLS12"}},
            "tls_server_config.max_version: is less than min_version",
        ),
        (
            {"tls_server_config": {**TLS, "min_version": "TLS10"}},
            (
                "tls_server_config.min_version: expected one of TLS12, TLS13, got 'TLS10'; "
                "did you mean 'TLS13'?"
            ),
        ),
        (
            {"tls_server_config": {**TLS, "curve_preferences": ["X25519", "CurveP256"]}},
            "tls_server_config.curve_preferences: only one curve can be set",
        ),
        (
            {"http_server_config": {"headers": {"X-Frame-Options": "allow"}}},
            "http_server_config.headers.X-Frame-Options: expected deny or sameorigin",
        ),
        (
            {"http_server_config": {"headers": {"Server": "x"}}},
            (
                "http_server_config.headers.Server: cannot set this header; expected one of "
                "Content-Security-Policy, Strict-Transport-Security, X-Content-Type-Options, "
                "X-Frame-Options, X-XSS-Protection"
            ),
        ),
        (
            {"basic_auth_users": {"anna": "canary"}},
            "basic_auth_users.anna: expected a bcrypt hash such as $2y$10$...",
        ),
        (
            {"basic_auth_users": {"a:b": HASH}},
            "basic_auth_users['a:b']: expected a user name without a colon",
        ),
        (
            {"rate_limit": {"interval": 1, "burst": 1}},
            "rate_limit.interval: expected a duration with a unit, such as 100ms, or 0 ",
        ),
        (
            {"rate_limit": {"interval": "1s"}},
            "rate_limit.burst: expected at least 1 if interval is set",
        ),
    ],
)
def test_what_cannot_be_kept_is_refused(problems: Said, web: object, said: str) -> None:
    [found] = problems(WEB, files={**FILES, "web.yml": json.dumps(web)})
    assert found.partition(" ")[2].startswith(said)
    assert found.startswith("web.yml:1: ")
    assert "canary" not in found


def test_a_web_file_that_is_missing_is_named(problems: Said) -> None:
    assert problems(WEB) == [
        "1: server.web_config_file: cannot read 'web.yml': No such file or directory"
    ]


def test_mistakes_of_both_files_are_told_at_once(problems: Said) -> None:
    text = "server:\n  listen: x\n  web_config_file: web.yml\n"
    found = problems(text, files={"web.yml": "a: 1\nb: 2"})
    assert [each.rpartition(": ")[0] for each in found[1:]] == ["web.yml:1: a", "web.yml:2: b"]


def complaints_of(folder: Path, server: object) -> list[str]:
    file = folder / "prober.json"
    file.write_text(json.dumps({"server": server}))
    with pytest.raises(ConfigError) as caught:
        load(str(file), environment={}, check_server=LOCAL_CHECKS.server)
    return [each.message for each in caught.value.problems]


def test_a_key_that_does_not_belong_to_its_certificate_is_refused(tmp_path: Path) -> None:
    authority = trustme.CA()
    one, other = (authority.issue_cert("prober.example") for _ in range(2))
    one.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    other.private_key_pem.write_to_path(tmp_path / "key.pem")
    (tmp_path / "web.yml").write_text(json.dumps({"tls_server_config": TLS}))
    [said] = complaints_of(tmp_path, {"web_config_file": "web.yml"})
    assert said == "OpenSSL cannot use these files: KEY_VALUES_MISMATCH"


@pytest.mark.parametrize("package", ["bcrypt", "cryptography"])
def test_a_package_that_is_missing_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    (tmp_path / "public.pem").write_text(PEM)
    (tmp_path / "web.yml").write_text(json.dumps({"basic_auth_users": {"anna": HASH}}))
    monkeypatch.setattr(
        "prober.daemon.local_checks.find_spec", lambda name: None if name == package else name
    )
    keys = [{"key_id": "a", "role": "read", "public_key": "public.pem"}]
    said = complaints_of(tmp_path, {"web_config_file": "web.yml", "auth": {"oracle_keys": keys}})
    command = f"python3 -m pip --python {sys.executable} install {package}"
    assert f"needs the package {package}: {command}" in said


def test_a_public_key_must_be_one_of_rsa(tmp_path: Path) -> None:
    serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415  (an extra)

    curve = ec.generate_private_key(ec.SECP256R1()).public_key()
    (tmp_path / "ec.pem").write_bytes(
        curve.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    (tmp_path / "bad.pem").write_text(PEM)
    keys = [{"key_id": name, "role": "read", "public_key": f"{name}.pem"} for name in ("ec", "bad")]
    said = complaints_of(tmp_path, {"auth": {"oracle_keys": keys}})
    assert said == ["expected an RSA key", "the public key cannot be read"]
