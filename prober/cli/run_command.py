"""`prober run`: the daemon."""

import sys
from argparse import Namespace

from prober.cli.command import CONFIG, USAGE, Command, Environment
from prober.cli.flags import Flag, listen_address, one_of, shard, yes_or_no

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
LOG_FORMAT = Flag(
    "log-format",
    "log format; default: console on a terminal, otherwise json",
    one_of("json", "console"),
    "json|console",
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
SHARD = Flag(
    "shard",
    "probe and show only share I of N, counted from 0; I may be `hostname`: the number at the end "
    "of the host's name, such as that of a StatefulSet's pod",
    shard,
    "I/N",
)


_IN_A_CLONE = (
    "in a clone, that is the example with placeholder addresses; write ./prober.yaml, or name a "
    "file with --config"
)


def log_format_by_default() -> str:
    """Return the log format for people if stderr is a terminal, otherwise JSON."""
    return "console" if sys.stderr.isatty() else "json"


def run(options: Namespace, environment: Environment) -> int:
    """Run the daemon until a signal stops it."""
    import structlog

    from prober.config import garbage
    from prober.daemon import launch

    garbage.make_rare()
    launch.import_aiohttp()
    from prober.config.disk import Disk
    from prober.config.problem import ConfigError
    from prober.config.search import PLACES
    from prober.daemon import serve
    from prober.daemon.loading import Source
    from prober.logs import setup

    setup.configure(
        format=options.log_format or log_format_by_default(),
        level=options.log_level,
        journal=setup.is_journal(sys.stderr, environment),
    )
    source = Source(path=options.config, state_dir=options.state_dir, environment=dict(environment))
    disk = Disk()
    try:
        config = launch.load_first(lambda: source.load(disk, without_lists=True))
    except ConfigError as error:
        for problem in error.problems:
            structlog.get_logger().error("config_rejected", problem=str(problem))
        return USAGE
    if options.shard and config.cluster:
        structlog.get_logger().error(
            "config_rejected",
            problem=f"--shard {options.shard}: the section `cluster` shares the checks already",
        )
        return USAGE
    if not options.config and source.find() == PLACES[1]:
        structlog.get_logger().warning(
            "no_config_here", looked_for=PLACES[0], instead=PLACES[1], hint=_IN_A_CLONE
        )
    served = serve.run(
        config,
        source=source,
        traces=disk.traces,
        listen=options.listen or (),
        allow_shrink=options.allow_shrink,
        shard=options.shard,
    )
    return launch.serve(served)


COMMAND = Command(
    "run",
    "run the daemon in the foreground",
    run,
    (CONFIG, LISTEN, STATE_DIR, LOG_FORMAT, LOG_LEVEL, ALLOW_SHRINK, SHARD),
    """\
SIGTERM and SIGINT stop the daemon, SIGHUP reloads the configuration.
Exit status: 0 after a clean stop, 2 for a bad configuration or wrong usage, 1 otherwise.

examples:
  prober run --config /etc/prober/prober.yaml
  prober run --listen 127.0.0.1:0 --log-format console
  prober run --shard 0/3""",
)
