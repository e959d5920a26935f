"""The command line: its commands, their flags, and the function behind each command.

Each command imports what it needs when it runs: `health` and `--version` load only the standard
library.
"""

import os
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable, Mapping, Sequence
from io import FileIO, TextIOWrapper
from typing import TYPE_CHECKING, NamedTuple

from prober import __version__
from prober.cli.flags import (
    Flag,
    complete,
    daemon_url,
    listen_address,
    one_of,
    seconds,
    yes_or_no,
)

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from prober.config.reader import Config
    from prober.model.monitor import Check

Environment = Mapping[str, str]

USAGE = 2
"""The exit code for wrong usage or a bad configuration."""
_UNKNOWN = 3
_CHANGES = 3
_INTERRUPTED, _BROKEN_PIPE = 130, 141  # as a shell reports them
_STDOUT, _STDERR = 1, 2
_TYPES = "{types}"

CONFIG = Flag(
    "config",
    "configuration file; default: ./config/prober.yaml, then /etc/prober/prober.yaml",
    metavar="FILE",
)
LISTEN = Flag(
    "listen",
    "address of the API and the status page; can be repeated (in the variable: separated by "
    "commas); port 0 picks a free port; default: server.listen in the configuration, else "
    "127.0.0.1:7762",
    listen_address,
    metavar="HOST:PORT",
    several=",",
)
STATE_DIR = Flag(
    "state-dir",
    "directory for the state; default: server.state_dir in the configuration, else in memory only",
    metavar="DIR",
)
LOG_FORMAT = Flag("log-format", "log format", one_of("json", "console"), "json|console", "json")
DEMO_LOG_FORMAT = LOG_FORMAT._replace(
    doc="log format; default: console on a terminal, otherwise json", default=None
)
LOG_LEVEL = Flag(
    "log-level",
    "lowest level to log",
    one_of("debug", "info", "warning", "error", "critical"),
    "LEVEL",
    "info",
)
ALLOW_SHRINK = Flag(
    "allow-shrink", "allow a reload to drop more than half of the checks", yes_or_no, default=False
)
URL = Flag("url", "URL of the daemon", daemon_url, "URL", "http://127.0.0.1:7762")
TOKEN_FILE = Flag("token-file", "file with a token for the daemon", metavar="FILE")
JSON = Flag("json", "print the checks as JSON, as in the API", yes_or_no, default=False)
PLAN_JSON = JSON._replace(doc="print the plan as JSON")
WATCH = Flag("watch", "refresh until Ctrl-C", yes_or_no, default=False)
INTERVAL = Flag("interval", "time between two refreshes of --watch", seconds, "SECONDS", 1.0)
POOL = Flag("pool", "show only this pool", metavar="NAME")
MONITOR = Flag("monitor", "show only this monitor", metavar="NAME")
MONITOR_TO_PROBE = Flag("monitor", "probe each backend of this monitor", metavar="NAME")
SET = Flag(
    "set",
    "set a key of the monitor; the value is JSON or as in YAML; can be repeated "
    "(in the variable: one per line)",
    metavar="KEY=VALUE",
    several="\n",
)


class Command(NamedTuple):
    """A subcommand: its name, summary, flags and notes, and the function that runs it."""

    name: str
    summary: str
    run: Callable[[Namespace, Environment], int]
    flags: tuple[Flag, ...]
    notes: str


def _run(options: Namespace, environment: Environment) -> int:
    """Run the daemon until a signal stops it."""
    import structlog

    from prober.daemon import launch

    launch.import_aiohttp()
    from prober.config.disk import Disk
    from prober.config.problem import ConfigError
    from prober.daemon import serve
    from prober.daemon.loading import Source
    from prober.logs import setup

    setup.configure(
        format=options.log_format,
        level=options.log_level,
        journal=setup.is_journal(sys.stderr, environment),
    )
    source = Source(path=options.config, state_dir=options.state_dir, environment=dict(environment))
    disk = Disk()
    try:
        config = launch.load_first(lambda: source.load(disk))
    except ConfigError as error:
        for problem in error.problems:
            structlog.get_logger().error("config_rejected", problem=str(problem))
        return USAGE
    served = serve.run(
        config,
        source=source,
        traces=disk.traces,
        listen=options.listen or (),
        allow_shrink=options.allow_shrink,
    )
    return launch.serve(served)


