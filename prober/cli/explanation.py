"""What is known of a check, in words for a terminal."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from prober.cli.client import Unanswered, all_checks, ask_json
from prober.cli.terminal import paint
from prober.model.aggregate import WORST_FIRST
from prober.model.status import REASONS, Result, Status
from prober.model.wording import clean, span, took

Check = Mapping[str, Any]
"""A check in full, as in the API."""

_MARKS = {True: ".", False: "x", None: "?"}
_RECENT = 60  # results on one line


def ask(url: str, monitor: str, backend: str | None, token: str | None) -> list[Check]:
    """Return the checks of a monitor in full, worst first; raise `Unanswered`.

    `backend` is an address with port or the name of a backend; None means all of them.
    """
    found = [
        each
        for each in all_checks(url, {"monitor": monitor}, token=token)
        if backend in (None, each["backend"], each.get("backend_name"))
    ]
    if not found:
        what = f"check {backend!r} of monitor {monitor!r}" if backend else f"monitor {monitor!r}"
        raise Unanswered(f"{url}: there is no {what}; `prober status` lists the checks")
    found.sort(key=lambda each: WORST_FIRST.index(Status(each["status"])))
    return [ask_json(url, _path(each), token=token) for each in found]


def _path(check: Check) -> str:
    return f"/api/v1/checks/{quote(check['monitor'])}/{quote(check['backend'], safe=':[]')}"


def lines(check: Check, now: float, *, colour: bool) -> list[str]:
    """Return a heading and a line for each thing that is known."""
    status = check["status"]
    name = f" ({check['backend_name']})" if check.get("backend_name") else ""
    where = f"pool {check['pool']}, load balancer {check['load_balancer']}"
    heading = clean(f"{check['monitor']} {check['backend']}{name}, {where}")
    since = datetime.fromisoformat(check["since"]).timestamp()
    told = [("status", f"{status} for {span(now - since)}, since {check['since']}")]
    told += _of_last(check, now)
    told.append(("change", check["explain"]))
    told += _of_recent(check["recent"])
    told += _of_uptime(check["uptime"])
    if admin := check["admin"]:
        until = f"until {admin['until']}" if admin["until"] else "until it is ended"
        told.append(("admin", f"{admin['state']} {until} by {admin['by']} {admin['reason']}"))
    shown = [f"  {label:<9} {clean(text).rstrip()}" for label, text in told]
    if colour:
        shown[0] = shown[0].replace(status, paint(status, status), 1)
    return [heading, *shown]


def _of_last(check: Check, now: float) -> Iterator[tuple[str, str]]:
    last = check["last"]
    if last is None or "at" not in last:
        yield "last", "not probed yet" if last is None else last["reason"]
        return
    ago = span(now - datetime.fromisoformat(last["at"]).timestamp())
    yield "last", f"{last['detail']}, in {took(last['duration_seconds'])}, {ago} ago"
    known = REASONS.get(last["reason"])
    yield "reason", f"{last['reason']}: {known.sentence}" if known else last["reason"]
    streak, kind = check["streak"], "good" if check["streak"] > 0 else "bad"
    if streak:
        yield "streak", f"{abs(streak)} {kind} in a row; rise {check['rise']}, fall {check['fall']}"


def _of_recent(recent: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    marks = "".join(_MARKS[_is_good(each)] for each in reversed(recent[:_RECENT]))
    if marks:
        yield "recent", f"{marks}  (newest last; . good, x bad, ? inconclusive)"


def _is_good(result: Mapping[str, Any]) -> bool | None:
    if result["result"] == Result.UNKNOWN:
        return None
    return bool(result["result"] == Result.OK)


def _of_uptime(uptime: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    shares = [
        f"{each['uptime']:.3%} of {window}"
        for window, each in (uptime or {}).items()
        if each["uptime"] is not None
    ]
    if shares:
        yield "uptime", ", ".join(shares)
