"""`prober health`: whether a daemon is healthy, for a container."""

import sys
from argparse import Namespace

from prober.cli.command import TOKEN_FILE, URL, Command, Environment
from prober.cli.run_command import LISTEN


def run(options: Namespace, environment: Environment) -> int:
    """Check whether a daemon is healthy; print something only if it is not."""
    from prober.cli.client import Unanswered, ask, token_in
    from prober.model.wording import clean

    try:
        url = options.url or beside(environment)
        ask(url, "/-/healthy", token=token_in(options.token_file))
    except Unanswered as unanswered:
        print(f"prober health: {clean(str(unanswered))}", file=sys.stderr)
        return 1
    return 0


def beside(environment: Environment) -> str:
    """Return the URL of a daemon that listens where PROBER_LISTEN says, or as it does without."""
    from prober.model.probe import Target

    address = next(iter(LISTEN.without(environment) or ()), Target("127.0.0.1", 7762))
    return f"http://{address.here}"


HERE = URL._replace(
    doc="URL of the daemon; default: the first address of PROBER_LISTEN, else "
    "http://127.0.0.1:7762",
    default=None,
)
COMMAND = Command(
    "health",
    "check whether a running daemon is healthy",
    run,
    (HERE, TOKEN_FILE),
    """\
Meant for the HEALTHCHECK of a container: prints nothing if the daemon is healthy.
Exit status: 0 healthy, 1 not healthy or not reachable.""",
)
