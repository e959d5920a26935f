"""`prober probe`: one probe, step by step."""

import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from typing import TYPE_CHECKING

from prober.cli.command import (
    CONFIG,
    JSON,
    QUIET,
    UNKNOWN,
    USAGE,
    Command,
    Environment,
    load_config,
)
from prober.cli.flags import Flag

if TYPE_CHECKING:
    from prober.model.monitor import Check


MONITOR_TO_PROBE = Flag("monitor", "probe each backend of this monitor", metavar="NAME")
SET = Flag(
    "set",
    "set a key of the monitor; the value is JSON or as in YAML; can be repeated "
    "(in the variable: one per line)",
    metavar="KEY=VALUE",
    several="\n",
)

PROBE_JSON = JSON._replace(doc="print the results as JSON, in the words of the API")
PROBE_QUIET = QUIET._replace(doc="print only the verdict, as a Nagios plugin does")


def run(options: Namespace, environment: Environment) -> int:
    """Probe once, with the engine of the daemon, and print each step."""
    import asyncio

    from prober.cli import single_probe
    from prober.cli.terminal import EXIT_CODES, wants_colour
    from prober.config.problem import ConfigError
    from prober.engine.once import probe_once
    from prober.model.option import Rejected
    from prober.model.wording import clean

    try:
        checks = _checks_to_probe(options, environment)
    except Rejected as rejected:
        for complaint in rejected.complaints:
            print(f"prober probe: {clean(complaint.message)}", file=sys.stderr)
        return USAGE
    except ConfigError as error:
        for problem in error.problems:
            print(clean(str(problem)), file=sys.stderr)
        return UNKNOWN
    colour = wants_colour(sys.stdout, environment)
    shown = single_probe.Shown(_print_at_once, colour, options.quiet, options.json)
    status = asyncio.run(single_probe.run(checks, probe_once, shown))
    return EXIT_CODES[status]


def _print_at_once(line: str) -> None:
    print(line, flush=True)


def _checks_to_probe(options: Namespace, environment: Environment) -> "list[Check]":
    from pathlib import Path

    from prober.cli import single_probe
    from prober.config.monitors import Defaults, read_monitor
    from prober.engine.tls_contexts import check_tls
    from prober.model.monitor import Monitor
    from prober.model.option import ReadContext, Rejected

    if options.type is None:
        return single_probe.named_checks(load_config(options, environment).model, options.monitor)

    outside = ReadContext("", lambda path: Path(path).read_text("utf-8"), environment)

    def read(given: object) -> Monitor:
        monitor = read_monitor(given, Defaults(), outside)
        if complaints := list(check_tls(monitor)):
            raise Rejected(*complaints)
        return monitor

    given = single_probe.settings(options.set or ())
    return single_probe.checks_of(options.type, options.target, given, read)


def _settle_what_to_probe(options: Namespace, environment: Environment) -> None:
    """Refuse a target together with --monitor; a target overrides a monitor in the environment."""
    named = options.monitor or environment.get(MONITOR_TO_PROBE.variable)
    if options.type and not options.target:
        raise ArgumentTypeError(f"expected TYPE and TARGET, got only {options.type!r}")
    if not options.type and not named:
        raise ArgumentTypeError("expected TYPE and TARGET, or --monitor NAME")
    if options.monitor and (options.type or options.set):
        raise ArgumentTypeError("--monitor cannot be combined with TYPE, TARGET or --set")


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("type", nargs="?", metavar="TYPE", type=str.upper, help="probe type")
    parser.add_argument("target", nargs="?", metavar="TARGET", help="host:port")


COMMAND = Command(
    "probe",
    "run one probe and print each step with its time",
    run,
    (SET, MONITOR_TO_PROBE, CONFIG, PROBE_JSON, PROBE_QUIET),
    """\
TYPE is {types}.
TARGET is host:port, or host for ICMP, with an IPv6 address in brackets.
The keys of --set are those of a monitor in the configuration.
Exit status as for a Nagios plugin, judged by this one probe: 0 OK, 1 WARNING, 2 CRITICAL,
3 UNKNOWN. Also 2 for wrong usage, and 3 for a configuration that cannot be used.

examples:
  prober probe TCP 10.0.0.3:22
  prober probe HTTPS example.com:443 --set url_path=/healthz --set tls.verify=true
  prober probe TCP 10.0.0.4:6379 --set 'send={"text": "PING\\r\\n"}' --set expect.text=PONG
  prober probe --monitor web-http --config config/prober.yaml""",
    _add_arguments,
    _settle_what_to_probe,
)
