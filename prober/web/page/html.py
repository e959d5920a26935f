"""HTML that is escaped by construction: whatever is not `Html` is text."""

from collections.abc import Iterable
from html import escape
from typing import TypeAlias

from prober.model.wording import clean


class Html(str):
    """Text that is HTML."""

    __slots__ = ()


Content: TypeAlias = "str | float | Iterable[Content] | None"
"""The content of an element: HTML, text, numbers, nothing, or several of these."""

NOTHING = Html("")
_VOID = frozenset({"input", "link", "meta"})


def html(content: Content) -> Html:
    """Return content as HTML; unprintable characters of text become visible."""
    if isinstance(content, Html):
        return content
    if isinstance(content, str):
        return Html(escape(clean(content)))
    if content is None:
        return NOTHING
    if isinstance(content, int | float):
        return Html(content)
    return Html("".join(map(html, content)))


def tag(name: str, /, *content: Content, **attributes: str | float | bool | None) -> Html:
    """Return an element.

    In the name of an attribute `_` means `-`; a final `_` is dropped (`class_`). True is
    an attribute without a value; one that is None or False is left out.
    """
    start = name
    for key, value in attributes.items():
        if value is True:
            start += f" {_attribute(key)}"
        elif value is not None and value is not False:
            start += f' {_attribute(key)}="{html(value)}"'
    if name in _VOID:
        return Html(f"<{start}>")
    return Html(f"<{start}>{html(content)}</{name}>")


def scrolled(table: Html, what: str) -> Html:
    """Return a table in a frame that scrolls if it is too wide; `what` names it."""
    return tag("div", table, class_="wide across", tabindex="0", role="region", aria_label=what)


def _attribute(key: str) -> str:
    return key.rstrip("_").replace("_", "-")
