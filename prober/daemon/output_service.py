"""Runs the configured outputs, and restarts those that a reload has changed."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import structlog

from prober import __version__
from prober.model.known_status import JudgedCheck, NewCertificate, ServedPool
from prober.state.journal import Journal
from prober.state.last_known import LastKnown
from prober.state.store import Store
from prober.state.vitals import Vitals

if TYPE_CHECKING:
    from prober.outputs.counters import OutputCounters
    from prober.outputs.envoy_eds import EndpointDiscovery
    from prober.outputs.output import Desk, Output, Speaker

log = structlog.get_logger()

AGAIN = 5.0
"""Seconds after which an output that failed because of a bug is started again."""


class OutputService:
    """The outputs.

    Args:
        store: What is configured.
        known: The statuses that outputs report.
        vitals: Where each output's counters are shown.
        told: What outputs have remembered, by output and subject.
        journal: Where they remember it; None: until the process ends.
        wall: Unix time.
        base_url: Where people find the page.
        speaker: Returns what decides which member of a cluster sends messages to people.
    """

    def __init__(
        self,
        store: Store,
        known: LastKnown,
        vitals: Vitals,
        *,
        told: Mapping[tuple[str, str], Any],
        journal: Journal | None,
        wall: Callable[[], float],
        base_url: Callable[[], str],
        speaker: "Callable[[], Speaker | None]" = lambda: None,
    ) -> None:
        self._store = store
        self._known = known
        self._vitals = vitals
        self._told = dict(told)
        self._journal = journal
        self._wall = wall
        self._base_url = base_url
        self._speaker = speaker
        self._running: dict[str, tuple[Output, asyncio.Task[None]]] = {}
        self.discovery: EndpointDiscovery | None = None

    def adopt(self, outputs: "Iterable[Output]") -> None:
        """Run these outputs from now on; unchanged ones are not touched."""
        wanted = {output.name: output for output in outputs}
        for name, (output, task) in list(self._running.items()):
            if wanted.get(name) != output:
                task.cancel()
                del self._running[name]
                self._vitals.outputs.pop(name, None)
        for name, output in wanted.items():
            if name not in self._running:
                from prober.outputs.counters import OutputCounters  # noqa: PLC0415

                counters = self._vitals.outputs[name] = OutputCounters(output.type, output.selects)
                self._running[name] = output, asyncio.create_task(self._run(output, counters))
        for key in [key for key in self._told if key[0] not in wanted]:
            self.remember(key[0], key[1], None)

    async def close(self) -> None:
        """Stop all outputs; what receivers got is not withdrawn."""
        tasks = [task for _, task in self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def save_all(self) -> None:
        """Store everything again that outputs remember."""
        for (output, subject), content in self._told.items():
            self.remember(output, subject, content)

    async def _run(self, output: "Output", counters: "OutputCounters") -> None:
        while True:
            try:
                async with output.settings.run(self._desk(output, counters)):
                    await asyncio.Event().wait()
            except Exception:
                counters.errors["internal"] += 1
                log.exception("internal_error", output=output.name)
                await asyncio.sleep(AGAIN)

    def _desk(self, output: "Output", counters: "OutputCounters") -> "Desk":
        from prober.outputs.output import Desk  # noqa: PLC0415  (only if there are outputs)

        return Desk(
            output,
            source=_JudgedPools(self._store, self._known),
            counters=counters,
            memory=_Memory(self, output.name),
            wall=self._wall,
            say=_say,
            note=lambda kind, cause, pool: self._store.note(kind, cause, pool=pool),
            answers_discovery=self._set_discovery,
            base_url=self._base_url(),
            prober_name=self._vitals.name,
            version=__version__,
            speaker=self._speaker(),
        )

    def _set_discovery(self, discovery: "EndpointDiscovery | None") -> None:
        self.discovery = discovery

    def recall(self, output: str) -> dict[str, Any]:
        """Return what an output remembers, by subject."""
        return {subject: each for (name, subject), each in self._told.items() if name == output}

    def remember(self, output: str, subject: str, content: Any) -> None:
        """Remember something about a subject for an output; None forgets it."""
        if content is None:
            self._told.pop((output, subject), None)
        else:
            self._told[output, subject] = content
        if self._journal is not None:
            self._journal.remember(output, subject, content)


class _JudgedPools:
    """The statuses, as outputs see them."""

    def __init__(self, store: Store, known: LastKnown) -> None:
        self._store = store
        self._known = known

    def pool_names(self) -> Iterable[str]:
        return list(self._store.pools)

    def served(self, name: str) -> ServedPool | None:
        return self._known.served(name)

    def checks(self, name: str) -> Iterable[JudgedCheck]:
        return self._known.checks(name)

    def certificates(self, name: str) -> Iterable[NewCertificate]:
        return self._known.certificates(name)

    def follow(self, follower: Callable[[str], None]) -> Callable[[], None]:
        return self._known.follow(follower)


class _Memory:
    """What one output remembers."""

    def __init__(self, service: OutputService, output: str) -> None:
        self._service = service
        self._output = output

    def recall(self) -> Mapping[str, Any]:
        return self._service.recall(self._output)

    def remember(self, subject: str, content: Any) -> None:
        self._service.remember(self._output, subject, content)


def _say(level: str, event: str, **facts: object) -> None:
    getattr(log, level)(event, **facts)
