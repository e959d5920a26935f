"""`prober health`: whether a daemon is healthy, for a container."""

import sys
from argparse import Namespace

from prober.cli.command import TOKEN_FILE, URL, Command, Environment


def run(options: Namespace, _: Environment) -> int:
    """Check whether a daemon is healthy; print something only if it is not."""
    from prober.cli.client import Unanswered, ask, token_in
    from prober.model.wording import clean

    try:
        ask(options.url, "/-/healthy", token=token_in(options.token_file))
    except Unanswered as unanswered:
        print(f"prober health: {clean(str(unanswered))}", file=sys.stderr)
        return 1
    return 0


COMMAND = Command(
    "health",
    "check whether a running daemon is healthy",
    run,
    (URL, TOKEN_FILE),
    """\
Meant for the HEALTHCHECK of a container: prints nothing if the daemon is healthy.
Exit status: 0 healthy, 1 not healthy or not reachable.""",
)
