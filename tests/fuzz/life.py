"""The probing half of the daemon as it is wired, in simulated time: process after process."""

import json
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

from prober.config.changes import changes
from prober.config.configuration import Config
from prober.config.reader import parse
from prober.daemon.probing import Prober
from prober.edits.kept import KeptEdits
from prober.model.option import ReadContext
from tests.simulation import START, WALL, Clock

LIMIT = 1000
"""Probes in flight at once."""


def configuration(
    pools: list[dict[str, Any]], monitors: list[dict[str, Any]], state_dir: str | None = None
) -> Config:
    """Return the configuration of these definitions, read as a file would be."""
    server = {"state_dir": state_dir} if state_dir else {}
    text = json.dumps({"server": server, "pools": pools, "monitors": monitors})
    return parse(text, source="prober.json", outside=ReadContext("", str, {}))


class Loop:
    """What a prober uses of an event loop, on a simulated clock."""

    def __init__(self, clock: Clock) -> None:
        self.call_later = clock.call_later
        self.readers: dict[int, Callable[[], None]] = {}
        self.calls: list[Callable[[], None]] = []

    def call_soon_threadsafe(self, call: Callable[[], None]) -> None:
        self.calls.append(call)

    def create_task(self, work: Coroutine[Any, Any, None]) -> "Loop":
        with patch("prober.state.pool_watch.Pace", _Pace):
            _run(work, lambda: None)
        return self

    def cancel(self) -> None:
        """Do nothing: a task is done as soon as it is made."""

    def add_reader(self, descriptor: int, call: Callable[[], None]) -> None:
        self.readers[descriptor] = call

    def remove_reader(self, descriptor: int) -> bool:
        return self.readers.pop(descriptor, None) is not None


class Life:
    """One prober after another, on one clock and, if it is given, one state directory.

    `offset` is how far the wall clock was set away from where it would be. `engine` replaces the
    engine of the daemon.
    """

    def __init__(self, state_dir: str | None = None, *, engine: type | None = None) -> None:
        self.clock = Clock()
        self.offset = 0.0
        self.state_dir = state_dir
        self.prober: Prober
        self.loop: Loop
        self.edits: KeptEdits
        self._engine = engine
        self._running: ExitStack | None = None

    def wall(self) -> float:
        """Return unix time."""
        return WALL + self.clock.now - START + self.offset

    def begin(self, pools: list[dict[str, Any]], monitors: list[dict[str, Any]]) -> None:
        """Start a process as the daemon does; may raise StateUnusableError."""
        config = configuration(pools, monitors, self.state_dir)
        with ExitStack() as stack:
            if self._engine is not None:
                stack.enter_context(patch("prober.daemon.probing.Engine", self._engine))
            self.loop = Loop(self.clock)
            loop: Any = self.loop
            prober = Prober(config, loop=loop, limit=LIMIT, clock=self.clock, wall=self.wall)
            self.prober, note, kept = prober, prober.store.note, prober.kept
            self.edits = KeptEdits(config, kept.saved.edits, journal=kept.journal, note=note)
            kept.on_loss(self.edits.save_all)
            stack.enter_context(prober.probing(self.edits.edited.config))
            self.edits.start()
            self._running = stack.pop_all()

    def end(self) -> None:
        """Stop the process, if one is running."""
        if self._running is not None:
            running, self._running = self._running, None
            running.close()

    close = end

    def reload(
        self,
        pools: list[dict[str, Any]],
        monitors: list[dict[str, Any]],
        between: Callable[[], None] = lambda: None,
    ) -> None:
        """Take over another configuration; `between` is called wherever the loop has a turn."""
        config = configuration(pools, monitors, self.state_dir)
        difference = changes(self.prober.config.model, config.model)
        with patch("prober.daemon.probing.Pace", _Pace):
            _run(self.prober.apply(config, difference), between)


class _Pace:
    """Gives the event loop a turn whenever it may have one."""

    async def pause(self) -> None:
        await _Turn()


class _Turn:
    def __await__(self) -> Any:
        yield


def _run(task: Coroutine[Any, Any, None], between: Callable[[], None]) -> None:
    while True:
        try:
            task.send(None)
        except StopIteration:
            return
        between()
