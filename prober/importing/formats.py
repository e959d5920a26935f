"""The tools whose configurations can be imported."""

from collections.abc import Callable, Mapping, Sequence

from prober.importing import (
    blackbox,
    cloudprober,
    gatus,
    haproxy,
    kubernetes_probes,
    uptime_kuma,
)
from prober.importing.draft import Draft
from prober.importing.source import SourceText, UnreadableSource, documents
from prober.importing.textproto import TextProto

NamedText = tuple[str, str]
"""The name of a file, and its text."""


def _haproxy(sources: Sequence[NamedText], draft: Draft) -> None:
    for name, text in sources:
        try:
            haproxy.read(text, name, draft)
        except ValueError as error:
            raise UnreadableSource(f"{name}: {error}") from None


def _blackbox(sources: Sequence[NamedText], draft: Draft) -> None:
    modules, *jobs = (SourceText(text, name) for name, text in sources)
    blackbox.read(modules, jobs, draft)


def _cloudprober(sources: Sequence[NamedText], draft: Draft) -> None:
    read = [
        TextProto(text, name) if cloudprober.is_textproto(name, text) else SourceText(text, name)
        for name, text in sources
    ]
    cloudprober.read(read, draft)


def _gatus(sources: Sequence[NamedText], draft: Draft) -> None:
    for name, text in sources:
        gatus.read(SourceText(text, name), draft)


def _kubernetes(sources: Sequence[NamedText], draft: Draft) -> None:
    for name, text in sources:
        kubernetes_probes.read(documents(text, name), draft)


def _uptime_kuma(sources: Sequence[NamedText], draft: Draft) -> None:
    for name, text in sources:
        uptime_kuma.read(SourceText(text, name), draft)


FORMATS: Mapping[str, Callable[[Sequence[NamedText], Draft], None]] = {
    "haproxy": _haproxy,
    "blackbox": _blackbox,
    "cloudprober": _cloudprober,
    "gatus": _gatus,
    "kubernetes": _kubernetes,
    "uptime-kuma": _uptime_kuma,
}
"""What reads each format."""


def import_from(tool: str, sources: Sequence[NamedText]) -> Draft:
    """Return what these files of a tool say; raise `UnreadableSource`."""
    draft = Draft()
    FORMATS[tool](sources, draft)
    return draft
