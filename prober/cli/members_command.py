"""`prober members`: the members of a cluster, as one of them sees it."""

import sys
from argparse import Namespace

from prober.cli.command import JSON, TOKEN_FILE, UNKNOWN, URL, Command, Environment


def run(options: Namespace, environment: Environment) -> int:
    """Show the members of the cluster that a daemon belongs to."""
    import json
    import time

    from prober.cli import member_table
    from prober.cli.client import Unanswered, ask_json, token_in
    from prober.cli.terminal import EXIT_CODES, wants_colour
    from prober.model.wording import clean

    try:
        view = ask_json(options.url, "/api/v1/cluster", token=token_in(options.token_file))
        lines = member_table.lines(
            view, time.time(), colour=wants_colour(sys.stdout, environment), url=options.url
        )
    except Unanswered as unanswered:
        print(f"prober members: {clean(str(unanswered))}", file=sys.stderr)
        return UNKNOWN
    print(json.dumps(view) if options.json else "\n".join(lines))
    return EXIT_CODES[member_table.status_of(view)]


COMMAND = Command(
    "members",
    "show the members of a cluster",
    run,
    (URL, TOKEN_FILE, JSON._replace(doc="print the answer of the API as JSON")),
    """\
Exit status as for a Nagios plugin: 0 OK; 1 WARNING if etcd is away from the member that answers, or
the members have different configurations; 3 UNKNOWN without a cluster, or without an answer.""",
)
