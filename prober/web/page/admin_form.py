"""Admin states on the pages of pools and checks: shown, set and ended with forms.

The forms work without JavaScript. This module does not decide whether a request may change
anything: the role of its sender, and whether another site sends it, are checked before any handler.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import parse_qsl

from aiohttp import hdrs, web

from prober.model.admin import BACKENDS, POOLS, AdminEntry, AdminKey, AdminState
from prober.model.pool import Backend, Pool
from prober.state.store import Store
from prober.web.api.admin_routes import read_entry
from prober.web.page.check_words import until_words
from prober.web.page.html import NOTHING, Content, Html, tag
from prober.web.page.scene import Scene, private_scene
from prober.web.server.auth import caller_name, may_write
from prober.web.server.editing import editor_of
from prober.web.server.errors import Refused
from prober.web.server.lookup import check_of
from prober.web.server.services import services_of

LISTED = 200
"""Backends that a form lists at most; others have a form on the pages of their checks."""
WHOLE = "*"
"""The value of a form that stands for the whole pool."""
END = "end"
"""The value of a form that ends a state, in place of a state."""
_FORM = "application/x-www-form-urlencoded"
_SPANS = {
    "30m": "30 minutes",
    "1h": "1 hour",
    "2h": "2 hours",
    "4h": "4 hours",
    "12h": "12 hours",
    "1d": "1 day",
    "7d": "7 days",
    "30d": "30 days",
}
_USUAL = "2h"
_MEANINGS = {
    AdminState.MAINTENANCE: "maintenance: out of service, does not count",
    AdminState.DRAIN: "drain: no new requests, does not count",
    AdminState.FORCED_UP: "forced up: in service, whatever is measured",
    AdminState.FORCED_DOWN: "forced down: out of service, whatever is measured",
}


class FormTarget(NamedTuple):
    """What a form is about: one backend of a pool, or what the reader chooses of the pool.

    `action` is the address that it is sent to.
    """

    pool: Pool
    action: str
    backend: Backend | None = None


def can_set(request: web.Request) -> bool:
    """Return whether the reader of a page may set admin states."""
    editor = services_of(request).editor
    return editor is not None and not editor.locked and may_write(request)


def admin_section(request: web.Request, target: FormTarget, scene: Scene) -> Content:
    """Return the states that are set on a pool or one of its backends, and the form to set one."""
    store, editable = services_of(request).store, can_set(request)
    entries = [
        _entry(key, entry, target, scene, can_end=editable and store.admin.is_set(key))
        for key, entry in _entries_of(store, target).items()
    ]
    if not entries and not editable:
        return NOTHING
    return tag(
        "section",
        tag("h2", "Admin states"),
        tag("ul", entries, class_="admin-states") if entries else None,
        _form(target) if editable else None,
        id="admin",
    )


def _entries_of(store: Store, target: FormTarget) -> Mapping[AdminKey, AdminEntry]:
    """Return the states of the pool and, of its backends, those that the form is about."""
    name, entries = target.pool.name, store.admin.entries
    if not entries:
        return {}
    backends = target.pool.backends if target.backend is None else (target.backend,)
    keys = [(POOLS, name)]
    for backend in backends:
        keys += [(BACKENDS, f"{name}/{backend.key}"), (BACKENDS, backend.key)]
    return {key: entries[key] for key in keys if key in entries}


def _entry(
    key: AdminKey, entry: AdminEntry, target: FormTarget, scene: Scene, *, can_end: bool
) -> Html:
    kind, name = key
    what: Content = "the whole pool"
    if kind == BACKENDS:
        address = name.rpartition("/")[2]
        named = {backend.key: backend.name for backend in target.pool.backends}
        what = (f"{known} " if (known := named.get(address)) else None, tag("code", address))
    is_everywhere = kind == BACKENDS and "/" not in name
    words: list[Content] = [
        tag("b", entry.state.replace("_", " ")),
        " of ",
        what,
        " in all pools" if is_everywhere else None,
        f" {until}" if (until := until_words(entry.until, scene.now.wall)) else None,
        f", set by {entry.by}",
        f": {entry.reason}" if entry.reason else None,
    ]
    can_end = can_end and (target.backend is None or kind == BACKENDS)
    form = tag(
        "form",
        tag("input", type="hidden", name="of", value=_value_of(key)),
        tag("input", type="hidden", name="state", value=END),
        tag("button", "End", aria_label=f"End {entry.state} of {name}"),
        method="post",
        action=target.action,
    )
    return tag(
        "li",
        tag("span", words),
        form if can_end else None,
        data_key=f"{kind} {name}",
    )


def _value_of(key: AdminKey) -> str:
    kind, name = key
    return WHOLE if kind == POOLS else name


def _form(target: FormTarget) -> Html:
    states = [tag("option", words, value=str(state)) for state, words in _MEANINGS.items()]
    spans = [
        tag("option", words, value=value, selected=value == _USUAL)
        for value, words in _SPANS.items()
    ]
    fields = [
        _choice_of_backends(target),
        tag("label", "State", tag("select", states, name="state")),
        tag("label", "For", tag("select", spans, name="until")),
        tag(
            "label",
            "Reason",
            tag("input", type="text", name="reason", maxlength="255", autocomplete="off"),
        ),
        tag("button", "Set", class_="main"),
    ]
    form = tag("form", fields, method="post", action=target.action, class_="filters")
    return tag("details", tag("summary", "Set an admin state"), form)


def _choice_of_backends(target: FormTarget) -> Html:
    if target.backend is not None:
        return tag("input", type="hidden", name="of", value=_own_name(target, target.backend))
    options = [tag("option", "choose", value=""), tag("option", "the whole pool", value=WHOLE)]
    if len(target.pool.backends) <= LISTED:
        options += [
            tag(
                "option",
                f"{backend.name} ({backend.key})" if backend.name else backend.key,
                value=_own_name(target, backend),
                data_key=backend.key,
            )
            for backend in target.pool.backends
        ]
    return tag("label", "Of", tag("select", options, name="of", required=True))


def _own_name(target: FormTarget, backend: Backend) -> str:
    return f"{target.pool.name}/{backend.key}"


# What the forms send


async def set_admin_of_pool(request: web.Request) -> web.Response:
    """Set or end an admin state of a pool or a backend with a form, then show the pool again."""
    scene, name = private_scene(request), request.match_info["name"]
    pool = services_of(request).store.pools.get(name)
    if pool is None:
        raise Refused(404, f"there is no pool {name!r}")
    return await _change(request, FormTarget(pool, ""), scene.to("pools", name))


async def set_admin_of_check(request: web.Request) -> web.Response:
    """Set or end an admin state of a backend with a form, then show the check again."""
    scene, check = private_scene(request), check_of(request).check
    target = FormTarget(check.pool, "", check.backend)
    return await _change(request, target, scene.to_check(*check.key))


async def _change(request: web.Request, target: FormTarget, back: str) -> web.Response:
    editor_of(request)
    given, services = await _read_form(request), services_of(request)
    key = _key_of(given.pop("of", ""), target)
    by = caller_name(request) or "page"
    if given.get("state") == END:
        if not services.store.admin.clear(key, by=by):
            raise Refused(404, f"no admin state is set for {key[1]!r}")
    else:
        services.store.admin.put(key, _read_entry(given, now=services.wall(), by=by))
    return web.Response(status=303, headers={hdrs.LOCATION: back})


async def _read_form(request: web.Request) -> dict[str, str]:
    if request.content_type != _FORM:
        raise Refused(415, f"expected a body of type {_FORM}, got {request.content_type}")
    try:
        text = (await request.read()).decode()
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=10)
    except ValueError:
        raise Refused(400, "the form is not valid") from None
    given = dict(pairs)
    if len(given) < len(pairs) or given.keys() - {"of", "state", "until", "reason"}:
        raise Refused(400, "expected the fields of, state, until and reason, each once")
    return given


def _key_of(value: str, target: FormTarget) -> AdminKey:
    """Return what a form is about; raise `Refused` if that does not belong to its page."""
    backends = target.pool.backends if target.backend is None else (target.backend,)
    if value == WHOLE and target.backend is None:
        return POOLS, target.pool.name
    for backend in backends:
        if value in (_own_name(target, backend), backend.key):
            return BACKENDS, value
    raise Refused(400, "choose the whole pool or one of its backends")


def _read_entry(given: Mapping[str, str], *, now: float, by: str) -> AdminEntry:
    try:
        return read_entry(given, now=now, by=by)
    except Refused as refused:
        problems: Sequence[Mapping[str, str]] = refused.more.get("problems", ())  # type: ignore[assignment]  # as read_entry makes them
        words = "; ".join(f"{each['path']}: {each['message']}" for each in problems)
        raise Refused(400, f"{refused}: {words}") from None
