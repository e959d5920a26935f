"""What every output has in common: its options, what it is given, and what is counted of it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, ClassVar, Protocol

from prober.model.kinds import list_of, text
from prober.model.known_status import JudgedCheck, ServedPool
from prober.model.option import Kind, ReadContext, Rejected, expected, option
from prober.model.pool import NAME
from prober.model.probe import Target
from prober.outputs.counters import OutputCounters
from prober.outputs.keep import Told

PATTERNS = list_of(NAME, shortest=1)


def _read_share(value: object, _: ReadContext) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 1:
        raise expected("a number from 0 to 1", value)
    return float(value)


SHARE = Kind(_read_share, {"type": "number", "minimum": 0, "maximum": 1})


def keep_option() -> Any:
    """Declare the option `keep` of an output that takes backends out of service."""
    return option(
        SHARE,
        default=0.5,
        doc="the share of a pool that is never taken out of service; 0 takes out all that fail",
    )


class OutputType(Protocol):
    """The options of one type of output: a frozen dataclass whose fields are keys of `outputs`."""

    errors: ClassVar[tuple[str, ...]]
    """Why it may fail to send; each is counted from 0 on, so that rates can be taken."""

    def run(self, desk: "Desk") -> AbstractAsyncContextManager[None]:
        """Return a context in which the output works."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One entry of `outputs`; what its type adds is in `settings`."""

    name: str = option(NAME, doc="unique name")
    type: str = option(text(1), doc="the type of output")
    pools: tuple[str, ...] = option(
        PATTERNS, default=(), doc="names of pools, or patterns such as `web-*`; default all"
    )
    pool: str = option(NAME, default="", doc="shorthand for one entry of `pools`")
    settings: OutputType = field()

    def __post_init__(self) -> None:
        """Reject what does not fit together."""
        if self.pools and self.pool:
            raise Rejected("expected only one of pools, pool")

    def selects(self, pool: str) -> bool:
        """Return whether a pool is told of."""
        patterns = self.pools or ((self.pool,) if self.pool else ("*",))
        return any(fnmatchcase(pool, pattern) for pattern in patterns)


class JudgedPools(Protocol):
    """Where outputs learn what is judged."""

    def pool_names(self) -> Iterable[str]:
        """Return the names of all pools, in the order of the configuration."""

    def served(self, name: str) -> ServedPool | None:
        """Return a pool as others are told of it, None if there is none of this name."""

    def checks(self, name: str) -> Iterable[JudgedCheck]:
        """Return the checks of a pool with several monitors that have a conclusive status."""

    def follow(self, follower: Callable[[str], None]) -> Callable[[], None]:
        """Call `follower` with the name of each pool that may have changed; return what ends it."""


class Memory(Protocol):
    """What an output remembers over a restart, where a state directory is set."""

    def recall(self) -> Mapping[str, Any]:
        """Return what is remembered, by subject."""

    def remember(self, subject: str, content: Any) -> None:
        """Remember something about a subject; None forgets it."""


class Feed:
    """The pools that changed and were not looked at yet, each once."""

    def __init__(self) -> None:
        self._names: dict[str, None] = {}
        self._wake = asyncio.Event()

    def __len__(self) -> int:
        return len(self._names)

    def add(self, pool: str) -> None:
        """Note that a pool may have changed."""
        self._names[pool] = None
        self._wake.set()

    async def take(self) -> list[str]:
        """Wait until a pool has changed; return all that have."""
        await self._wake.wait()
        self._wake.clear()
        names, self._names = list(self._names), {}
        return names


