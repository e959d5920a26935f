"""The table of the members of a cluster."""

import shutil
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from prober.cli.client import Unanswered
from prober.cli.terminal import table
from prober.model.status import Status
from prober.model.wording import clean, span

_HEADINGS = ("MEMBER", "ZONE", "CHECKS", "STATE", "UP", "VERSION", "CONFIG", "URL")


def status_of(view: Mapping[str, Any]) -> Status:
    """Return WARNING if something about a cluster needs attention, else OK."""
    is_well = view["state"] == "joined" and not view["configurations_differ"]
    return Status.OK if is_well else Status.WARNING


def lines(view: Mapping[str, Any], now: float, *, colour: bool, url: str) -> list[str]:
    """Return what `GET /api/v1/cluster` answers as lines; raise `Unanswered` for other answers."""
    try:
        rows = [_HEADINGS, *(_row(each, view["member"], now) for each in view["members"])]
        head = f"cluster {view['name']}, seen by {view['member']}: {_words(view)}"
    except (KeyError, TypeError, ValueError):
        raise Unanswered(f"{url}: cannot understand the answer; is this a prober?") from None
    width = shutil.get_terminal_size().columns if colour else None
    return [clean(head), *table(rows, width=width, colour=colour)]


def _words(view: Mapping[str, Any]) -> str:
    count = len(view["members"])
    words = [f"{count} member{'' if count == 1 else 's'}"]
    if view["state"] != "joined":
        words.append("etcd is away, so that this may be old")
    if view["configurations_differ"]:
        words.append("their configurations differ")
    return ", ".join(words)


def _row(member: Mapping[str, Any], me: str, now: float) -> tuple[str, ...]:
    up = now - datetime.fromisoformat(member["started_at"]).timestamp()
    state = "leaving" if member["draining"] else "joined"
    return (
        clean(member["name"]) + (" *" if member["name"] == me else ""),
        clean(member["zone"]) or "-",
        str(member["checks"]),
        state,
        span(max(0.0, up)),
        clean(member["version"]),
        clean(member["config_hash"][:8]),
        clean(member["url"]),
    )
