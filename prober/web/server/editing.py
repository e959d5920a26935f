"""Edits over the API: finds the editor, and answers when an edit is on disk."""

from aiohttp import hdrs, web

from prober.edits.contract import Editor
from prober.web.server.errors import Refused
from prober.web.server.services import services_of

_FAILED = 400
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


async def store_edit(request: web.Request, response: web.StreamResponse) -> None:
    """Wait until the edit that a request made is on disk; warn in the answer if it is not."""
    editor = request.get(_ASKED)
    if editor is None or response.status >= _FAILED:
        return
    if not editor.lasting:
        warning = "this edit is lost when prober stops: server.state_dir is not set"
    elif not await editor.stored():
        warning = "this edit is not stored yet: the state directory cannot be written"
    else:
        return
    response.headers[hdrs.WARNING] = f'199 prober "{warning}"'
