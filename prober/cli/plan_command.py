"""`prober plan`: what a reload would do."""

import sys
from argparse import Namespace

from prober.cli.command import (
    CONFIG,
    JSON,
    QUIET,
    TOKEN_FILE,
    URL,
    USAGE,
    Command,
    Environment,
    load_config,
)

_CHANGES = 3

PLAN_JSON = JSON._replace(doc="print the plan as JSON")


def run(options: Namespace, environment: Environment) -> int:
    """Print what a reload of a running daemon would do."""
    import json

    from prober.cli import plan
    from prober.cli.client import Unanswered, token_in
    from prober.cli.progress import working
    from prober.config.problem import ConfigError
    from prober.model.wording import clean

    try:
        with working("reading the configuration"):
            config = load_config(options, environment, without_lists=True)
        with working("comparing with the running daemon"):
            token = token_in(options.token_file)
            edited = plan.with_edits(options.url, config, token)
            model = edited.config.model
            now, then = plan.running(options.url, token), plan.planned(model)
            plan.keep_lists(now, then, edited.config)
            found = plan.compare(now, then)._replace(edits=tuple(plan.fates(edited)))
    except ConfigError as error:
        for problem in error.problems:
            print(clean(str(problem)))
        return USAGE
    except Unanswered as unanswered:
        print(f"prober plan: cannot reach the daemon: {clean(str(unanswered))}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(plan.as_json(found)))
    elif not options.quiet:
        print("\n".join(plan.lines(found)))
    return 0 if found.is_empty else _CHANGES


COMMAND = Command(
    "plan",
    "show what a reload of a running daemon would do",
    run,
    (CONFIG, URL, TOKEN_FILE, PLAN_JSON, QUIET),
    """\
Compares the configuration file with the running daemon. + is added, - is removed, ~ changes,
? cannot be compared because the daemon does not show secrets, = was edited over the API; the line
says whether the edit stays or is dropped. Compares monitors and pools, but not `server` and `page`.
Exit status: 0 no changes, 3 changes, 2 bad configuration, 1 the daemon cannot be reached.

example:
  prober plan --config config/prober.yaml && echo no changes""",
)
