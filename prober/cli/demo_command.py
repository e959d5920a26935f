"""`prober demo`: the daemon on targets of its own."""

from argparse import Namespace

from prober.cli.command import Command, Environment
from prober.cli.run_command import LISTEN, LOG_FORMAT, LOG_LEVEL, log_format_by_default


def run(options: Namespace, _: Environment) -> int:
    """Run the daemon on targets in this process."""
    from contextlib import AsyncExitStack

    from prober.config import garbage
    from prober.daemon import launch

    garbage.make_rare()
    launch.import_aiohttp()
    from prober.daemon import serve
    from prober.demo import embedded
    from prober.engine.opening import opener, why_not_opened
    from prober.logs import setup
    from prober.model.probe import EchoOptions

    setup.configure(format=options.log_format or log_format_by_default(), level=options.log_level)

    async def probe_the_targets() -> int:
        async with AsyncExitStack() as stack:
            pings = why_not_opened(opener(EchoOptions())) is None
            config = await embedded.start(stack, pings=pings)
            return await serve.run(config, listen=options.listen or ())

    return launch.serve(probe_the_targets())


COMMAND = Command(
    "demo",
    "run the daemon on its own demo targets and show every status within 15 s",
    run,
    (LISTEN, LOG_FORMAT, LOG_LEVEL),
    """\
The demo targets are healthy, failing, flapping, slow, undecided, or have a certificate that expires
soon. They use TCP, UDP, HTTP, TLS and gRPC and run in the same process, on loopback addresses. If
this user may send ICMP echo requests, this host is pinged, too.

examples:
  prober demo
  prober status --watch          (in another terminal)""",
)
