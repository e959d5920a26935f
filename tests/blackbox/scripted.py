"""An engine without sockets for probes on demand: what the target says is in a script."""

from collections.abc import Callable
from typing import Any

from prober.blackbox.findings import Findings
from prober.blackbox.runner import ModuleRunner
from prober.engine.attempt import Job
from prober.model.probe import InThread, Send, StartTls, Trouble
from prober.model.status import PHASES, Outcome, Verdict
from tests.probes.drive import DEADLINE, SESSION, in_thread

Reply = Callable[[bytes], bytes]
"""Makes what a target says of what it was sent."""

SECONDS, CONNECT = 0.5, 0.125
"""What each probe takes, and its connection."""


class ScriptedEngine:
    """Runs each job at once: each wish is answered by the next reply, at the end by the deadline.

    A job is over at once with a `verdict`, if one is given.
    """

    def __init__(self, *replies: Reply, verdict: Verdict | None = None) -> None:
        self._replies = list(replies)
        self._verdict = verdict
        self.jobs: list[Job] = []
        self.wishes: list[Any] = []

    def start(self, job: Job, done: Callable[[Outcome], None]) -> object:
        self.jobs.append(job)
        reason, detail, facts = self._verdict or self._talk(job)
        phases = tuple(CONNECT if name == "connect" else None for name in PHASES)
        done(Outcome(reason, detail, facts, at=0.0, seconds=SECONDS, phases=phases))
        return job

    def cancel(self, attempt: object) -> None:
        assert attempt is self.jobs[-1]

    def _talk(self, job: Job) -> Verdict:
        assert callable(job.begin)
        steps, sent = job.begin(), b""
        wish: Any = next(steps)
        try:
            while True:
                self.wishes.append(wish)
                answer: Any = None
                if isinstance(wish, StartTls):
                    answer = SESSION
                elif isinstance(wish, InThread):
                    answer = in_thread(wish)
                elif isinstance(wish, Send):
                    sent += wish.content
                else:
                    answer = self._replies.pop(0)(sent) if self._replies else DEADLINE
                wish = steps.throw(answer) if isinstance(answer, Trouble) else steps.send(answer)
        except StopIteration as stop:
            verdict: Verdict = stop.value
            return verdict
        except Trouble as trouble:
            return trouble.verdict


class NoNames:
    """A resolver that is never asked."""

    def resolve(self, host: str, *_: object, **__: object) -> None:
        raise AssertionError(f"{host} is looked up")


def scripted(engine: ScriptedEngine) -> ModuleRunner:
    """Return what runs a module with this engine; its clock stands still."""
    findings = Findings(lambda: 0.0)
    sockets: Any = engine
    names: Any = NoNames()
    return ModuleRunner(sockets, names, findings, clock=lambda: 10.0, deadline=20.0)


def gauges(runner: ModuleRunner) -> dict[str, float]:
    """Return what was found, by names with labels."""
    lines = [each for each in runner.findings.metrics().splitlines() if not each.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}
