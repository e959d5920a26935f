"""What all outputs share: common options, their access to the daemon, and counters."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, ClassVar, Protocol

from prober.model.kinds import list_of, text
from prober.model.known_status import JudgedCheck, NewCertificate, ServedPool
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
        doc="share of a pool that always stays in service; 0: every failing backend is taken out",
    )


class OutputType(Protocol):
    """The options of one type of output: a frozen dataclass whose fields are keys of `outputs`."""

    errors: ClassVar[tuple[str, ...]]
    """Reasons for which sending may fail; each counter starts at 0, so that rates work."""

    def run(self, desk: "Desk") -> AbstractAsyncContextManager[None]:
        """Return a context; the output works while it lasts."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One entry of `outputs`; `settings` are the options of its type."""

    name: str = option(NAME, doc="unique name")
    type: str = option(text(1), doc="the type of output")
    pools: tuple[str, ...] = option(
        PATTERNS, default=(), doc="names of pools, or patterns such as `web-*`; default: all"
    )
    pool: str = option(NAME, default="", doc="shorthand for one entry of `pools`")
    settings: OutputType = field()

    def __post_init__(self) -> None:
        """Reject options that contradict each other."""
        if self.pools and self.pool:
            raise Rejected("expected only one of pools, pool")

    def selects(self, pool: str) -> bool:
        """Return whether the output reports a pool."""
        patterns = self.pools or ((self.pool,) if self.pool else ("*",))
        return any(fnmatchcase(pool, pattern) for pattern in patterns)


class JudgedPools(Protocol):
    """The statuses that outputs report."""

    def pool_names(self) -> Iterable[str]:
        """Return the names of all pools, in the order of the configuration."""

    def served(self, name: str) -> ServedPool | None:
        """Return a pool with its statuses, or None if there is no pool of this name."""

    def checks(self, name: str) -> Iterable[JudgedCheck]:
        """Return the checks of a pool with several monitors that have a conclusive status."""

    def certificates(self, name: str) -> Iterable[NewCertificate]:
        """Return the last change of certificate of each check of a pool, if any."""

    def follow(self, follower: Callable[[str], None]) -> Callable[[], None]:
        """Call `follower` with each pool that may have changed; return how to stop."""


class Memory(Protocol):
    """What an output remembers across restarts, if there is a state directory."""

    def recall(self) -> Mapping[str, Any]:
        """Return what is remembered, by subject."""

    def remember(self, subject: str, content: Any) -> None:
        """Remember content for a subject; None deletes it."""


class Speaker(Protocol):
    """Decides which member of a cluster sends the messages of an output to people.

    What was sent is known to all members, so that another one can continue.
    """

    @property
    def cluster(self) -> str | None:
        """The name of the cluster; None: there is none."""

    def speaks(self, output: str) -> bool:
        """Return whether this prober sends the messages of an output."""

    def told(self, output: str, pool: str) -> Mapping[str, str]:
        """Return what any member has reported of a pool to people, by subject."""

    def tell(self, output: str, pool: str, told: Mapping[str, str]) -> None:
        """Let all members know what was reported of a pool to people."""

    def follow(self, follower: Callable[[str], None]) -> Callable[[], None]:
        """Call `follower` with each pool to report again; return how to stop."""


class Alone:
    """The `Speaker` of a prober without a cluster."""

    cluster = None

    def speaks(self, _: str) -> bool:
        """Return True: there is no other member."""
        return True

    def told(self, _output: str, _pool: str) -> Mapping[str, str]:
        """Return nothing: the output itself knows what it has reported."""
        return {}

    def tell(self, output: str, pool: str, told: Mapping[str, str]) -> None:
        """Do nothing."""

    def follow(self, _: Callable[[str], None]) -> Callable[[], None]:
        """Do nothing: there is no other member."""
        return lambda: None


class Feed:
    """The names of changed pools that were not processed yet, each once."""

    def __init__(self) -> None:
        self._names: dict[str, None] = {}
        self._wake = asyncio.Event()

    def __len__(self) -> int:
        return len(self._names)

    def add(self, pool: str) -> None:
        """Add a pool that may have changed."""
        self._names[pool] = None
        self._wake.set()

    async def take(self) -> list[str]:
        """Wait until there is a changed pool; return all of them."""
        await self._wake.wait()
        self._wake.clear()
        names, self._names = list(self._names), {}
        return names


