"""The start of the daemon: what `run` and `demo` do first, and the event loop they use."""

import atexit
import os
import signal
import sys
import threading
import time
from asyncio import AbstractEventLoop, Runner, new_event_loop
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import Any, TypeVar

T = TypeVar("T")

LAST_WAIT = 1.0
"""Seconds to wait for threads at the end."""


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

    SIGTERM and SIGINT already end the process cleanly; SIGHUP reads again and does not end it.
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
    others = frozenset(threading.enumerate())
    threads = ThreadPoolExecutor(thread_name_prefix="asyncio")
    runner = Runner(loop_factory=new_loop)
    runner.get_loop().set_default_executor(threads)
    try:
        status = runner.run(daemon)
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
        runner.get_loop().set_default_executor(ThreadPoolExecutor(1))  # which nothing blocks
        runner.close()
    _leave_blocked_threads(status, others)
    return status


def _leave_blocked_threads(status: int, others: frozenset[threading.Thread]) -> None:
    """End the process here if a blocked thread, such as by a dead disk, would keep it running.

    `others` ran before the daemon did; the code that started them waits for them.
    """
    until = time.monotonic() + LAST_WAIT
    for thread in threading.enumerate():
        if thread not in others and not thread.daemon:
            thread.join(max(0.0, until - time.monotonic()))
            if thread.is_alive():
                atexit._run_exitfuncs()  # noqa: SLF001  (the last lines of the log)
                os._exit(status)
