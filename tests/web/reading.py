"""Pages read as a browser would: elements with their attributes and text."""

from html.parser import HTMLParser
from typing import NamedTuple
from urllib.parse import urljoin

VOID = {"link", "meta", "input", "br"}


class Element(NamedTuple):
    """An element; `text` is all text inside."""

    tag: str
    attributes: dict[str, str]
    texts: list[str]

    @property
    def text(self) -> str:
        return " ".join("".join(self.texts).split())

    @property
    def classes(self) -> list[str]:
        return self.attributes.get("class", "").split()


ADDRESSES = ("href", "src", "action", "data-pulse", "data-probe", "data-root")


class Reading(HTMLParser):
    """All elements of a page, in order; fails on one that is closed wrongly.

    Where it says `at` which path it is, its addresses are read as seen from there.
    """

    def __init__(self, text: str, at: str = "") -> None:
        super().__init__()
        self._at = at
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(text)
        self.close()
        assert not self._open, self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"{tag} has an attribute twice: {names}"
        read = {name: self._read(name, value or "") for name, value in attrs}
        element = Element(tag, read, [])
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def _read(self, name: str, value: str) -> str:
        if name not in ADDRESSES or value.startswith("#"):
            return value
        return urljoin(self._at, value)

    def handle_endtag(self, tag: str) -> None:
        element = self._open.pop()
        assert element.tag == tag, f"{element.tag} is closed by {tag}"

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.texts.append(data)

    def all(self, tag: str, class_: str = "", **attributes: str) -> list[Element]:
        """Return the elements of this tag that have a class and attributes."""
        return [
            element
            for element in self.elements
            if element.tag == tag
            and (not class_ or class_ in element.classes)
            and attributes.items() <= element.attributes.items()
        ]

    def rows(self) -> list[str]:
        """Return the keys of the rows of checks, in order."""
        return [
            each.attributes["data-key"] for each in self.all("tr") if "data-key" in each.attributes
        ]
