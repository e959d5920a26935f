"""All notices for the readers of the public page: those of the file, and those of the API."""

from collections.abc import Iterable
from typing import NamedTuple

from aiohttp import web

from prober.model.notice import SEVERITIES, Notice, identity_of
from prober.web.server.services import services_of

FILE, API = "file", "api"
"""Where a notice comes from."""


class PostedNotice(NamedTuple):
    """A notice, where it comes from and, over the API, who published it when (unix seconds)."""

    identity: str
    notice: Notice
    origin: str
    by: str | None = None
    at: float | None = None


def posted_notices(request: web.Request) -> list[PostedNotice]:
    """Return all notices, the file's first; over the API, only those that have not ended."""
    services = services_of(request)
    ours = [PostedNotice(identity_of(each), each, FILE) for each in services.page().notices]
    theirs = [
        PostedNotice(identity, stored.notice, API, stored.by, stored.at)
        for identity, stored in services.notices.current(services.wall()).items()
    ]
    return ours + theirs


def shown_notices(posted: Iterable[PostedNotice], now: float) -> list[PostedNotice]:
    """Return the notices that are shown at a unix time, the most severe first."""
    shown = [each for each in posted if each.notice.is_shown(now)]
    return sorted(shown, key=lambda each: -SEVERITIES.index(each.notice.severity))
