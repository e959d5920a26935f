"""`prober check`: whether a configuration is valid."""

from argparse import Namespace
from pathlib import Path

from prober.cli.command import CONFIG, USAGE, Command, Environment, load_config
from prober.cli.flags import Flag, yes_or_no


def run(options: Namespace, environment: Environment) -> int:
    """Print every problem, or a summary and warnings."""
    from prober.config.advice import advice
    from prober.config.problem import ConfigError
    from prober.config.written_places import places
    from prober.daemon.local_checks import NAMED, unverifiable
    from prober.model.monitor import probe_rate
    from prober.model.wording import clean

    try:
        config = load_config(options, environment, without_secrets=options.without_secrets)
    except ConfigError as error:
        for problem in error.problems:
            print(clean(str(problem)))
        return USAGE
    model = config.model
    checks = model.checks()
    if advised := [*advice(model, in_cluster=config.cluster is not None)]:
        where = places(config.files, lambda file: Path(file).read_text(encoding="utf-8"))
        for each in advised:
            place = where.get((each.kind, each.name), config.files[0])
            print(clean(f"{place}: warning: {each}"))
    if found := unverifiable(config):
        more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
        print(
            f"warning: {clean(', '.join(found[:NAMED]))}{more}: this host has no root certificates "
            "to verify by, results will be UNKNOWN; install ca-certificates, or set ca_file"
        )
    print(
        f"{clean(config.files[0])}: {_count(len(model.monitors), 'monitor')}, "
        f"{_count(len(model.pools), 'pool')}, {_count(len(checks), 'check')}, "
        f"{probe_rate(checks):.4g} probes per second"
    )
    return 0


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


WITHOUT_SECRETS = Flag(
    "without-secrets",
    "accept that files and variables with secrets (tokens, passwords, certificates, keys) are "
    "absent, as in CI; everything else is checked",
    yes_or_no,
    default=False,
)
COMMAND = Command(
    "check",
    "validate a configuration without starting the daemon",
    run,
    (CONFIG, WITHOUT_SECRETS),
    """\
Prints every problem as FILE:LINE: key.path: message. If there are none, prints a summary, and
warnings about settings that are valid but probably not intended.
Exit status: 0, or 2 if there are problems.

examples:
  prober check --config config/prober.yaml
  prober check --without-secrets   (in CI, where the secrets are not)""",
)
