"""Requests and answers of Oracle's clients: bodies, headers, pages, errors."""

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from http import HTTPStatus
from typing import Any

from aiohttp import hdrs, web

from prober.model.option import Complaint, Rejected, mapping, options_of, unknown_keys
from prober.model.pool import Pool
from prober.state.pace import Pace
from prober.web.dialects.oracle.ledger import new_id
from prober.web.server.errors import Refused
from prober.web.server.json_answer import json_response
from prober.web.server.json_body import read_json
from prober.web.server.query import marker, marker_of, whole_number

PAGE = 1000
"""Items per page: the default and the maximum."""

CODES = {
    400: "InvalidParameter",
    401: "NotAuthenticated",
    403: "NotAuthorized",
    404: "NotFound",
    405: "MethodNotAllowed",
    409: "IncorrectState",
    412: "NoEtagMatch",
    413: "PayloadTooLarge",
    429: "TooManyRequests",
    500: "InternalServerError",
    503: "ServiceUnavailable",
}
"""Oracle's code for each error status, unless the error has its own."""

_TOKEN_LENGTH = 64
_TOLD = 10  # unknown members that a message lists; near misses are looked up for each
_REQUEST_ID = re.compile(r"[!-~]{1,256}")
NO_PROJECT: str = options_of(Pool)["project_id"].default
"""The project of everything without one; it is in every compartment."""
_LIMIT = whole_number("limit", 1, PAGE, "items per page", PAGE)
_MARKER = marker(str)
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


def error(_: web.Request, status: int, message: str, more: Mapping[str, object]) -> web.Response:
    """Return an error in Oracle's form; `code` in `more` is its code."""
    otherwise = CODES[400] if status < 500 else CODES[500]
    code = more.get("code", CODES.get(status, otherwise))
    return json_response({"code": code, "message": message}, status)


def prepare(request: web.Request, response: web.StreamResponse) -> None:
    """Add the id of the request to an answer: the client's, or a new one."""
    given = request.headers.get("opc-request-id", "")
    response.headers["opc-request-id"] = given if _REQUEST_ID.fullmatch(given) else new_id()


async def answer(
    value: object, *, etag: str | None = None, next_page: str | None = None
) -> web.Response:
    """Return an answer with one value, written in slices."""
    pieces, pace = [], Pace()
    for piece in _ENCODER.iterencode(value):
        pieces.append(piece)
        await pace.pause()
    body = "".join((*pieces, "\n")).encode(errors="replace")
    response = web.Response(body=body, content_type="application/json")
    if etag is not None:
        response.headers[hdrs.ETAG] = etag
    if next_page is not None:  # clients would continue after an empty one
        response.headers["opc-next-page"] = next_page
    return response


def absent(what: str) -> Refused:
    """Return the answer for something that does not exist."""
    return Refused(404, f"there is no {what}", code="NotAuthorizedOrNotFound")


def not_offered(what: str) -> Refused:
    """Return the answer to a request for what only a real load balancer can do."""
    message = f"{what} is not supported: prober forwards no traffic"
    return Refused(HTTPStatus.NOT_IMPLEMENTED, message, code="MethodNotImplemented")


async def read_body(request: web.Request) -> object:
    """Return the JSON in a request, or raise `Refused`."""
    try:
        return await read_json(request)
    except ValueError:
        message = "expected JSON in the request body"
        raise Refused(400, message, code="CannotParseRequest") from None


def members_of(body: object, known: Collection[str], required: Iterable[str]) -> dict[str, Any]:
    """Return the members of an object that have a value, or raise `Refused`."""
    try:
        given = mapping(body)
    except Rejected as rejected:
        raise Refused(400, str(rejected), code="CannotParseRequest") from None
    if strange := [name for name in given if name not in known]:
        raise invalid(unknown_keys(strange[:_TOLD], known))
    given = {name: value for name, value in given.items() if value is not None}
    if missing := [name for name in required if name not in given]:
        raise Refused(400, f"missing {', '.join(missing)}", code="MissingParameter")
    return given


def is_as_shown(value: object, shown: object) -> bool:
    """Return whether a value is the one that was shown; a number is no truth value."""
    return value == shown and isinstance(value, bool) is isinstance(shown, bool)


def invalid(complaints: Iterable[Complaint]) -> Refused:
    """Return the answer to values that are not valid."""
    texts = [
        ": ".join(filter(None, (".".join(str(step)[:100] for step in path), message)))
        for path, message in complaints
    ]
    return Refused(400, "; ".join(texts), code="InvalidParameter")


def retry_token(request: web.Request) -> str | None:
    """Return the token by which a client marks repeated requests."""
    token = request.headers.get("opc-retry-token")
    if token is not None and not 1 <= len(token) <= _TOKEN_LENGTH:
        raise Refused(
            400, f"opc-retry-token: expected 1 to {_TOKEN_LENGTH} characters, got {len(token)}"
        )
    return token


def reject_other_version(request: web.Request, version: str) -> None:
    """Raise `Refused` if the client expects a version other than the current one."""
    wanted = request.headers.get(hdrs.IF_MATCH)
    if wanted is None:
        return
    tags = {tag.strip().removeprefix("W/").strip('"') for tag in wanted.split(",")}
    if not tags & {version, "*"}:
        raise Refused(412, f"if-match is {wanted[:200]!r}, but the ETag is {version!r}")


def compartment_in(request: web.Request) -> Callable[[Iterable[str]], bool]:
    """Return a function that decides whether projects are in the requested compartment.

    The default project, to which everything without a project belongs, is in every compartment.
    """
    compartment = request.query.get("compartmentId")
    if not compartment:
        raise Refused(400, "missing compartmentId", code="MissingParameter")
    return lambda projects: not {compartment, NO_PROJECT}.isdisjoint(projects)


def page_of(request: web.Request, names: Iterable[str]) -> tuple[list[str], str | None]:
    """Return the names on the requested page, and the marker of the next page."""
    query = request.query
    limit = _LIMIT.value(query["limit"]) if "limit" in query else PAGE
    falling = query.get("sortBy", "").lower() == "displayname" and query.get("sortOrder") == "DESC"
    ordered = sorted(names, reverse=falling)
    if "page" in query:
        try:
            (after,) = _MARKER.read(query["page"])
        except Rejected:
            got = query["page"][:200]
            raise Refused(
                400, f"page: expected the opc-next-page of an earlier answer, got {got!r}"
            ) from None
        ordered = [name for name in ordered if (name < after if falling else name > after)]
    page = ordered[:limit]
    return page, marker_of(page[-1]) if ordered[limit:] else None
