"""Follows every target list, and offers changed configurations to the daemon.

It looks at files every other second and fetches URLs at their interval. A list that cannot be read,
or is refused, changes nothing: its existing checks go on.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from hashlib import sha256
from typing import NamedTuple, Protocol

import structlog

from prober.config.configuration import Config
from prober.config.disk import FileHashes
from prober.config.shrink import SHRINK_WINDOW
from prober.config.targets import write_targets
from prober.config.watch import Watcher, look_aside
from prober.discovery.fetch import ListUnusable, read_list
from prober.discovery.known import (
    Listed,
    backends_of,
    lists_of,
    restore,
    save,
    with_lists,
    with_lists_in_force,
)
from prober.files.bounded import BOUNDED, aside
from prober.model.monitor import LIST_INTERVAL, Model, TargetList
from prober.state.vitals import ListHealth, Vitals

log = structlog.get_logger()

LOOK_EVERY = 2.0
"""Seconds between two looks at the files."""
_NEVER_READ = ""  # the hash of no content, so that a file that cannot be read is noticed as well
RETRY_SECONDS = 5.0
"""Seconds between two attempts to fetch a URL that has never returned a list."""


class Reviser(Protocol):
    """Replaces the running configuration with a changed one."""

    async def revise(self, offer: "Offer") -> list[str]:
        """Return the problems with the content of a list, or nothing if it was taken."""


class Offer(NamedTuple):
    """The content of a list, and the monitors that follow it."""

    wanted: TargetList
    listed: Listed
    monitors: Sequence[str]

    @property
    def cause(self) -> str:
        """What changes, in words."""
        return f"targets of {', '.join(self.monitors)}"

    def revision(self, config: Config) -> Config:
        """Return a configuration with this content of the list."""
        return with_lists(config, {self.wanted: self.listed})

    def misfits(self, model: Model) -> list[str]:
        """Return the first backend that one of the monitors cannot probe, and why.

        Of an expanded name, such addresses are left out instead.
        """
        if self.wanted.expand:
            return []
        for monitor in model.monitors:
            if monitor.name in self.monitors:
                for _, why in monitor.misfits(self.listed.backends):
                    return [f"backend {why}"]
        return []

    def digest(self) -> str:
        """Return what identifies the content, however it was read."""
        targets = json.dumps(write_targets(self.listed.backends))
        return sha256(targets.encode()).hexdigest()


class Completed(NamedTuple):
    """A configuration with what is in force of its lists, and what their contents would be."""

    config: Config
    offers: list[Offer]


class _Refusal(NamedTuple):
    listed: Listed
    at: float


class TargetLists:
    """Keeps the backends of monitors with `targets_from` up to date.

    Args:
        vitals: Receives the state of each list.
        note: Receives the kind of an event and its cause.
        state_dir: Where to keep lists from URLs for the next start; None: nowhere.
        read: Reads one list, or raises `ListUnusable`.
        look_every: Seconds between two looks at the files.
        retry: Seconds between two attempts to fetch a URL that has never returned a list.
    """

    def __init__(
        self,
        *,
        vitals: Vitals,
        note: Callable[[str, str], None],
        state_dir: str | None,
        read: Callable[[TargetList], Awaitable[Listed]] = read_list,
        look_every: float = LOOK_EVERY,
        retry: float = RETRY_SECONDS,
    ) -> None:
        self._vitals = vitals
        self._note = note
        self._state_dir = state_dir
        self._read = read
        self._look_every = look_every
        self._retry = retry
        self._known: dict[TargetList, Listed] = {}
        self._followers: dict[TargetList, list[str]] = {}
        self._troubles: dict[TargetList, str] = {}
        self._refusals: dict[TargetList, _Refusal] = {}
        self._tasks: dict[TargetList | None, asyncio.Task[None]] = {}  # None: all the files
        self._reviser: Reviser | None = None

    def begin(self, config: Config) -> Config:
        """Return the configuration for a start: with saved lists for those that are not there."""
        wanted = {
            each: names
            for each, names in lists_of(config.model).items()
            if each.asked_every or each.file in config.unread_lists
        }
        if wanted and self._state_dir:
            try:
                work = partial(restore, self._state_dir, wanted)
                self._known = BOUNDED.call(self._state_dir, work)
            except (OSError, ValueError) as error:
                self._report_storage(error)
        for each in wanted:
            found = self._known.get(each)
            if found:
                log.info("target_list_restored", list=str(each), targets=len(found.backends))
            else:
                log.info("target_list_not_read_yet", list=str(each))
        config = with_lists(config, self._known)
        self.follow(config)
        return config

    async def complete(self, config: Config, running: Model, *, asked: bool) -> Completed:
        """Return a configuration that was just read, with the contents of its lists in force.

        Lists that were never read are read now; if that fails, they are empty. Lists with another
        content than the one in force are offered; after a request, so is what was refused.
        """
        lists = lists_of(config.model)
        pools = {pool.name: pool for pool in config.model.pools}
        fresh = {
            each: Listed(pools[names[0]].backends, "")
            for each, names in lists.items()
            if each.file and each.file not in config.unread_lists
        }
        places = {str(each) for each in self._known}
        new = [each for each in lists if each.asked_every and str(each) not in places]
        found = await asyncio.gather(*map(self._try, new))
        fresh |= {each: listed for each, listed in zip(new, found, strict=True) if listed}
        config = await asyncio.to_thread(with_lists_in_force, config, running, fresh)
        again = {each: refusal.listed for each, refusal in self._refusals.items() if asked}
        offers = [
            Offer(each, listed, lists[each])
            for each, listed in {**again, **fresh}.items()
            if each in lists and listed.backends != backends_of(config.model, each)
        ]
        return Completed(config, offers)

    async def _try(self, wanted: TargetList) -> Listed | None:
        try:
            return await self._read(wanted)
        except ListUnusable:
            return None  # its followers read it again, and report the error

    def follow(self, config: Config) -> None:
        """Follow the lists in a configuration that is in force, and no others."""
        self._followers = lists_of(config.model)
        before, self._known = self._known, {}
        for each in self._followers:
            backends = backends_of(config.model, each)
            if each in before:
                self._known[each] = before[each]
            elif backends:
                self._known[each] = Listed(backends, "")
        following = {name for names in self._followers.values() for name in names}
        for gone in self._vitals.target_lists.keys() - following:
            del self._vitals.target_lists[gone]
        for about in (self._troubles, self._refusals):
            for each in about.keys() - self._followers.keys():
                del about[each]
        if self._reviser is not None:
            self._run_tasks()

    def start(self, reviser: Reviser) -> None:
        """Start to read the lists; the reviser receives their contents."""
        self._reviser = reviser
        self._run_tasks()

    async def close(self) -> None:
        """Cancel everything in progress."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        self._tasks.clear()

    def _run_tasks(self) -> None:
        asked = {each for each in self._followers if each.asked_every}
        files = [each for each in self._followers if each.file]
        for each in self._tasks.keys() - asked:
            self._tasks.pop(each).cancel()
        for each in asked - self._tasks.keys():
            self._tasks[each] = asyncio.create_task(self._ask(each))
        if files:
            self._tasks[None] = asyncio.create_task(self._watch(files))

    async def _ask(self, wanted: TargetList) -> None:
        interval = wanted.asked_every or LIST_INTERVAL
        while True:
            await self._refresh(wanted)
            known = self._known.get(wanted)
            was_read = known is not None and known.print
            await asyncio.sleep(interval if was_read else min(interval, self._retry))

    async def _watch(self, files: list[TargetList]) -> None:
        watcher = Watcher()
        watcher.follow(FileHashes({str(each): _NEVER_READ for each in files}, {}))
        while True:
            if await look_aside(watcher):
                for each in files:
                    await self._refresh(each)
            await asyncio.sleep(self._look_every)

    async def _refresh(self, wanted: TargetList) -> None:
        """Read a list, and apply it to the running configuration."""
        try:
            found = await self._read(wanted)
        except ListUnusable as unusable:
            self._saw_trouble(wanted, str(unusable))
            return
        known = self._known.get(wanted)
        if known is not None and known.print == found.print:
            found = known  # the same object, so that comparisons are fast
        if self._is_refused(wanted, found):
            return
        assert self._reviser is not None  # noqa: S101  (`start` has set it)
        offer = Offer(wanted, found, self._followers.get(wanted, ()))
        await self.judged(offer, await self._reviser.revise(offer))

    async def judged(self, offer: Offer, problems: list[str]) -> None:
        """Note whether the content of a list is in force now, or what is wrong with it."""
        wanted, found = offer.wanted, offer.listed
        if problems:
            self._refusals[wanted] = _Refusal(found, time.monotonic())
            self._saw_trouble(wanted, "; ".join(problems))
            return
        self._refusals.pop(wanted, None)
        self._saw_success(wanted)
        before = self._known.get(wanted)
        self._known[wanted] = found
        if found is not before:
            await self._save()

    def _is_refused(self, wanted: TargetList, found: Listed) -> bool:
        """Return whether this content was offered and refused a moment ago."""
        refusal = self._refusals.get(wanted)
        if refusal is None or time.monotonic() - refusal.at >= SHRINK_WINDOW:
            return False
        return refusal.listed.backends == found.backends

    def _saw_trouble(self, wanted: TargetList, problem: str) -> None:
        names = self._followers.get(wanted, [])
        for name in names:
            last = self._vitals.target_lists.get(name)
            self._vitals.target_lists[name] = ListHealth(ok=False, read_at=last and last.read_at)
        if self._troubles.get(wanted) == problem:
            return
        if wanted not in self._troubles:
            self._note("reload_rejected", f"targets of {', '.join(names)} are kept: {problem}")
        self._troubles[wanted] = problem
        log.warning("target_list_kept", list=str(wanted), monitors=names, problem=problem)

    def _saw_success(self, wanted: TargetList) -> None:
        for name in self._followers.get(wanted, ()):
            self._vitals.target_lists[name] = ListHealth(ok=True, read_at=time.time())
        if self._troubles.pop(wanted, None):
            log.info("target_list_works_again", list=str(wanted))

    async def _save(self) -> None:
        if self._state_dir is None:
            return
        work = partial(save, self._state_dir, dict(self._known), dict(self._followers))
        try:
            await aside(BOUNDED.call, self._state_dir, work)
        except OSError as error:
            self._report_storage(error)

    def _report_storage(self, error: Exception) -> None:
        self._vitals.state_errors["target_lists"] += 1
        log.warning("state_error", reason="target_lists", detail=str(error))
