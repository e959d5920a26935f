"""`prober explain`: why a check has its status, and what would change it."""

import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace

from prober.cli.command import JSON, TOKEN_FILE, UNKNOWN, URL, Command, Environment


def run(options: Namespace, environment: Environment) -> int:
    """Print what is known of a check, or of each check of a monitor."""
    import json
    import time

    from prober.cli import explanation
    from prober.cli.client import Unanswered, token_in
    from prober.cli.terminal import EXIT_CODES, wants_colour
    from prober.model.aggregate import worst
    from prober.model.status import Status
    from prober.model.wording import clean

    try:
        token = token_in(options.token_file)
        checks = explanation.ask(options.url, options.monitor, options.backend, token)
        if options.json:
            print(json.dumps({"checks": checks}))
        else:
            colour = wants_colour(sys.stdout, environment)
            blocks = (explanation.lines(each, time.time(), colour=colour) for each in checks)
            print("\n\n".join("\n".join(block) for block in blocks))
    except Unanswered as unanswered:
        print(f"prober explain: {clean(str(unanswered))}", file=sys.stderr)
        return UNKNOWN
    return EXIT_CODES[worst(Status(each["status"]) for each in checks)]


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("monitor", nargs="?", metavar="MONITOR", help="name of the monitor")
    parser.add_argument(
        "backend", nargs="?", metavar="BACKEND", help="address:port or name; default: all"
    )


def _settle(options: Namespace, _: Environment) -> None:
    if options.monitor is None:
        raise ArgumentTypeError("expected MONITOR [BACKEND]; `prober status` lists them")


COMMAND = Command(
    "explain",
    "say why a check has its status, and what would change it",
    run,
    (URL, TOKEN_FILE, JSON),
    """\
Asks a running daemon. Checks are shown worst first.
Exit status as for a Nagios plugin, from the worst check shown: 0 OK, 1 WARNING, 2 CRITICAL,
3 UNKNOWN. Also 3 if there is no such check or the daemon cannot be reached.

examples:
  prober explain web-http
  prober explain web-http 10.0.0.3:8080""",
    _add_arguments,
    _settle,
)
