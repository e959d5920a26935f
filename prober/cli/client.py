"""An HTTP client for a running daemon; uses only the standard library, so `health` starts fast."""

import json
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, unquote, urlencode, urlsplit
from urllib.request import ProxyHandler, Request, build_opener

_SECONDS = 5.0
_LIMIT = 1 << 26  # bytes of an answer
_HINTS = {
    401: "; pass a valid token with --token-file",
    403: "; the credentials do not permit this",
}
_ANSWER_LIMIT = 1 << 16
_REASON_LIMIT = 200  # bytes of an error answer


class Unanswered(Exception):  # noqa: N818  (describes what happened to the request)
    """The daemon cannot be reached, or the answer is not one of prober's."""


def token_in(file: str | None) -> str | None:
    """Return the token in a file, or None without a file; raise `Unanswered` if it is unusable."""
    if file is None:
        return None
    try:
        token = Path(file).read_text("ascii").strip()
    except OSError as error:
        raise Unanswered(f"cannot read the token file {file!r}: {error.strerror}") from None
    except ValueError:
        token = ""
    if not token or not token.isprintable() or " " in token:
        raise Unanswered(f"the token file {file!r} does not contain a token on a single line")
    return token


def ask(
    url: str, path: str, query: Mapping[str, str] | None = None, *, token: str | None = None
) -> bytes:
    """Return the daemon's answer to a GET, or raise `Unanswered`.

    A user and password in the URL are sent as basic authentication, unless there is a token. Proxy
    settings in the environment are ignored, so the request goes to exactly this address.
    """
    question = f"?{urlencode(query)}" if query else ""
    return _answer(url, path + question, token, "GET", None)


def send(
    url: str, path: str, method: str, given: object, *, token: str | None = None
) -> dict[str, Any]:
    """Send JSON, or nothing for None, and return the JSON answer; raise `Unanswered`."""
    body = None if given is None else json.dumps(given).encode()
    content = _answer(url, path, token, method, body)
    try:
        answer: dict[str, Any] = json.loads(content or b"{}")
    except ValueError:
        raise Unanswered(f"{url}{path}: the answer is not JSON; is this a prober?") from None
    return answer


def _answer(url: str, path: str, token: str | None, method: str, body: bytes | None) -> bytes:
    address, authorization = _without_password(url)
    if token is not None:
        authorization = f"Bearer {token}"
    headers = {"Accept": "application/json, text/plain"}
    if body is not None:
        headers["Content-Type"] = "application/json"
    request = Request(  # noqa: S310  (http or https only)
        address + path, headers=headers, method=method, data=body
    )
    if authorization is not None:
        request.add_unredirected_header("Authorization", authorization)
    try:
        with build_opener(ProxyHandler({})).open(request, timeout=_SECONDS) as answer:
            content: bytes = answer.read(_LIMIT + 1)
    except HTTPError as error:
        with error:
            why = f"HTTP {error.code} {_reason(error)}{_HINTS.get(error.code, '')}"
            raise Unanswered(f"{address}{path}: {why}") from None
    except (OSError, HTTPException) as error:
        raise Unanswered(f"{address}: {_why(error)}") from None
    if len(content) > _LIMIT:
        raise Unanswered(f"{address}{path}: the answer is longer than {_LIMIT} bytes")
    return content


def _without_password(url: str) -> tuple[str, str | None]:
    """Return the URL without user and password, and these as the value of a header."""
    parts = urlsplit(url)
    user, separator, host = parts.netloc.rpartition("@")
    basic = f"Basic {b64encode(unquote(user).encode()).decode()}" if separator else None
    return parts._replace(netloc=host, path=quote(parts.path, safe="/%")).geturl(), basic


def _reason(error: HTTPError) -> str:
    """Return what the daemon gives as its reason, or the reason of the status."""
    said = ""
    with suppress(OSError, HTTPException, ValueError, KeyError, TypeError):
        match error.headers.get_content_type():
            case "text/plain":
                said = error.read(_REASON_LIMIT).decode(errors="replace").partition("\n")[0]
            case "application/json":
                said = _told(json.loads(error.read(_ANSWER_LIMIT)))
    return f"{error.reason}: {said}" if said else str(error.reason)


def _told(answer: dict[str, Any]) -> str:
    """Return the message of an error, with the problems that it names."""
    problems = [
        f"{each['path']}: {each['message']}" if isinstance(each, dict) else str(each)
        for each in answer.get("problems", ())
    ]
    return "; ".join([str(answer["message"]), *problems])


def _why(error: OSError | HTTPException) -> str:
    reason = error.reason if isinstance(error, URLError) else error
    if isinstance(reason, ConnectionRefusedError):
        return "connection refused; is prober running? --url says where to look"
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror.lower()
    return str(reason) or type(reason).__name__


def ask_json(
    url: str, path: str, query: Mapping[str, str] | None = None, *, token: str | None = None
) -> Any:
    """Return the daemon's JSON answer, or raise `Unanswered`."""
    content = ask(url, path, query, token=token)
    try:
        return json.loads(content)
    except ValueError:
        raise Unanswered(f"{url}{path}: the answer is not JSON; is this a prober?") from None


def all_checks(
    url: str, query: Mapping[str, str], *, token: str | None = None
) -> list[dict[str, Any]]:
    """Return every check that matches, reading page by page, or raise `Unanswered`."""
    checks: list[dict[str, Any]] = []
    marker: str | None = None
    while True:
        place = {"marker": marker} if marker else {}
        page = ask_json(url, "/api/v1/checks", {**query, **place}, token=token)
        if not isinstance(page, dict) or not isinstance(page.get("checks"), list):
            raise Unanswered(f"{url}/api/v1/checks: not a list of checks; is this a prober?")
        checks += page["checks"]
        before, marker = marker, page.get("next_marker")
        if not marker or marker == before or not page["checks"]:
            return checks
