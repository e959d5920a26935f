"""The command line: finds the command and runs it.

Each command imports what it needs when it runs: `health` and `--version` load only the standard
library.
"""

import os
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace, RawDescriptionHelpFormatter
from collections.abc import Iterable, Sequence
from io import FileIO, TextIOWrapper
from typing import TYPE_CHECKING

from prober import __version__
from prober.cli import (
    admin_command,
    check_command,
    completion_command,
    demo_command,
    doctor_command,
    explain_command,
    health_command,
    import_command,
    members_command,
    plan_command,
    probe_command,
    run_command,
    schema_command,
    status_command,
)
from prober.cli.command import CONFIG, Command, Environment
from prober.cli.flags import complete
from prober.model.build import BUILD

if TYPE_CHECKING:
    from argparse import _SubParsersAction

_INTERRUPTED, _BROKEN_PIPE = 130, 141  # as a shell reports them
_STDOUT, _STDERR = 1, 2
_TYPES = "{types}"

_OTHERS = (
    run_command.COMMAND,
    demo_command.COMMAND,
    check_command.COMMAND,
    plan_command.COMMAND,
    schema_command.COMMAND,
    import_command.COMMAND,
    probe_command.COMMAND,
    status_command.COMMAND,
    explain_command.COMMAND,
    members_command.COMMAND,
    admin_command.COMMAND,
    health_command.COMMAND,
    doctor_command.COMMAND,
)
COMMANDS = (*_OTHERS, completion_command.completing(_OTHERS))


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


def _parsers(
    commands: Iterable[Command] = COMMANDS,
) -> tuple[ArgumentParser, dict[str, ArgumentParser]]:
    """Return the parser of the command line, and that of each of these commands."""
    parser = ArgumentParser(
        prog="prober",
        description="A health-check daemon that probes backends the way a load balancer does.",
        epilog="Each flag has an environment variable, named in its help.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"prober {__version__} ({BUILD})")
    by_name = parser.add_subparsers(
        dest="command", metavar="COMMAND", required=True, parser_class=_Parser
    )
    return parser, {command.name: _add(by_name, command) for command in commands}


def help_of(command: str) -> str:
    """Return what `--help` of a command shows."""
    return _parsers()[1][command].format_help()


def _parse(arguments: Sequence[str] | None, environment: Environment) -> tuple[Command, Namespace]:
    given = list(sys.argv[1:] if arguments is None else arguments)
    named = [each for each in COMMANDS if each.name in given[:1]]  # making all parsers takes time
    parser, parsers = _parsers(named or COMMANDS)
    if not given:
        parser.print_help(sys.stderr)
        raise SystemExit(2)
    if not given[0].startswith("-") and given[0] not in parsers:
        from prober.model.option import did_you_mean

        hint = did_you_mean(given[0], [*parsers, "--version", "--help"])
        parser.error(f"there is no command {given[0]!r}{hint}")
    options, unknown = parser.parse_known_args(given)
    command = next(each for each in COMMANDS if each.name == options.command)
    if unknown:
        hint = _forgotten_flag(command, unknown[0])
        parsers[command.name].error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
    try:
        command.settle(options, environment)
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
    command.arguments(parser)
    for flag in command.flags:
        flag.add_to(parser)
    return parser
