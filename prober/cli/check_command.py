"""`prober check`: whether a configuration is valid."""

from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from prober.cli.command import CONFIG, JSON, QUIET, USAGE, Command, Environment, load_config
from prober.cli.flags import Flag, yes_or_no

if TYPE_CHECKING:
    from prober.config.configuration import Config
    from prober.config.problem import Problem


class Warned(NamedTuple):
    """A warning, and `FILE:LINE` or nothing where it belongs to no place."""

    place: str
    text: str

    def __str__(self) -> str:
        """Write it as a line."""
        return ": ".join(filter(None, (self.place, "warning", self.text)))


def run(options: Namespace, environment: Environment) -> int:
    """Print every problem, or a summary and warnings."""
    import json

    from prober.cli.progress import working
    from prober.config.problem import ConfigError
    from prober.model.wording import clean

    try:
        with working("reading the configuration"):
            config = load_config(options, environment, without_secrets=options.without_secrets)
            warnings = list(_warnings(config))
    except ConfigError as error:
        if options.json:
            found = [_problem(each) for each in error.problems]
            print(json.dumps({"valid": False, "problems": found, "warnings": []}))
        else:
            for problem in error.problems:
                print(clean(str(problem)))
        return USAGE
    if options.json:
        shown = [each._asdict() for each in warnings]
        print(json.dumps({"valid": True, "problems": [], "warnings": shown, **_counts(config)}))
        return 0
    for each in warnings:
        print(clean(str(each)))
    if not options.quiet:
        print(clean(_summary(config)))
    return 0


def _warnings(config: "Config") -> Iterator[Warned]:
    from prober.config.advice import Advice, advice
    from prober.config.written_places import places
    from prober.daemon.local_checks import NAMED, stuck, unverifiable

    lacking = (
        Advice("monitor", each.name, f"results would be UNKNOWN ({why.reason}): {why.detail}")
        for each, why in stuck(config)
    )
    if advised := [*advice(config.model, in_cluster=config.cluster is not None), *lacking]:
        where = places(config.files, lambda file: Path(file).read_text(encoding="utf-8"))
        for each in advised:
            yield Warned(where.get((each.kind, each.name), config.files[0]), str(each))
    for name, why in (config.modules.refused if config.modules else {}).items():
        yield Warned("", f"requests for module {name!r} are refused: {why}")
    if found := unverifiable(config):
        more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
        yield Warned(
            "",
            f"{', '.join(found[:NAMED])}{more}: this host has no root certificates "
            "to verify by, results will be UNKNOWN; install ca-certificates, or set ca_file",
        )


def _problem(problem: "Problem") -> dict[str, object]:
    from prober.model.option import dotted

    place = {"file": problem.source, "line": problem.line or None}
    return {**place, "path": dotted(problem.path), "message": problem.message}


def _counts(config: "Config") -> dict[str, object]:
    from prober.model.monitor import probe_rate

    model, checks = config.model, config.model.checks()
    return {
        "file": config.files[0],
        "monitors": len(model.monitors),
        "pools": len(model.pools),
        "checks": len(checks),
        "probes_per_second": round(probe_rate(checks), 6),
    }


def _summary(config: "Config") -> str:
    from prober.model.wording import counted

    counts = _counts(config)
    nouns = [counted(counts[f"{noun}s"], noun) for noun in ("monitor", "pool", "check")]
    rate = counted(f"{counts['probes_per_second']:.4g}", "probe")
    return f"{counts['file']}: {', '.join(nouns)}, {rate} per second"


CHECK_JSON = JSON._replace(doc="print problems, warnings and counts as JSON")
CHECK_QUIET = QUIET._replace(doc="print only problems and warnings")
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
    (CONFIG, WITHOUT_SECRETS, CHECK_JSON, CHECK_QUIET),
    """\
Prints every problem as FILE:LINE: key.path: message. If there are none, prints a summary, and
warnings about settings that are valid but probably not intended.
Exit status: 0, or 2 if there are problems.

examples:
  prober check --config config/prober.yaml
  prober check --without-secrets   (in CI, where the secrets are not)""",
)
