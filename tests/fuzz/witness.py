"""The engine, watched: when each probe began and how it ended, and never two of one check."""

from collections.abc import Callable
from functools import partial
from typing import Any

from prober.engine.attempt import Attempt, Done, Job
from prober.engine.reactor import Engine
from prober.model.probe import Target
from prober.model.status import Outcome


class Witness:
    """The engine of the daemon, that tells what it does."""

    def __init__(self, **more: Any) -> None:
        self._engine = Engine(**more)
        self.began: Callable[[Target], None] = lambda _: None
        self.ended: Callable[[Target, Outcome], None] = lambda _target, _outcome: None
        self.under_way: dict[Target, Attempt | None] = {}

    def start(self, job: Job, done: Done) -> Attempt:
        """Start a probe, and see that there is no other of this target."""
        assert job.target not in self.under_way, f"two probes of {job.target} at once"
        self.under_way[job.target] = None
        self.began(job.target)
        attempt = self._engine.start(job, partial(self._end, job.target, done))
        if job.target in self.under_way:
            self.under_way[job.target] = attempt
        return attempt

    def cancel(self, attempt: Attempt) -> None:
        """End a probe without an outcome."""
        if not attempt.finished:
            del self.under_way[attempt.job.target]
        self._engine.cancel(attempt)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def _end(self, target: Target, done: Done, outcome: Outcome) -> None:
        del self.under_way[target]  # or it ends twice
        done(outcome)
        self.ended(target, outcome)
