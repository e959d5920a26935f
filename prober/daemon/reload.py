"""Reloads: by signal, over HTTP or because a file changed; one at a time, all or nothing."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Iterable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from typing import Protocol

import structlog

from prober.config import garbage
from prober.config.changes import Changes, changes
from prober.config.configuration import Config
from prober.config.disk import FileHashes
from prober.config.shrink import FILE, SHRINK_WINDOW, Ask, ShrinkGuard, Step, steps_of
from prober.config.watch import Watcher, look_aside
from prober.config.yielding import yielding
from prober.daemon.loading import Reading
from prober.discovery.known import lists_of
from prober.discovery.lists import Completed, Offer
from prober.edits.overlay import Edited, overlay
from prober.model.monitor import Model
from prober.model.option import options_of
from prober.model.wording import counted
from prober.state.vitals import Vitals

log = structlog.get_logger()

LOOK_EVERY = 2.0
"""Seconds between two looks at the files."""
QUIET = 1.0
"""Seconds between a reload and the next one by signal, which covers all requests until then."""
_NOTED = 3  # problems in an event; the log has all of them

NoteReload = Callable[[str, str], None]
"""Takes the kind of an event, `reload` or `reload_rejected`, and its cause."""


class ReloadTarget(Protocol):
    """What runs with a configuration and can be given another."""

    config: Config
    vitals: Vitals

    async def apply(self, config: Config, difference: Changes) -> None:
        """Switch to a configuration, given the differences to the current one."""


class EditsOverFile(Protocol):
    """The edits made over the API, which a reload keeps."""

    @property
    def file(self) -> Config | None:
        """What they were last applied to; None if that is the running configuration."""

    def over(self, config: Config) -> Edited:
        """Apply them to a configuration, without putting it in force."""

    def settle(self, edited: Edited) -> None:
        """Note that such a configuration is in force."""


class _NoEdits:
    file = None

    def over(self, config: Config) -> Edited:
        return overlay(config, ())

    def settle(self, edited: Edited) -> None:
        pass


class Lists(Protocol):
    """The target lists that a configuration refers to."""

    async def complete(self, config: Config, running: Model, *, asked: bool) -> Completed:
        """Return a configuration that was just read, with the contents of its lists."""

    def follow(self, config: Config) -> None:
        """Follow the lists of a configuration that is in force."""

    async def judged(self, offer: Offer, problems: list[str]) -> None:
        """Record whether the content of a list was accepted."""


@dataclass(slots=True, eq=False)
class _Wish:
    """A reload that has not started; all requests until then share it."""

    asked_at: float | None = None
    rested: bool = False
    at_once: asyncio.Event = field(default_factory=asyncio.Event)
    answer: asyncio.Future[list[str]] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class Reloader:
    """Reloads the configuration, one at a time; requests during a reload share the next one.

    Args:
        running: Receives the new configuration.
        read: Reads the configuration; None if there is nothing to read again.
        guard: Refuses a reload that would drop most of the checks.
        note: Receives each reload and each rejection as an event.
        edits: The edits made over the API.
        busy: A lock that separates reloads and edits.
        lists: Adds the contents of target lists.
        adopted: Called with each configuration that takes effect.
        around: Creates a context for each reload.
        watcher: Looks at the files.
        clock: A monotonic clock.
        look_every: Seconds between two looks at the files.
        quiet: Seconds between a reload and the next one by signal.
    """

    def __init__(
        self,
        running: ReloadTarget,
        *,
        read: Callable[[], Awaitable[Reading]] | None,
        guard: ShrinkGuard,
        note: NoteReload,
        edits: EditsOverFile | None = None,
        busy: asyncio.Lock | None = None,
        lists: Lists | None = None,
        adopted: Callable[[Config], None] = lambda _: None,
        around: Callable[[], AbstractContextManager[None]] = nullcontext,
        watcher: Watcher | None = None,
        clock: Callable[[], float] = time.monotonic,
        look_every: float = LOOK_EVERY,
        quiet: float = QUIET,
    ) -> None:
        self._running = running
        self._read = read
        self._guard = guard
        self._note = note
        self._edits = edits or _NoEdits()
        self._busy = busy or asyncio.Lock()
        self._lists = lists
        self._adopted = adopted
        self._around = around
        self._watcher = watcher or Watcher()
        self._clock = clock
        self._look_every = look_every
        self._quiet = quiet
        self._quiet_until = 0.0
        self._rests_at: float | None = None
        self._wish: _Wish | None = None
        self._worker: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None

    def start(self, traces: FileHashes | None) -> None:
        """Start to watch the files of the configuration, if configured."""
        if traces is not None:
            self._watcher.follow(traces)
        self._watch_or_not()

    async def close(self) -> None:
        """Cancel everything in progress."""
        tasks = [task for task in (self._watching, self._worker) if task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def ask(self) -> None:
        """Reload soon: at once, or after the quiet time since the last reload."""
        self._wish_for(self._clock())

    async def reload(self) -> list[str]:
        """Reload; return the problems; with any, the old configuration stays in force."""
        now = self._clock()
        wish = self._wish_for(now)
        wish.asked_at = now  # a caller that waits counts as asking again
        wish.at_once.set()
        return await asyncio.shield(wish.answer)

    async def revise(self, offer: Offer) -> list[str]:
        """Apply the new content of a target list; return the problems."""
        async with self._busy:
            return await self._revise(offer, Ask(""))

    async def _revise(self, offer: Offer, ask: Ask) -> list[str]:
        if problems := offer.misfits(self._file.model):
            return problems
        with yielding():
            config = await asyncio.to_thread(offer.revision, self._file)
        return await self._take(config, ask, offer)

    @property
    def _file(self) -> Config:
        """What runs, without the edits."""
        return self._edits.file or self._running.config

    def _wish_for(self, asked_at: float | None) -> _Wish:
        wish = self._wish = self._wish or _Wish()
        wish.asked_at = asked_at if wish.asked_at is None else wish.asked_at
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        return wish

    async def _work(self) -> None:
        while (wish := self._wish) is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, self._quiet_until - self._clock())):
                    await wish.at_once.wait()
            self._wish = None
            try:
                async with self._busy:
                    with self._around():
                        wish.answer.set_result(await self._reload(wish))
            finally:
                wish.answer.cancel()
                self._quiet_until = self._clock() + self._quiet

    async def _reload(self, wish: _Wish) -> list[str]:
        problems = await self._try(wish)
        if problems:
            self._running.vitals.rejected()
            for problem in problems:
                log.error("config_rejected", problem=problem)
            more = len(problems) - _NOTED
            rest = [f"{more} more"] if more > 0 else []
            self._note("reload_rejected", "; ".join(problems[:_NOTED] + rest))
        return problems

    async def _try(self, wish: _Wish) -> list[str]:
        if self._read is None:
            return ["there is no configuration file to read again"]
        self._rests_at = None
        reading = await self._read()
        if reading.traces and reading.traces.prints:
            self._watcher.follow(reading.traces)
        config = reading.config
        if config is None:
            return list(reading.problems)
        offers: list[Offer] = []
        if self._lists is not None:
            config, offers = await self._lists.complete(
                config, self._file.model, asked=wish.asked_at is not None
            )
        problems = await self._take(config, Ask(config.digest, wish.asked_at, wish.rested))
        if problems:
            self._rests_at = self._clock() + SHRINK_WINDOW
        else:
            self._watch_or_not()
            if self._lists is not None:
                self._lists.follow(config)
        await self._settle(offers, wish.asked_at)
        return problems

    async def _settle(self, offers: Iterable[Offer], asked_at: float | None) -> None:
        """Apply the contents of lists one by one, so that a rejected one holds up no other."""
        followed = lists_of(self._file.model)
        for offer in offers:
            if self._lists is not None and offer.wanted in followed:
                problems = await self._revise(offer, Ask(offer.digest(), asked_at))
                await self._lists.judged(offer, problems)

    async def _take(self, config: Config, ask: Ask, offer: Offer | None = None) -> list[str]:
        """Apply a configuration to what runs; `offer` is the list that alone has changed."""
        before = self._running.config
        with yielding():
            edited, difference = await asyncio.to_thread(self._compare, before, config)
        source = FILE if offer is None else str(offer.wanted)
        steps = _steps(before.model, edited.config.model, difference, offer)
        objection = self._guard.objection(source, steps, ask, self._clock())
        if objection:
            return [objection]
        await self._running.apply(edited.config, difference)
        garbage.keep()
        self._edits.settle(edited)
        self._adopted(config)
        if offer is not None:
            self._say_revised(difference, offer.cause)
        else:
            self._say(before, config, difference)
        return []

    def _compare(self, before: Config, config: Config) -> tuple[Edited, Changes]:
        """Return a configuration with the edits, and its differences to the current one."""
        edited = self._edits.over(config)
        return edited, changes(before.model, edited.config.model)

    def _say_revised(self, difference: Changes, cause: str) -> None:
        added, removed, changed, _ = (len(each) for each in difference[:4])
        if not (added or removed or changed):
            return
        log.info("config_revised", cause=cause, added=added, removed=removed, changed=changed)
        words = f"{counted(added, 'check')} added, {removed} removed, {changed} changed"
        self._note("reload", f"{cause}: {words}")

    def _say(self, before: Config, config: Config, difference: Changes) -> None:
        added, removed, changed, unchanged = (len(each) for each in difference[:4])
        self._running.vitals.loaded(config.digest, time.time())
        log.info(
            "config_reloaded",
            added=added,
            removed=removed,
            changed=changed,
            checks=added + changed + unchanged + difference.same,
            config_hash=config.digest,
        )
        if keys := _fixed_keys(before, config):
            log.warning("needs_restart", keys=keys)
        self._note(
            "reload", f"{counted(added, 'check')} added, {removed} removed, {changed} changed"
        )

    def _watch_or_not(self) -> None:
        watches = self._running.config.server.watch_config or self._watcher.secrets
        wanted = self._read is not None and bool(watches)
        if wanted and self._watching is None:
            self._watching = asyncio.create_task(self._watch())
        elif self._watching and not wanted:
            self._watching.cancel()
            self._watching = None

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._look_every)
            async with self._busy:
                changed = await look_aside(self._watcher)
            if changed and self._may_read():
                self._wish_for(None)
            elif self._rests_at is not None and self._clock() >= self._rests_at:
                self._wish_for(None).rested = True

    def _may_read(self) -> bool:
        """Return whether to read again what has changed: without `watch_config`, only secrets."""
        if self._running.config.server.watch_config:
            return True
        secrets = self._watcher.differing & self._watcher.secrets
        if secrets == self._watcher.differing:
            return True
        if secrets:
            hint = "the configuration has changed too: reload it"
            log.warning("secret_not_renewed", files=sorted(secrets), hint=hint)
        return False


def _steps(before: Model, after: Model, difference: Changes, offer: Offer | None) -> list[Step]:
    """Return what a change adds and removes, by source: a file's own checks, and those of lists."""
    sizes = {pool.name: len(pool.backends) for pool in before.pools}
    counts = {monitor.name: sizes[monitor.pool_name] for monitor in before.monitors}
    listed = {
        name for model in (after, before) for each in lists_of(model).values() for name in each
    }
    own = {each.name for model in (after, before) for each in model.monitors} - listed
    parts: list[Collection[str]] = [own, listed] if offer is None else [offer.monitors]
    removed = (check.monitor.name for check in difference.removed)
    return steps_of(counts, removed, (check.monitor.name for check in difference.added), parts)


def _fixed_keys(before: Config, after: Config) -> list[str]:
    """Return the keys of `server` and `cluster` that differ and need a restart."""
    if (before.cluster is None) != (after.cluster is None):
        return [*_fixed_keys(replace(before, cluster=after.cluster), after), "cluster"]
    return [
        f"{section}.{key}"
        for section, now in (("server", after.server), ("cluster", after.cluster))
        for key, each in options_of(type(now)).items()
        if not each.live
        and getattr(getattr(before, section), key, None)
        != getattr(getattr(after, section), key, None)
    ]
