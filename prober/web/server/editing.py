"""Edits over the API: who makes the one that a request asks for."""

from aiohttp import hdrs, web

from prober.edits.contract import Editor
from prober.web.server.errors import Refused
from prober.web.server.services import services_of

_ASKED = web.RequestKey("ASKED", Editor)


def editor_of(request: web.Request) -> Editor:
    """Return who makes the edit that a request asks for; raise `Refused` where edits are off."""
    editor = services_of(request).editor
    if editor is None:
        raise Refused(403, "there is nothing here that could be edited")
    if editor.locked:
        raise Refused(403, editor.locked)
    request[_ASKED] = editor
    return editor


def warn_of_loss(request: web.Request, response: web.StreamResponse) -> None:
    """Say in the answer to an edit that it ends with the process, where nothing keeps it."""
    editor = request.get(_ASKED)
    if editor and not editor.lasting and response.status < 400:
        response.headers[hdrs.WARNING] = (
            '199 prober "this edit is lost when the prober stops: server.state_dir is not set"'
        )