def _load(options: Namespace, environment: Environment) -> "Config":
    """Read the configuration from the first place where there is one; raise `ConfigError`."""
    from prober.daemon.loading import Source

    return Source(path=options.config, environment=environment).load()


def _demo(options: Namespace, _: Environment) -> int:
    """Run the daemon on targets that live in this process."""
    from contextlib import AsyncExitStack

    from prober.daemon import launch

    launch.import_aiohttp()
    from prober.daemon import serve
    from prober.demo import embedded
    from prober.logs import setup

    by_itself = "console" if sys.stderr.isatty() else "json"
    setup.configure(format=options.log_format or by_itself, level=options.log_level)

    async def probe_the_targets() -> int:
        async with AsyncExitStack() as stack:
            config = await embedded.start(stack)
            return await serve.run(config, listen=options.listen or ())

    return launch.serve(probe_the_targets())


def _check(options: Namespace, environment: Environment) -> int:
    """Print every problem, or a summary and warnings."""
    from prober.config.advice import surprises
    from prober.config.problem import ConfigError
    from prober.daemon.local_checks import NAMED, unverifiable
    from prober.model.monitor import probe_rate
    from prober.model.wording import clean

    try:
        config = _load(options, environment)
    except ConfigError as error:
        for problem in error.problems:
            print(clean(str(problem)))
        return USAGE
    model = config.model
    checks = model.checks()
    for sentence in surprises(model):
        print(f"warning: {clean(sentence)}")
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


def _plan(options: Namespace, environment: Environment) -> int:
    """Print what a reload of a running daemon would do."""
    import json

    from prober.cli import plan
    from prober.cli.client import Unanswered, token_in
    from prober.config.problem import ConfigError
    from prober.model.wording import clean

    try:
        config, token = _load(options, environment), token_in(options.token_file)
        edited = plan.with_edits(options.url, config, token)
        model = edited.config.model
        now, then = plan.running(options.url, token), plan.planned(model)
        plan.keep_lists(now, then, model)
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
    else:
        print("\n".join(plan.lines(found)))
    return 0 if found.is_empty else _CHANGES


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _schema(_: Namespace, __: Environment) -> int:
    """Print the JSON schema of the configuration."""
    import json

    from prober.config.schema import json_schema

    print(json.dumps(json_schema(), indent=2))
    return 0


def _probe(options: Namespace, environment: Environment) -> int:
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
        return _UNKNOWN
    colour = wants_colour(sys.stdout, environment)
    status = asyncio.run(single_probe.run(checks, probe_once, _print_at_once, colour=colour))
    return EXIT_CODES[status]


def _print_at_once(line: str) -> None:
    print(line, flush=True)


def _checks_to_probe(options: Namespace, environment: Environment) -> "list[Check]":
    from pathlib import Path

    from prober.cli import single_probe
    from prober.config.monitors import Defaults, read_monitor
    from prober.engine.tls_contexts import vet
    from prober.model.monitor import Monitor
    from prober.model.option import ReadContext, Rejected

    if options.type is None:
        return single_probe.named_checks(_load(options, environment).model, options.monitor)

    outside = ReadContext("", lambda path: Path(path).read_text("utf-8"), environment)

    def read(given: object) -> Monitor:
        monitor = read_monitor(given, Defaults(), outside)
        if complaints := list(vet(monitor)):
            raise Rejected(*complaints)
        return monitor

    given = single_probe.settings(options.set or ())
    return single_probe.checks_of(options.type, options.target, given, read)


def _status(options: Namespace, environment: Environment) -> int:
    """Show the checks of a running daemon, problems first."""
    import time

    from prober.cli import status_view
    from prober.cli.client import Unanswered, token_in
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
        view = look()
    except Unanswered as unanswered:
        print(f"prober status: cannot reach the daemon: {clean(str(unanswered))}", file=sys.stderr)
        return _UNKNOWN
    screen.show(view)
    return EXIT_CODES[view.status]


