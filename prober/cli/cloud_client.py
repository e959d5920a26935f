"""Asks a cloud's API for what `prober import --from-url` reads; uses only the standard library."""

import configparser
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import Request, urlopen

from prober.importing.cloud_answers import CloudAnswer, CloudQuestion
from prober.importing.cloud_signing import OracleSigningKey, SigningError, sign_huawei, sign_oracle

_SECONDS = 30.0
_LIMIT = 1 << 26  # bytes of an answer
_REASON_LIMIT = 2000
_SAID = ("faultstring", "error_msg", "message")
"""Where OpenStack, Huawei and Oracle say what is wrong."""

Sign = Callable[[str, str], Mapping[str, str]]
"""Returns the headers that authenticate a GET: of a host, and of a path with its query."""


class CloudUnread(Exception):  # noqa: N818  (describes what happened to the import)
    """An API cannot be asked, or does not answer; the message says why."""


class Credentials(NamedTuple):
    """How requests are authenticated: what makes the headers, and where the values come from."""

    sign: Sign
    source: str


def credentials_for(
    signs: str, token_file: str | None, environment: Mapping[str, str], wall: Callable[[], float]
) -> Credentials:
    """Return the credentials that are there: a token, or the keys of a cloud's own clients."""
    token = environment.get("OS_TOKEN") if signs != "oracle" else None
    if token_file is not None:
        token = _read(token_file).strip()
    if token:
        return Credentials(lambda _, __: {"X-Auth-Token": token}, token_file or "$OS_TOKEN")
    if signs == "huawei":
        access = environment.get("HUAWEICLOUD_SDK_AK")
        secret = environment.get("HUAWEICLOUD_SDK_SK")
        if access and secret:
            return Credentials(
                lambda host, target: sign_huawei(host, target, access, secret, wall()),
                "$HUAWEICLOUD_SDK_AK",
            )
    if signs == "oracle" and (found := _oracle_key(environment)):
        key, path = found
        return Credentials(lambda host, target: sign_oracle(host, target, key, wall()), path)
    return Credentials(lambda _, __: {}, "none")


def _oracle_key(environment: Mapping[str, str]) -> tuple[OracleSigningKey, str] | None:
    """Return the key in the file of Oracle's own clients, if there is one."""
    path = environment.get("OCI_CONFIG_FILE") or f"{environment.get('HOME', '')}/.oci/config"
    if not Path(path).exists():
        return None
    parsed = configparser.ConfigParser(interpolation=None)
    profile = environment.get("OCI_CLI_PROFILE") or "DEFAULT"
    try:
        parsed.read_string(_read(path))
        section = parsed[profile]
        named = [section[name] for name in ("tenancy", "user", "fingerprint")]
        pem = _read(str(Path(section["key_file"]).expanduser()))
    except (configparser.Error, KeyError) as error:
        raise CloudUnread(f"{path}: profile {profile}: {error}") from None
    return OracleSigningKey("/".join(named), pem.encode(), section.get("pass_phrase")), path


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise CloudUnread(f"cannot read {path}: {why}") from None


def ask(url: str, question: CloudQuestion, credentials: Credentials) -> CloudAnswer:
    """Return the answer to a question; raise `CloudUnread`."""
    whole = url + question.path + (f"?{urlencode(question.query)}" if question.query else "")
    parts = urlsplit(whole)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    request = Request(whole, headers={"Accept": "application/json"})  # noqa: S310  (http or https)
    try:
        for name, value in credentials.sign(parts.netloc, target).items():
            request.add_unredirected_header(name, value)
        with urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310
            content, next_page = answer.read(_LIMIT + 1), answer.headers.get("opc-next-page")
    except SigningError as error:
        raise CloudUnread(f"{credentials.source}: {error}") from None
    except HTTPError as error:
        with error:
            raise CloudUnread(f"{whole}: HTTP {error.code} {_said(error, credentials)}") from None
    except (OSError, HTTPException) as error:
        raise CloudUnread(f"{whole}: {_why(error)}") from None
    if len(content) > _LIMIT:
        raise CloudUnread(f"{whole}: the answer is longer than {_LIMIT} bytes")
    try:
        return CloudAnswer(json.loads(content), next_page)
    except ValueError:
        raise CloudUnread(f"{whole}: the answer is not JSON; is this the right API?") from None


def _said(error: HTTPError, credentials: Credentials) -> str:
    """Return what an API says of an error, and which credentials were sent."""
    try:
        text = error.read(_REASON_LIMIT).decode(errors="replace")
    except (OSError, HTTPException):
        text = ""
    with suppress(ValueError):
        answer = json.loads(text)
        said = [answer[name] for name in _SAID if isinstance(answer, dict) and name in answer]
        text = str(said[0]) if said else text
    hint = f"; credentials: {credentials.source}" if error.code in (401, 403) else ""
    return f"{error.reason}: {' '.join(text.split())}{hint}"


def _why(error: OSError | HTTPException) -> str:
    reason = error.reason if isinstance(error, URLError) else error
    said = reason.strerror if isinstance(reason, OSError) else None
    return (said or str(reason) or type(reason).__name__).lower()
