"""Errors: every failure is answered in the form that fits the path, never with a traceback.

This is `{"code", "message"}`, the form of the path's cloud API, or a page.
"""

from collections.abc import Callable
from http import HTTPStatus
from typing import NamedTuple

import structlog
from aiohttp import ClientConnectionError, hdrs, web
from aiohttp.typedefs import Handler

from prober.edits.contract import NotStored
from prober.web.server.dialect import dialect_of
from prober.web.server.json_answer import json_response

_log = structlog.get_logger(__name__)


class ErrorPages(NamedTuple):
    """How to show errors to people: `render` makes a page from a status and a message.

    `paths` are the routes with pages, as written in the table of routes.
    """

    paths: frozenset[str]
    render: Callable[[web.Request, int, str], web.Response]


ERROR_PAGES = web.AppKey("ERROR_PAGES", ErrorPages)


class Refused(Exception):  # noqa: N818  (an answer, not a bug)
    """A request that gets an error; `more` are additional members of the answer.

    Its `headers` are sent with the answer.
    """

    def __init__(self, status: int, message: str, **more: object) -> None:
        super().__init__(message)
        self.status = status
        self.more = more
        self.headers: dict[str, str] = {}


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer every error in the same form."""
    try:
        return await handler(request)
    except Refused as refused:
        response = _answer(request, refused.status, str(refused), **refused.more)
        response.headers.update(refused.headers)
        return response
    except NotStored as error:
        return _answer(request, HTTPStatus.SERVICE_UNAVAILABLE, str(error))
    except web.HTTPException as error:
        if error.status < HTTPStatus.BAD_REQUEST:
            raise
        response = _answer(request, error.status, _in_words(error, request))
        if hdrs.ALLOW in error.headers:
            response.headers[hdrs.ALLOW] = error.headers[hdrs.ALLOW]
        return response
    except ClientConnectionError:  # nobody is left to read this
        return _answer(request, HTTPStatus.BAD_REQUEST, "the client has disconnected")
    except Exception:
        _log.exception("request_failed", method=request.method, path=request.rel_url.raw_path)
        if request.writer.output_size:  # part of the answer is sent: only disconnecting remains
            raise
        message = "internal error; see the log of prober"
        return _answer(request, HTTPStatus.INTERNAL_SERVER_ERROR, message)


def _answer(request: web.Request, status: int, message: str, **more: object) -> web.Response:
    dialect = dialect_of(request)
    if dialect:
        return dialect.error(request, status, message, more)
    if _expects_a_page(request):
        return request.app[ERROR_PAGES].render(request, status, message)
    return error_response(status, message, **more)


def _expects_a_page(request: web.Request) -> bool:
    """Return whether a browser asks for a page, or for something that does not exist."""
    resource = request.match_info.route.resource
    is_of_a_page = resource is None or resource.canonical in request.app[ERROR_PAGES].paths
    return is_of_a_page and "text/html" in request.headers.get(hdrs.ACCEPT, "")


def error_response(status: int, message: str, **more: object) -> web.Response:
    """Return the answer to a failed request."""
    code = HTTPStatus(status).name.lower()
    return json_response({"code": code, "message": message, **more}, status)


def _in_words(error: web.HTTPException, request: web.Request) -> str:
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        return f"{error.method} is not allowed; allowed: {allowed}"
    if isinstance(error, web.HTTPNotFound):
        return f"there is nothing at {request.path[:200]!r}"
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return "the request body is too large"
    return error.reason
