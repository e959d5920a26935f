"""`prober status`: the checks of a running daemon."""

import sys
from argparse import Namespace

from prober.cli.command import JSON, QUIET, TOKEN_FILE, UNKNOWN, URL, Command, Environment
from prober.cli.flags import Flag, seconds, yes_or_no

WATCH = Flag("watch", "refresh until Ctrl-C", yes_or_no, default=False)
INTERVAL = Flag("interval", "time between two refreshes of --watch", seconds, "SECONDS", 1.0)
POOL = Flag("pool", "show only this pool", metavar="NAME")
MONITOR = Flag("monitor", "show only this monitor", metavar="NAME")


def run(options: Namespace, environment: Environment) -> int:
    """Show the checks of a running daemon, problems first."""
    import time

    from prober.cli import status_view
    from prober.cli.client import Unanswered, token_in
    from prober.cli.progress import working
    from prober.cli.terminal import EXIT_CODES, wants_colour
    from prober.model.wording import clean

    query = {name: getattr(options, name) for name in ("pool", "monitor") if getattr(options, name)}
    colour = wants_colour(sys.stdout, environment)
    screen = status_view.Screen(sys.stdout, colour=colour, as_json=options.json, wall=time.time)

    def look() -> status_view.StatusView:
        return status_view.look(options.url, query, token_in(options.token_file))

    if options.watch:
        return EXIT_CODES[status_view.watch(look, screen, interval=options.interval)]
    try:
        with working("asking the daemon"):
            view = look()
    except Unanswered as unanswered:
        print(f"prober status: cannot reach the daemon: {clean(str(unanswered))}", file=sys.stderr)
        return UNKNOWN
    if not options.quiet:
        screen.show(view)
    return EXIT_CODES[view.status]


COMMAND = Command(
    "status",
    "show the checks of a running daemon",
    run,
    (URL, TOKEN_FILE, JSON, QUIET, WATCH, INTERVAL, POOL, MONITOR),
    """\
Exit status as for a Nagios plugin, from the worst check shown: 0 OK, 1 WARNING, 2 CRITICAL,
3 UNKNOWN. Also 3 if there is no check to show or the daemon cannot be reached.

examples:
  prober status --watch
  prober status --url http://user:password@prober.example:7762 --pool web
  prober status --json | jq '.checks[] | select(.status == "CRITICAL").backend'""",
)
