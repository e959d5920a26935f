"""What every command has: its name, flags and notes, and what several of them share."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from prober.cli.flags import Flag, daemon_url, yes_or_no

if TYPE_CHECKING:
    from prober.config.configuration import Config

Environment = Mapping[str, str]

USAGE = 2
"""The exit code for wrong usage or a bad configuration."""
UNKNOWN = 3
"""The exit code of a Nagios plugin that cannot tell."""

CONFIG = Flag(
    "config",
    "configuration file; default: ./prober.yaml, then ./config/prober.yaml, then "
    "/etc/prober/prober.yaml",
    metavar="FILE",
)
URL = Flag("url", "URL of the daemon", daemon_url, "URL", "http://127.0.0.1:7762")
TOKEN_FILE = Flag("token-file", "file with a token for the daemon", metavar="FILE")
JSON = Flag("json", "print the checks as JSON, as in the API", yes_or_no, default=False)

QUIET = Flag("quiet", "print nothing; the exit status tells", yes_or_no, default=False)


class Command(NamedTuple):
    """A subcommand: its name, summary, flags and notes, and the function that runs it.

    `arguments` adds what it takes beside flags; `settle` completes that from the environment, or
    raises ArgumentTypeError.
    """

    name: str
    summary: str
    run: Callable[[Namespace, Environment], int]
    flags: tuple[Flag, ...]
    notes: str
    arguments: Callable[[ArgumentParser], None] = lambda _: None
    settle: Callable[[Namespace, Environment], None] = lambda _, __: None


def load_config(
    options: Namespace,
    environment: Environment,
    *,
    without_secrets: bool = False,
    without_lists: bool = False,
) -> "Config":
    """Read the configuration from the first place where there is one; raise `ConfigError`."""
    from prober.daemon.loading import Source

    source = Source(path=options.config, environment=environment, without_secrets=without_secrets)
    return source.load(without_lists=without_lists)
