"""The command line: its commands, their flags, and what each of them does.

What a command needs is imported when it runs: `health` and `--version` load the standard library
and nothing else.
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
"""The exit code for bad usage or a bad configuration."""
_UNKNOWN = 3
_CHANGES = 3
_INTERRUPTED, _BROKEN_PIPE = 130, 141  # as a shell reports them
_STDOUT, _STDERR = 1, 2

CONFIG = Flag(
    "config",
    "configuration file; default ./config/prober.yaml, then /etc/prober/prober.yaml",
    metavar="FILE",
)
LISTEN = Flag(
    "listen",
    "serve API and page here, may be given several times (in the variable: separated by commas); "
    "port 0 picks one; default server.listen of the configuration, else 127.0.0.1:7762",
    listen_address,
    metavar="HOST:PORT",
    several=",",
)
STATE_DIR = Flag(
    "state-dir",
    "keep the state here; default server.state_dir of the configuration, else in memory only",
    metavar="DIR",
)
LOG_FORMAT = Flag(
    "log-format", "format of the log", one_of("json", "console"), "json|console", "json"
)
DEMO_LOG_FORMAT = LOG_FORMAT._replace(
    doc="format of the log; default console on a terminal, json elsewhere", default=None
)
LOG_LEVEL = Flag(
    "log-level",
    "least level that is logged",
    one_of("debug", "info", "warning", "error", "critical"),
    "LEVEL",
    "info",
)
ALLOW_SHRINK = Flag(
    "allow-shrink", "let a reload drop more than half of the checks", yes_or_no, default=False
)
URL = Flag("url", "the daemon to ask", daemon_url, "URL", "http://127.0.0.1:7762")
TOKEN_FILE = Flag("token-file", "file with the token that the daemon wants", metavar="FILE")
JSON = Flag("json", "print the checks as the API gives them", yes_or_no, default=False)
PLAN_JSON = JSON._replace(doc="print the plan as JSON")
WATCH = Flag("watch", "show them again and again until Ctrl-C", yes_or_no, default=False)
INTERVAL = Flag("interval", "time between two looks of --watch", seconds, "SECONDS", 1.0)
POOL = Flag("pool", "only this pool", metavar="NAME")
MONITOR = Flag("monitor", "only this monitor", metavar="NAME")
MONITOR_TO_PROBE = Flag("monitor", "probe each backend of this monitor", metavar="NAME")
SET = Flag(
    "set",
    "a key of the monitor and its value, JSON or as in YAML, may be given several times "
    "(in the variable: one per line)",
    metavar="KEY=VALUE",
    several="\n",
)


class Command(NamedTuple):
    """One sub-command: what it is called with, and what it does."""

    name: str
    summary: str
    run: Callable[[Namespace, Environment], int]
    flags: tuple[Flag, ...]
    notes: str


def _run(options: Namespace, environment: Environment) -> int:
    """Serve what the configuration says until a signal ends it."""
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
    """Read the configuration, found where it is looked for; raise `ConfigError`."""
    from prober.daemon.loading import Source

    return Source(path=options.config, environment=environment).load()


def _demo(options: Namespace, _: Environment) -> int:
    """Serve a model whose targets live in this very process."""
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
    """Print every problem, or what the configuration amounts to and what may surprise."""
    from prober.config.advice import surprises
    from prober.config.problem import ConfigError
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
    print(
        f"{clean(config.files[0])}: {_count(len(model.monitors), 'monitor')}, "
        f"{_count(len(model.pools), 'pool')}, {_count(len(checks), 'check')}, "
        f"{probe_rate(checks):.4g} probes per second"
    )
    return 0


def _plan(options: Namespace, environment: Environment) -> int:
    """Tell what a reload of a running daemon would do."""
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
        print(f"prober plan: cannot ask the daemon: {clean(str(unanswered))}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(plan.as_json(found)))
    else:
        print("\n".join(plan.lines(found)))
    return 0 if found.is_empty else _CHANGES


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _schema(_: Namespace, __: Environment) -> int:
    """Print what an editor needs to complete and check a configuration."""
    import json

    from prober.config.schema import json_schema

    print(json.dumps(json_schema(), indent=2))
    return 0


def _probe(options: Namespace, environment: Environment) -> int:
    """Probe once, with the engine of the daemon, and tell each step."""
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
    from prober.engine.handshake import vet
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
    """Show the checks of a running daemon, the worst first."""
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
        print(f"prober status: cannot ask the daemon: {clean(str(unanswered))}", file=sys.stderr)
        return _UNKNOWN
    screen.show(view)
    return EXIT_CODES[view.status]


def _health(options: Namespace, _: Environment) -> int:
    """Ask a daemon whether it is well; say something only if it is not."""
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
SIGTERM and SIGINT stop it, SIGHUP reloads the configuration.
Exit status: 0 after a clean stop, 2 bad configuration or usage, 1 anything else.

examples:
  prober run --config /etc/prober/prober.yaml
  prober run --listen 127.0.0.1:0 --log-format console""",
    ),
    Command(
        "demo",
        "run on targets of its own, to see every status within 15 s",
        _demo,
        (LISTEN, DEMO_LOG_FORMAT, LOG_LEVEL),
        """\
The targets are healthy, failing, flapping, slow, undecided, with a certificate that is about to
expire; they speak TCP, UDP, HTTP, TLS and gRPC and live in the same process on loopback addresses.

examples:
  prober demo
  prober status --watch          (in another terminal)""",
    ),
    Command(
        "check",
        "validate a configuration without starting",
        _check,
        (CONFIG,),
        """\
Prints every problem as FILE:LINE: key.path: message; on success a summary, and warnings about what
is allowed but likely not meant.
Exit status: 0, or 2 if there are problems.

example:
  prober check --config config/prober.yaml""",
    ),
    Command(
        "plan",
        "tell what a reload of a running daemon would do",
        _plan,
        (CONFIG, URL, TOKEN_FILE, PLAN_JSON),
        """\
Compares the file with what the daemon runs: + comes, - goes, ~ changes, ? cannot be compared,
because the daemon shows no secrets, = was edited over the API, which a reload leaves alone unless
the file says something else since.
Monitors and pools are compared, not `server` and `page`.
Exit status: 0 nothing to do, 3 changes, 2 bad configuration, 1 the daemon cannot be asked.

example:
  prober plan --config config/prober.yaml && echo nothing to do""",
    ),
    Command(
        "schema",
        "print the JSON schema of the configuration, for editors",
        _schema,
        (),
        """\
Editors that use yaml-language-server complete and check a file whose first line is
  # yaml-language-server: $schema=prober.schema.json

example:
  prober schema >prober.schema.json""",
    ),
    Command(
        "probe",
        "probe once and print each step with its time",
        _probe,
        (SET, MONITOR_TO_PROBE, CONFIG),
        """\
TYPE is TCP, UDP_CONNECT, HTTP, HTTPS, TLS or GRPC, TARGET is host:port, an IPv6 address in
brackets. The keys of --set are those of a monitor in the configuration.
Exit status as of a Nagios plugin, judged on this one probe: 0 OK, 1 WARNING, 2 CRITICAL,
3 UNKNOWN. Bad usage is 2 as well, a configuration that cannot be used 3.

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
Exit status as of a Nagios plugin, for the worst check shown: 0 OK, 1 WARNING, 2 CRITICAL,
3 UNKNOWN; also 3 when there is no check to show or the daemon cannot be asked.

examples:
  prober status --watch
  prober status --url http://user:password@prober.example:7762 --pool web
  prober status --json | jq '.checks[] | select(.status == "CRITICAL").backend'""",
    ),
    Command(
        "health",
        "ask a running daemon whether it is well",
        _health,
        (URL, TOKEN_FILE),
        """\
Made for a container's HEALTHCHECK: says nothing if all is well.
Exit status: 0 or 1.""",
    ),
)