class Desk:
    """An output's access to the daemon.

    Args:
        output: Its entry in the configuration.
        source: The statuses.
        counters: Its counters.
        memory: What it remembers across restarts.
        wall: Unix time.
        say: Takes a log level, an event name and keys.
        note: Takes the kind of an event, its cause and the pool that it is about.
        answers_discovery: Takes what answers Envoy, or None.
        base_url: The URL of the status page.
        prober_name: The name of this instance.
        version: The version of prober.
        speaker: Decides which member of a cluster sends messages to people.
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
        speaker: Speaker | None = None,
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
        self._speaker = speaker or Alone()
        self._say = say
        self._note = note
        self.answers_discovery = answers_discovery
        self._failing = False

    def pools(self) -> list[str]:
        """Return the names of the pools that the output reports."""
        return [name for name in self.source.pool_names() if self.output.selects(name)]

    def served(self, name: str) -> ServedPool | None:
        """Return a pool that the output reports, or None for others."""
        return self.source.served(name) if self.output.selects(name) else None

    def checks(self, name: str) -> Iterable[JudgedCheck]:
        """Return the checks of a reported pool, if it has several monitors."""
        return self.source.checks(name) if self.output.selects(name) else ()

    def certificates(self, name: str) -> Iterable[NewCertificate]:
        """Return the last change of certificate of each check of a reported pool, if any."""
        return self.source.certificates(name) if self.output.selects(name) else ()

    def follow(self, feed: Feed) -> Callable[[], None]:
        """Fill a feed with all reported pools, then with changed ones; return how to stop."""
        for name in self.pools():
            feed.add(name)

        def changed(pool: str) -> None:
            if self.output.selects(pool):
                feed.add(pool)

        ends = (self.source.follow(changed), self._speaker.follow(changed))

        def end() -> None:
            for each in ends:
                each()

        return end

    @asynccontextmanager
    async def following(
        self,
        follow: Callable[[Feed], Coroutine[Any, Any, None]],
        *others: Coroutine[Any, Any, None],
    ) -> AsyncIterator[None]:
        """Run the follower of a new feed, and other coroutines, while the context lasts."""
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

    @property
    def cluster(self) -> str | None:
        """The name of the cluster, if there is one."""
        return self._speaker.cluster

    def speaks(self) -> bool:
        """Return whether this prober sends the messages of the output."""
        return self._speaker.speaks(self.output.name)

    def told(self, pool: str) -> Mapping[str, str]:
        """Return what any member of the cluster has reported of a pool to people, by subject."""
        return self._speaker.told(self.output.name, pool)

    def tell(self, pool: str, told: Mapping[str, str]) -> None:
        """Let all members of the cluster know what was reported of a pool to people."""
        self._speaker.tell(self.output.name, pool, told)

    def tell_held(self, pool: str, told: Told) -> None:
        """Report when backends of a pool are held in service, or no longer."""
        held, before = len(told.held), self._counters.held.get(pool, 0)
        if held:
            self._counters.held[pool] = held
        else:
            self._counters.held.pop(pool, None)
        if held > before:
            names = ", ".join(sorted(told.held))
            who = f"output {self.output.name!r} keeps {names} in service"
            cause = f"{who}: the pool would fall below `keep`"
            self._say("warning", "output_held", output=self.output.name, pool=pool, backends=names)
            self._note("output_held", cause, pool)

    def listening(self, address: Target) -> None:
        """Log the address on which the output listens."""
        self._say("info", "output_listening", output=self.output.name, address=str(address))

    def succeeded(self, sent: int = 1) -> None:
        """Count messages that were sent."""
        self._counters.sent += sent
        self._counters.last_success = self.wall()
        if self._failing:
            self._failing, self._counters.last_error = False, ""
            self._say("info", "output_restored", output=self.output.name)

    def measure_queue(self, length: Callable[[], int]) -> None:
        """Show the length of the send queue in the metrics."""
        self._counters.queue = length

    def count_error(self, reason: str) -> None:
        """Count an error that is not a failure of the receiver."""
        self._counters.errors[reason] += 1

    def count_dropped(self) -> None:
        """Count a message that is given up."""
        self._counters.dropped += 1

    def failed(self, reason: str, detail: str) -> None:
        """Count a failure to send; the first one in a row is logged."""
        self._counters.errors[reason] += 1
        self._counters.last_error = detail or reason
        if not self._failing:
            self._failing = True
            self._say(
                "warning", "output_failed", output=self.output.name, reason=reason, detail=detail
            )