class Desk:
    """What an output works with.

    Args:
        output: Its entry in the configuration.
        source: Where it learns what is judged.
        counters: What is counted of it.
        memory: What it remembers over a restart.
        wall: Unix time.
        say: Takes a log level, an event name and keys.
        note: Takes the kind of an event, its cause and the pool that it is about.
        answers_discovery: Takes what answers Envoy, None for nothing any more.
        base_url: Where people find the page.
        prober_name: What this instance is called.
        version: What runs.
    """

    def __init__(
        self,
        output: Output,
        *,
        source: JudgedPools,
        counters: OutputCounters,
        memory: Memory,
        wall: Callable[[], float],
        say: Callable[..., None],
        note: Callable[[str, str, str], None],
        answers_discovery: Callable[[Any], None] = lambda _: None,
        base_url: str = "",
        prober_name: str = "",
        version: str = "",
    ) -> None:
        self.output = output
        self.source = source
        self._counters = counters
        for reason in output.settings.errors:
            counters.errors.setdefault(reason, 0)
        self.memory = memory
        self.wall = wall
        self.base_url = base_url
        self.prober_name = prober_name
        self.version = version
        self._say = say
        self._note = note
        self.answers_discovery = answers_discovery
        self._failing = False

    def pools(self) -> list[str]:
        """Return the names of the pools that are told of."""
        return [name for name in self.source.pool_names() if self.output.selects(name)]

    def served(self, name: str) -> ServedPool | None:
        """Return a pool that is told of, None for others."""
        return self.source.served(name) if self.output.selects(name) else None

    def checks(self, name: str) -> Iterable[JudgedCheck]:
        """Return the checks of a pool that is told of, where the backends do not say all."""
        return self.source.checks(name) if self.output.selects(name) else ()

    def follow(self, feed: Feed) -> Callable[[], None]:
        """Fill a feed with the pools that are told of, all of them first; return what ends it."""
        for name in self.pools():
            feed.add(name)

        def changed(pool: str) -> None:
            if self.output.selects(pool):
                feed.add(pool)

        return self.source.follow(changed)

    @asynccontextmanager
    async def following(
        self,
        follow: Callable[[Feed], Coroutine[Any, Any, None]],
        *others: Coroutine[Any, Any, None],
    ) -> AsyncIterator[None]:
        """Run what follows the feed, and others beside it, as long as the context lasts."""
        feed = Feed()
        unfollow = self.follow(feed)
        tasks = [asyncio.create_task(each) for each in (follow(feed), *others)]
        try:
            yield
        finally:
            unfollow()
            for task in tasks:
                task.cancel()
            for task in tasks:
                with suppress(asyncio.CancelledError):
                    await task

    def tell_held(self, pool: str, told: Told) -> None:
        """Say when backends of a pool begin to be held, or are not held any more."""
        held, before = len(told.held), self._counters.held.get(pool, 0)
        if held:
            self._counters.held[pool] = held
        else:
            self._counters.held.pop(pool, None)
        if held > before:
            names = ", ".join(sorted(told.held))
            cause = (
                f"output {self.output.name!r} keeps {names} in service, to keep the pool's share"
            )
            self._say("warning", "output_held", output=self.output.name, pool=pool, backends=names)
            self._note("output_held", cause, pool)

    def listening(self, address: Target) -> None:
        """Say where the output listens."""
        self._say("info", "output_listening", output=self.output.name, address=str(address))

    def succeeded(self, sent: int = 1) -> None:
        """Count what was sent."""
        self._counters.sent += sent
        self._counters.last_success = self.wall()
        if self._failing:
            self._failing, self._counters.last_error = False, ""
            self._say("info", "output_restored", output=self.output.name)

    def measure_queue(self, length: Callable[[], int]) -> None:
        """Show in the metrics how much waits to be sent."""
        self._counters.queue = length

    def count_error(self, reason: str) -> None:
        """Count what went wrong without a failure of the receiver."""
        self._counters.errors[reason] += 1

    def count_dropped(self) -> None:
        """Count what is not sent any more."""
        self._counters.dropped += 1

    def failed(self, reason: str, detail: str) -> None:
        """Count what could not be sent; the first failure in a row is logged."""
        self._counters.errors[reason] += 1
        self._counters.last_error = detail or reason
        if not self._failing:
            self._failing = True
            self._say(
                "warning", "output_failed", output=self.output.name, reason=reason, detail=detail
            )
