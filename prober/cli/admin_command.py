"""`prober admin`: admin states of a running daemon."""

import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from typing import Any

from prober.cli.command import JSON, TOKEN_FILE, UNKNOWN, URL, Command, Environment
from prober.cli.flags import Flag

_ACTIONS = ("list", "set", "clear")
_KINDS = {"backend": "backends", "pool": "pools", "monitor": "monitors"}
_HEADS = ("KIND", "NAME", "STATE", "UNTIL", "BY", "REASON")

UNTIL = Flag("until", "end of the state: a duration such as 2h, or a time", metavar="TIME")
REASON = Flag("reason", "why, for people", metavar="TEXT")
BY = Flag("by", "who sets it; default: the name of the token", metavar="NAME")
ADMIN_JSON = JSON._replace(doc="print the states as JSON, as in the API")


def run(options: Namespace, _: Environment) -> int:
    """List, set or clear admin states."""
    from prober.cli.client import Unanswered, token_in
    from prober.model.wording import clean

    try:
        for line in _act(options, token_in(options.token_file)):
            print(clean(line))
    except Unanswered as unanswered:
        print(f"prober admin: {clean(str(unanswered))}", file=sys.stderr)
        return UNKNOWN if options.action == "list" else 1
    return 0


def _act(options: Namespace, token: str | None) -> list[str]:
    import json

    from prober.cli.client import ask_json, send

    if options.action == "list":
        found = ask_json(options.url, "/api/v1/admin", token=token)["admin"]
        return [json.dumps({"admin": found})] if options.json else _table(found)
    path = _path(options.kind, options.name)
    if options.action == "clear":
        send(options.url, path, "DELETE", None, token=token)
        return [f"{options.kind} {options.name}: admin state cleared"]
    given = {"state": options.state, "until": options.until}
    given |= {key: value for key in ("reason", "by") if (value := getattr(options, key))}
    entry = send(options.url, path, "PUT", given, token=token)
    return [f"{options.kind} {options.name}: {entry['state']} until {entry['until']}"]


def _path(kind: str, name: str) -> str:
    from urllib.parse import quote

    return f"/api/v1/admin/{_KINDS[kind]}/{quote(name, safe=':[]')}"


def _table(entries: list[dict[str, Any]]) -> list[str]:
    """Return the states as aligned lines."""
    if not entries:
        return ["no admin state is set"]
    rows = [list(_HEADS)]
    for each in entries:
        kind, until = each["kind"].removesuffix("s"), each["until"] or "cleared"
        rows.append([kind, each["name"], each["state"], until, each["by"], each["reason"]])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    padded = ([cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows)
    return ["  ".join(cells).rstrip() for cells in padded]


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("action", choices=_ACTIONS, metavar="ACTION", help=", ".join(_ACTIONS))
    parser.add_argument(
        "kind", nargs="?", choices=(*_KINDS,), metavar="KIND", help=", ".join(_KINDS)
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="its name")
    parser.add_argument("state", nargs="?", metavar="STATE", help="the admin state, for set")


def _settle(options: Namespace, environment: Environment) -> None:
    """Refuse what an action lacks or has no use for."""
    wanted = {"list": 0, "clear": 2, "set": 3}[options.action]
    given = [each for each in (options.kind, options.name, options.state) if each is not None]
    if len(given) != wanted:
        names = " ".join(("KIND", "NAME", "STATE")[:wanted]) or "no more arguments"
        raise ArgumentTypeError(f"{options.action}: expected {names}")
    if options.action == "set" and not (options.until or environment.get(UNTIL.variable)):
        raise ArgumentTypeError("set: --until is required: a duration such as 2h, or a time")


COMMAND = Command(
    "admin",
    "take backends, pools or monitors out of service, or keep them in",
    run,
    (UNTIL, REASON, BY, URL, TOKEN_FILE, ADMIN_JSON),
    """\
ACTION is list, set or clear. KIND is backend, pool or monitor. NAME of a backend is
POOL/ADDRESS:PORT, or ADDRESS:PORT for all its pools. STATE is maintenance, drain, forced_up or
forced_down. Probing goes on; an admin state changes what others are told.
Exit status: 0, 1 if the daemon refuses or cannot be reached (3 for list), 2 for wrong usage.

examples:
  prober admin set backend web/10.0.0.3:8080 maintenance --until 2h --reason "kernel update"
  prober admin set pool web drain --until 2026-12-01T06:00:00Z
  prober admin list
  prober admin clear backend web/10.0.0.3:8080""",
    _add_arguments,
    _settle,
)
