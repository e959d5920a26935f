"""Where the configuration comes from, and how to read it without delaying what runs.

A small configuration is read in a thread. A larger one would block the event loop for too long, so
a separate process reads it and sends back the result.
"""

import asyncio
import os
import pickle
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import prober
from prober.config.configuration import Config
from prober.config.disk import Disk, FileHashes, OverBudgetError, exists
from prober.config.problem import ConfigError, Problem
from prober.config.reader import load
from prober.config.search import PLACES, find_config
from prober.config.yielding import yielding
from prober.daemon.local_checks import LOCAL_CHECKS, LOCAL_CHECKS_WITHOUT_SECRETS
from prober.files.bounded import aside

SMALL = 32 * 1024
"""Maximum bytes of configuration to read in a thread."""
CHILD_SECONDS = 120.0
"""Time limit for reading."""
_DYING_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What the command line and the environment ask for."""

    path: str | None
    state_dir: str | None = None
    environment: Mapping[str, str] = field(repr=False)
    without_secrets: bool = False
    """Whether secrets may be absent, as where a configuration is only checked."""

    def find(self) -> str | None:
        """Return the file to read, or None if there is none in any place."""
        return find_config(self.path, self.environment, exists)

    def load(self, disk: Disk | None = None, *, without_lists: bool = False) -> Config:
        """Read the configuration from the first place where there is one; raise `ConfigError`."""
        path = self.find()
        if path is None:
            places = " nor ".join(PLACES[1:])
            message = f"no such file, nor {places}; name one with --config, or try: prober demo"
            raise ConfigError(Problem(PLACES[0], 0, (), message))
        local = LOCAL_CHECKS_WITHOUT_SECRETS if self.without_secrets else LOCAL_CHECKS
        config = load(
            path,
            environment=self.environment,
            check_monitor=local.monitor,
            check_server=local.server,
            disk=disk,
            without_secrets=self.without_secrets,
            without_lists=without_lists,
        )
        # systemd's StateDirectory= may name several, separated by colons
        by_systemd = self.environment.get("STATE_DIRECTORY", "").partition(":")[0]
        state_dir = self.state_dir or config.server.state_dir or by_systemd or None
        return replace(config, server=replace(config.server, state_dir=state_dir))


class Reading(NamedTuple):
    """The result of reading: a configuration or problems; `traces` is None if unknown."""

    config: Config | None
    problems: tuple[str, ...] = ()
    traces: FileHashes | None = None


def read(source: Source, budget: int | None = None) -> Reading:
    """Read here and now; raise `OverBudgetError` if it is more than this many bytes."""
    disk = Disk(budget)
    try:
        return Reading(source.load(disk, without_lists=True), (), disk.traces)
    except ConfigError as error:
        return Reading(None, tuple(map(str, error.problems)), disk.traces)
    except OverBudgetError:
        raise
    except Exception as error:  # noqa: BLE001  (a bug in reading must not end what runs)
        return Reading(None, (f"internal error while reading: {type(error).__name__}",))


async def read_aside(source: Source) -> Reading:
    """Read without blocking the event loop."""
    try:
        with yielding():
            return await aside(read, source, SMALL, seconds=CHILD_SECONDS)
    except OverBudgetError:
        return await read_in_child(source)
    except TimeoutError as error:
        return Reading(None, (f"cannot read the configuration: {error.strerror}",))


async def read_in_child(source: Source, seconds: float = CHILD_SECONDS) -> Reading:
    """Read in a separate process, which ends with the task that started it.

    Data goes in and out through pipes: secrets are neither on its command line nor in its
    environment, and it inherits no socket.
    """
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "prober.daemon.reload_child"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,  # a traceback is not a log line
        env=_environment(),
    )
    question = pickle.dumps(replace(source, environment=dict(source.environment)))
    try:
        async with asyncio.timeout(seconds):
            answer, _ = await child.communicate(question)
    except TimeoutError:
        return Reading(None, (f"reading took longer than {seconds:g} s and was cancelled",))
    finally:
        if child.returncode is None:
            child.kill()
            with suppress(TimeoutError):  # a process that waits for a dead disk cannot be killed
                async with asyncio.timeout(_DYING_SECONDS):
                    await child.wait()
    if child.returncode:
        ended = f"signal {-child.returncode}" if child.returncode < 0 else f"{child.returncode}"
        return Reading(None, (f"the process that reads it ended with {ended}",))
    try:
        with yielding():
            return await asyncio.to_thread(_unpickle, answer)
    except (pickle.UnpicklingError, EOFError):
        return Reading(None, ("the process that reads it returned nothing",))


def _environment() -> dict[str, str]:
    """Let the child find this very package, wherever it was started from."""
    here = str(Path(prober.__file__).parent.parent)
    paths = filter(None, (here, os.environ.get("PYTHONPATH")))
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def _unpickle(answer: bytes) -> Reading:
    reading: Reading = pickle.loads(answer)  # noqa: S301  (our own child wrote it)
    return reading
