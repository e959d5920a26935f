"""Notices over the native API: published, listed, withdrawn."""

from uuid import uuid4

from aiohttp import web

from prober.model.notice import NOTICE as NOTICE_OF_CONFIGURATION
from prober.model.option import ReadContext, Rejected, dotted
from prober.state.notices import MOST, TooManyNoticesError
from prober.web.api.edit_routes import read_object
from prober.web.api.notice_shapes import NOTICE, NOTICES
from prober.web.server.auth import caller_name
from prober.web.server.editing import editor_of
from prober.web.server.errors import Refused
from prober.web.server.json_answer import json_response
from prober.web.server.noticeboard import API, FILE, PostedNotice, posted_notices
from prober.web.server.query import read_query
from prober.web.server.services import services_of

_NO_CONTEXT = ReadContext("", lambda _: "", {})


async def get_notices(request: web.Request) -> web.Response:
    """All notices: those of the configuration file, and those that were published over the API."""
    read_query(request)
    return await NOTICES.document(None, notices=posted_notices(request))


async def post_notice(request: web.Request) -> web.Response:
    """Publish a notice on the public page and in its feed.

    It is shown from `from` until `until`; without them, at once and until it is withdrawn.
    """
    read_query(request)
    editor_of(request)
    try:
        notice = NOTICE_OF_CONFIGURATION.read(await read_object(request), _NO_CONTEXT)
    except Rejected as rejected:
        problems = [{"path": dotted(p), "message": what} for p, what in rejected.complaints]
        raise Refused(400, "the notice is not valid", problems=problems) from None
    services, identity, by = services_of(request), str(uuid4()), caller_name(request) or "api"
    now = services.wall()
    if notice.has_ended(now):
        problem = {"path": "until", "message": "expected a time in the future"}
        raise Refused(400, "the notice is not valid", problems=[problem])
    try:
        stored = services.notices.publish(identity, notice, by=by, at=now)
    except TooManyNoticesError:
        raise Refused(409, f"there are {MOST} notices already; withdraw some first") from None
    return json_response(NOTICE.render(PostedNotice(identity, notice, API, by, stored.at)), 201)


async def delete_notice(request: web.Request) -> web.Response:
    """Withdraw a notice that was published over the API."""
    read_query(request)
    editor_of(request)
    identity = request.match_info["id"]
    if services_of(request).notices.withdraw(identity, by=caller_name(request) or "api"):
        return web.Response(status=204)
    for posted in posted_notices(request):
        if posted.origin == FILE and posted.identity == identity:
            raise Refused(409, "this notice is in the configuration file (page.notices)")
    raise Refused(404, f"there is no notice {identity!r}")
