"""The table of a running daemon's checks, problems first, shown once or refreshed."""

import json
import shutil
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple, TextIO

from prober.cli.client import Unanswered, all_checks, ask_json
from prober.cli.terminal import cut, paint, table
from prober.model.aggregate import WORST_FIRST, worst
from prober.model.fact import said
from prober.model.status import Status
from prober.model.wording import clean, progress, result_words, span
from prober.probes import PROBE_TYPES

_HEADINGS = ("MONITOR", "BACKEND", "STATUS", "LAST", "RISE/FALL", "SINCE")


class Row(NamedTuple):
    """One row of the table; the fields are in the order of the columns."""

    monitor: str
    backend: str
    status: Status
    last: str
    progress: str
    since: str


class StatusView(NamedTuple):
    """The daemon's answer at one moment, with the checks as in the API."""

    title: str
    checks: Sequence[Mapping[str, Any]]
    asked: str = ""
    """The filter in words, or empty."""

    @property
    def status(self) -> Status:
        """The worst status of the enabled checks."""
        return worst(Status(each["status"]) for each in self.checks if not _is_disabled(each))


def look(url: str, query: Mapping[str, str], token: str | None = None) -> StatusView:
    """Ask a daemon for its checks, or raise `Unanswered`."""
    summary = ask_json(url, "/api/v1/status", token=token)
    checks = all_checks(url, query, token=token)
    try:
        itself = summary["prober"]
        title = f"{itself['name']}, prober {itself['version']}"
        for check in checks:
            row(check, 0.0)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise Unanswered(f"{url}: cannot understand the answer; is this a prober?") from None
    asked = "".join(f" of {key} {value!r}" for key, value in query.items())
    return StatusView(clean(title), checks, clean(asked))


def _is_disabled(check: Mapping[str, Any]) -> bool:
    last = check["last"]
    return last is not None and last["reason"] == "disabled"


def row(check: Mapping[str, Any], now: float) -> Row:
    """Return the row for a check from the API at a unix time."""
    since = datetime.fromisoformat(check["since"]).timestamp()
    return Row(
        clean(check["monitor"]),
        clean(_backend(check)),
        Status(check["status"]),
        clean(_admin(check) + _last(check["type"], check["last"])),
        progress(
            online=check["online"],
            streak=check["streak"],
            rise=check["rise"],
            fall=check["fall"],
        ),
        span(now - since),
    )


def _backend(check: Mapping[str, Any]) -> str:
    name = check.get("backend_name")
    return f"{check['backend']} ({name})" if name else str(check["backend"])


def _admin(check: Mapping[str, Any]) -> str:
    admin = check.get("admin")
    return f"{admin['state']}; " if admin else ""


def _last(type_name: str, last: Mapping[str, Any] | None) -> str:
    if last is None:
        return "not probed yet"
    if last["reason"] == "disabled":
        return "disabled"
    known = PROBE_TYPES.get(type_name)  # the daemon may have types that this version does not
    facts = said(known.facts, last) if known else ""
    return result_words(last["reason"], facts, last["duration_seconds"])


def lines(view: StatusView, *, now: float, width: int | None, colour: bool) -> list[str]:
    """Return the lines of a view: a summary, then a table if there are checks."""
    statuses = Counter(Status(check["status"]) for check in view.checks if not _is_disabled(check))
    counts = ", ".join(f"{statuses[status]} {status}" for status in WORST_FIRST)
    if disabled := len(view.checks) - statuses.total():
        counts += f", {disabled} disabled"
    status = view.status
    summary = f"{status}  {counts if view.checks else f'no checks{view.asked}'}  ({view.title})"
    summary = cut(summary, width) if width else summary
    if colour:
        summary = paint(status, status) + summary[len(status) :]
    if not view.checks:
        return [summary]
    rows = sorted((row(check, now) for check in view.checks), key=_problems_first)
    spare = Row._fields.index("last")  # cut this column first: names matter more
    return [summary, "", *table([_HEADINGS, *rows], width=width, colour=colour, spare=spare)]


def _problems_first(each: Row) -> tuple[int, str, str]:
    return WORST_FIRST.index(each.status), each.monitor, each.backend


class Screen:
    """Shows views: fitted to the width on a terminal, in full anywhere else.

    `wall` returns unix time; `as_json` shows the checks as in the API.
    """

    def __init__(
        self, out: TextIO, *, colour: bool, as_json: bool, wall: Callable[[], float]
    ) -> None:
        self._out = out
        self._colour = colour
        self._as_json = as_json
        self._wall = wall

    def show(self, view: StatusView) -> None:
        """Show a view once."""
        width = shutil.get_terminal_size().columns if self._out.isatty() else None
        self._write("\n".join(self._lines(view, width)) + "\n")

    def show_again(self, view: StatusView | None, trouble: str) -> None:
        """Replace the shown view with the latest one, and say why there is none newer."""
        size = shutil.get_terminal_size() if self._out.isatty() else None
        shown = self._lines(view, size.columns if size else None) if view else []
        if trouble:
            shown = [self._trouble(trouble), *(() if self._as_json else shown)]
        if size is None or self._as_json:
            self._write("\n".join(shown) + "\n")
            return
        if len(shown) > size.lines:
            shown = [*shown[: size.lines - 1], f"... {len(shown) - size.lines + 1} more"]
        # Write from the top left, erase the rest of each line, then what is left below, without
        # wrapping. Clearing the screen first would flicker.
        self._write("\x1b[?7l\x1b[H" + "\x1b[K\n".join(shown) + "\x1b[K\x1b[J\x1b[?7h")

    def leave(self) -> None:
        """Move the cursor below what is shown, even if that was interrupted."""
        if not self._as_json:
            self._write("\x1b[0m\x1b[?7h\n" if self._out.isatty() else "\n")

    def _lines(self, view: StatusView, width: int | None) -> list[str]:
        if self._as_json:  # DEL is the one control character that JSON does not escape
            return [json.dumps({"checks": view.checks}).replace("\x7f", "\\u007f")]
        return lines(view, now=self._wall(), width=width, colour=self._colour)

    def _trouble(self, why: str) -> str:
        why = f"cannot reach the daemon, retrying: {clean(why)}"
        return json.dumps({"error": why}) if self._as_json else why

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()


def watch(
    look_again: Callable[[], StatusView],
    screen: Screen,
    *,
    interval: float,
    sleep: Callable[[float], None] = time.sleep,
) -> Status:
    """Show the daemon's checks every `interval` seconds until Ctrl-C; return the last status."""
    view: StatusView | None = None
    with suppress(KeyboardInterrupt):
        while True:
            trouble = ""
            try:
                view = look_again()
            except Unanswered as unanswered:
                trouble = str(unanswered)
            screen.show_again(view, trouble)
            sleep(interval)
    screen.leave()
    return view.status if view else Status.UNKNOWN
