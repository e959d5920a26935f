"""`prober completion`: a script that lets a shell complete the command line."""

import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace

from prober.cli.command import Command, Environment

_SHELLS = ("bash", "zsh", "fish")


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "shell", nargs="?", choices=_SHELLS, metavar="SHELL", help="bash, zsh, fish"
    )


def _settle(options: Namespace, _: Environment) -> None:
    if options.shell is None:
        raise ArgumentTypeError(f"expected a shell: {', '.join(_SHELLS)}")


def completing(others: tuple[Command, ...]) -> Command:
    """Return the command, which completes these other commands and itself."""

    def run(options: Namespace, _: Environment) -> int:
        from prober.cli.completion import SHELLS

        sys.stdout.write(SHELLS[options.shell]((*others, command)))
        return 0

    command = Command(
        "completion",
        "print a script with which a shell completes the command line",
        run,
        (),
        """\
examples:
  . <(prober completion bash)
  prober completion zsh > ~/.zfunc/_prober
  prober completion fish > ~/.config/fish/completions/prober.fish""",
        _add_arguments,
        _settle,
    )
    return command
