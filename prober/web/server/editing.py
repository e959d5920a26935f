"""Edits over the API: finds the editor, and warns if edits are not stored."""

from aiohttp import hdrs, web

from prober.edits.contract import Editor
from prober.web.server.errors import Refused
from prober.web.server.services import services_of

_ASKED = web.RequestKey("ASKED", Editor)


def editor_of(request: web.Request) -> Editor:
    """Return the editor for a request; raise `Refused` if edits are disabled."""
    editor = services_of(request).editor
    if editor is None:
        raise Refused(403, "this prober has nothing to edit")
    if editor.locked:
        raise Refused(403, editor.locked)
    request[_ASKED] = editor
    return editor


def warn_of_loss(request: web.Request, response: web.StreamResponse) -> None:
    """Warn in the answer to an edit if the edit is lost when the process ends."""
    editor = request.get(_ASKED)
    if editor and not editor.lasting and response.status < 400:
        response.headers[hdrs.WARNING] = (
            '199 prober "this edit is lost when prober stops: server.state_dir is not set"'
        )