def _health(options: Namespace, _: Environment) -> int:
    """Check whether a daemon is healthy; print something only if it is not."""
    from prober.cli.client import Unanswered, ask, token_in
    from prober.model.wording import clean

    try:
        ask(options.url, "/-/healthy", token=token_in(options.token_file))
    except Unanswered as unanswered:
        print(f"prober health: {clean(str(unanswered))}", file=sys.stderr)
        return 1
    return 0


COMMANDS = (
    Command(
        "run",
        "run the daemon in the foreground",
        _run,
        (CONFIG, LISTEN, STATE_DIR, LOG_FORMAT, LOG_LEVEL, ALLOW_SHRINK),
        """\
SIGTERM and SIGINT stop the daemon, SIGHUP reloads the configuration.
Exit status: 0 after a clean stop, 2 for a bad configuration or wrong usage, 1 otherwise.

examples:
  prober run --config /etc/prober/prober.yaml
  prober run --listen 127.0.0.1:0 --log-format console""",
    ),
    Command(
        "demo",
        "run the daemon on its own demo targets and show every status within 15 s",
        _demo,
        (LISTEN, DEMO_LOG_FORMAT, LOG_LEVEL),
        """\
The demo targets are healthy, failing, flapping, slow, undecided, or have a certificate that expires
soon. They use TCP, UDP, HTTP, TLS and gRPC and run in the same process, on loopback addresses.

examples:
  prober demo
  prober status --watch          (in another terminal)""",
    ),
    Command(
        "check",
        "validate a configuration without starting the daemon",
        _check,
        (CONFIG,),
        """\
Prints every problem as FILE:LINE: key.path: message. If there are none, prints a summary, and
warnings about settings that are valid but probably not intended.
Exit status: 0, or 2 if there are problems.

example:
  prober check --config config/prober.yaml""",
    ),
    Command(
        "plan",
        "show what a reload of a running daemon would do",
        _plan,
        (CONFIG, URL, TOKEN_FILE, PLAN_JSON),
        """\
Compares the configuration file with the running daemon. + is added, - is removed, ~ changes,
? cannot be compared because the daemon does not show secrets, = was edited over the API; the line
says whether the edit stays or is dropped. Compares monitors and pools, but not `server` and `page`.
Exit status: 0 no changes, 3 changes, 2 bad configuration, 1 the daemon cannot be reached.

example:
  prober plan --config config/prober.yaml && echo no changes""",
    ),
    Command(
        "schema",
        "print the JSON schema of the configuration, for editors",
        _schema,
        (),
        """\
In editors that use yaml-language-server, start the configuration with this line to get completion
and validation:
  # yaml-language-server: $schema=prober.schema.json

example:
  prober schema >prober.schema.json""",
    ),
    Command(
        "probe",
        "run one probe and print each step with its time",
        _probe,
        (SET, MONITOR_TO_PROBE, CONFIG),
        """\
TYPE is {types}.
TARGET is host:port, with an IPv6 address in brackets.
The keys of --set are those of a monitor in the configuration.
Exit status as for a Nagios plugin, judged by this one probe: 0 OK, 1 WARNING, 2 CRITICAL,
3 UNKNOWN. Also 2 for wrong usage, and 3 for a configuration that cannot be used.

examples:
  prober probe TCP 10.0.0.3:22
  prober probe HTTPS example.com:443 --set url_path=/healthz --set tls.verify=true
  prober probe TCP 10.0.0.4:6379 --set 'send={"text": "PING\\r\\n"}' --set expect.text=PONG
  prober probe --monitor web-http --config config/prober.yaml""",
    ),
    Command(
        "status",
        "show the checks of a running daemon",
        _status,
        (URL, TOKEN_FILE, JSON, WATCH, INTERVAL, POOL, MONITOR),
        """\
Exit status as for a Nagios plugin, from the worst check shown: 0 OK, 1 WARNING, 2 CRITICAL,
3 UNKNOWN. Also 3 if there is no check to show or the daemon cannot be reached.

examples:
  prober status --watch
  prober status --url http://user:password@prober.example:7762 --pool web
  prober status --json | jq '.checks[] | select(.status == "CRITICAL").backend'""",
    ),
    Command(
        "health",
        "check whether a running daemon is healthy",
        _health,
        (URL, TOKEN_FILE),
        """\
Meant for the HEALTHCHECK of a container: prints nothing if the daemon is healthy.
Exit status: 0 healthy, 1 not healthy or not reachable.""",
    ),
)