def main(arguments: Sequence[str] | None = None, environment: Environment | None = None) -> int:
    """Run the command line and return the exit code; bad usage raises SystemExit(2)."""
    environment = os.environ if environment is None else environment
    _settle_streams()
    try:
        try:
            command, options = _parse(arguments, environment)
            return command.run(options, environment)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # Who read the output has gone. What is still buffered must not fail again at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    except KeyboardInterrupt:
        return _INTERRUPTED


def _settle_streams() -> None:
    """Lead closed streams to nowhere; print what an encoding does not know in escapes.

    A socket would take the number of a closed stream, and then be written to.
    """
    while (free := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        continue
    os.close(free)
    if sys.stdout is None:
        sys.stdout = TextIOWrapper(FileIO(_STDOUT, "w", closefd=False))
    if sys.stderr is None:
        sys.stderr = TextIOWrapper(FileIO(_STDERR, "w", closefd=False))
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as stderr does of itself


def _parse(arguments: Sequence[str] | None, environment: Environment) -> tuple[Command, Namespace]:
    parser = ArgumentParser(
        prog="prober",
        description="A health-check daemon that probes backends as a load balancer would.",
        epilog="Each flag can also be set by the environment variable named in its help.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"prober {__version__}")
    by_name = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
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
    """Return what to say to somebody who names the configuration without its flag."""
    is_file = word.endswith((".yaml", ".yml", ".json"))
    return f"; did you mean --config {word}?" if is_file and CONFIG in command.flags else ""


def _add(by_name: "_SubParsersAction[ArgumentParser]", command: Command) -> ArgumentParser:
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
    """Refuse a target beside a monitor; one that the environment names gives way to a target."""
    named = options.monitor or environment.get(MONITOR.variable)
    if options.type and not options.target:
        raise ArgumentTypeError(f"expected TYPE and TARGET, got {options.type!r} alone")
    if not options.type and not named:
        raise ArgumentTypeError("expected TYPE and TARGET, or --monitor NAME")
    if options.monitor and (options.type or options.set):
        raise ArgumentTypeError("--monitor does not go with TYPE, TARGET or --set")
