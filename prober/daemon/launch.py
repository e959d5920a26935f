"""The start of the daemon: what `run` and `demo` do first, and the event loop they use."""

import os
import signal
import sys
from asyncio import AbstractEventLoop, Runner, new_event_loop
from collections.abc import Callable, Coroutine
from importlib.util import find_spec
from typing import Any, TypeVar

T = TypeVar("T")


def import_aiohttp() -> None:
    """Import aiohttp without loading the system's certificate authorities for its client.

    Loading them takes 40 ms and 2 MiB, and only target lists over HTTPS need them
    (`discovery.fetch`), which loads them when needed.
    """
    names = ("SSL_CERT_FILE", "SSL_CERT_DIR")  # openssl-env(7)
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, os.devnull))
    try:
        import aiohttp.web  # noqa: F401
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def load_first(load: Callable[[], T]) -> T:
    """Read the configuration, and handle signals already, before the daemon runs.

    A stop ends the process as cleanly as later; SIGHUP means to read again, not to exit.
    """
    asked = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    signal.signal(signal.SIGHUP, lambda *_: asked.append(True))
    while True:
        config = load()
        if not asked:
            return config
        asked.clear()


def serve(daemon: Coroutine[Any, Any, int]) -> int:
    """Run the daemon until it stops, with uvloop if the extra `fast` is installed."""
    new_loop: Callable[[], AbstractEventLoop] = new_event_loop
    if find_spec("uvloop") is not None:
        import uvloop

        new_loop = uvloop.new_event_loop
    with Runner(loop_factory=new_loop) as runner:
        return runner.run(daemon)