def main(arguments: Sequence[str] | None = None, environment: Environment | None = None) -> int:
    """Run the command line and return the exit code; wrong usage raises SystemExit(2)."""
    environment = os.environ if environment is None else environment
    _settle_streams()
    try:
        try:
            command, options = _parse(arguments, environment)
            return command.run(options, environment)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # The reader of the output is gone. What is still buffered must not fail again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    except KeyboardInterrupt:
        return _INTERRUPTED


def _settle_streams() -> None:
    """Redirect closed streams to /dev/null, and escape what the encoding of stdout lacks.

    Otherwise a socket could get the file number of a closed stream, and be written to.
    """
    while (free := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        continue
    os.close(free)
    if sys.stdout is None:
        sys.stdout = TextIOWrapper(FileIO(_STDOUT, "w", closefd=False))
    if sys.stderr is None:
        sys.stderr = TextIOWrapper(FileIO(_STDERR, "w", closefd=False))
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # the default for stderr


class _Parser(ArgumentParser):
    """Names the probe types in its help: they are loaded only if it is asked for."""

    def format_help(self) -> str:
        if self.epilog and _TYPES in self.epilog:
            from prober.probes import PROBE_TYPES

            *others, last = PROBE_TYPES
            self.epilog = self.epilog.replace(_TYPES, f"{', '.join(others)} or {last}")
        return super().format_help()


def _parse(arguments: Sequence[str] | None, environment: Environment) -> tuple[Command, Namespace]:
    parser = ArgumentParser(
        prog="prober",
        description="A health-check daemon that probes backends the way a load balancer does.",
        epilog="Each flag has an environment variable, named in its help.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"prober {__version__}")
    by_name = parser.add_subparsers(
        dest="command", metavar="COMMAND", required=True, parser_class=_Parser
    )
    parsers = {command.name: _add(by_name, command) for command in COMMANDS}
    options, unknown = parser.parse_known_args(arguments)
    command = next(each for each in COMMANDS if each.name == options.command)
    if unknown:
        hint = _forgotten_flag(command, unknown[0])
        parsers[command.name].error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
    try:
        if command.run is _probe:
            _settle_what_to_probe(options, environment)
        complete(options, command.flags, environment)
    except ArgumentTypeError as error:
        parsers[command.name].error(str(error))
    return command, options


def _forgotten_flag(command: Command, word: str) -> str:
    """Return a hint for someone who passes the configuration without its flag."""
    is_file = word.endswith((".yaml", ".yml", ".json"))
    return f"; did you mean --config {word}?" if is_file and CONFIG in command.flags else ""


def _add(by_name: "_SubParsersAction[_Parser]", command: Command) -> ArgumentParser:
    parser = by_name.add_parser(
        command.name,
        help=command.summary,
        description=f"{command.summary[0].upper()}{command.summary[1:]}.",
        epilog=command.notes,
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    if command.run is _probe:
        parser.add_argument("type", nargs="?", metavar="TYPE", type=str.upper, help="probe type")
        parser.add_argument("target", nargs="?", metavar="TARGET", help="host:port")
    for flag in command.flags:
        flag.add_to(parser)
    return parser


def _settle_what_to_probe(options: Namespace, environment: Environment) -> None:
    """Refuse a target together with --monitor; a target overrides a monitor in the environment."""
    named = options.monitor or environment.get(MONITOR.variable)
    if options.type and not options.target:
        raise ArgumentTypeError(f"expected TYPE and TARGET, got only {options.type!r}")
    if not options.type and not named:
        raise ArgumentTypeError("expected TYPE and TARGET, or --monitor NAME")
    if options.monitor and (options.type or options.set):
        raise ArgumentTypeError("--monitor cannot be combined with TYPE, TARGET or --set")
