"""Follows every target list, and offers changed configurations to the daemon.

It looks at files every other second and fetches URLs at their interval. A list that cannot be read,
or is refused, changes nothing: its existing checks go on.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from os.path import exists
from typing import NamedTuple, Protocol

import structlog

from prober.config.configuration import Config
from prober.config.disk import FileHashes
from prober.config.shrink import SHRINK_WINDOW
from prober.config.watch import Watcher
from prober.discovery.fetch import ListUnusable, read_list
from prober.discovery.known import Listed, lists_of, restore, save, with_lists
from prober.model.monitor import LIST_INTERVAL, TargetList
from prober.state.vitals import ListHealth, Vitals

log = structlog.get_logger()

LOOK_EVERY = 2.0
"""Seconds between two looks at the files."""
RETRY_SECONDS = 5.0
"""Seconds between two attempts to fetch a URL that has never returned a list."""

Revision = Callable[[Config], Config]


class Reviser(Protocol):
    """Replaces the running configuration with a changed one."""

    async def revise(self, revision: Revision, *, cause: str, digest: str) -> list[str]:
        """Return the problems with the change, or nothing if it was made."""


class _Refusal(NamedTuple):
    print: str
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
        """Return the configuration for a start, with the saved lists of its URLs."""
        wanted = [each for each in lists_of(config.model) if each.url]
        if wanted and self._state_dir:
            try:
                self._known = restore(self._state_dir, wanted)
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

    async def complete(self, config: Config) -> Config:
        """Return a configuration that was just read, with the lists of its URLs.

        Lists that were never read are fetched now; if that fails, they are empty.
        """
        wanted = [each for each in lists_of(config.model) if each.url]
        await asyncio.gather(*(self._learn_if_new(each) for each in wanted))
        known = {each: self._known[each] for each in wanted if each in self._known}
        return await asyncio.to_thread(with_lists, config, known)

    def follow(self, config: Config) -> None:
        """Follow the lists in a configuration, and no others."""
        self._followers = lists_of(config.model)
        self._known = {
            each: listed
            for each, listed in self._known.items()
            if each.url and each in self._followers
        }
        self._refusals.clear()
        following = {name for names in self._followers.values() for name in names}
        for gone in self._vitals.target_lists.keys() - following:
            del self._vitals.target_lists[gone]
        for each in self._troubles.keys() - self._followers.keys():
            del self._troubles[each]
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
        urls = {each for each in self._followers if each.url}
        files = [each for each in self._followers if each.file]
        for each in self._tasks.keys() - urls:
            self._tasks.pop(each).cancel()
        for each in urls - self._tasks.keys():
            self._tasks[each] = asyncio.create_task(self._ask(each))
        if files:
            self._tasks[None] = asyncio.create_task(self._watch(files))

    async def _ask(self, wanted: TargetList) -> None:
        interval = wanted.interval or LIST_INTERVAL
        while True:
            await self._refresh(wanted)
            known = wanted in self._known
            await asyncio.sleep(interval if known else min(interval, self._retry))

    async def _watch(self, files: list[TargetList]) -> None:
        watcher = Watcher()
        watcher.follow(FileHashes({str(each): None for each in files}, {}))  # as if never read
        for each in files:
            if not await asyncio.to_thread(exists, str(each)):
                await self._refresh(each)  # to say so: to the watcher nothing has changed
        while True:
            if await asyncio.to_thread(watcher.look):
                for each in files:
                    await self._refresh(each)
            await asyncio.sleep(self._look_every)

    async def _refresh(self, wanted: TargetList) -> None:
        """Read a list, and apply it to the running configuration."""
        before = self._known.get(wanted)
        try:
            found = await self._learn(wanted)
        except ListUnusable as unusable:
            self._saw_trouble(wanted, str(unusable))
            return
        if self._is_refused(wanted, found):
            return
        assert self._reviser is not None  # noqa: S101  (`start` has set it)
        problems = await self._reviser.revise(
            lambda config: with_lists(config, {wanted: found}),
            cause=f"targets of {', '.join(self._followers.get(wanted, ()))}",
            digest=found.print,
        )
        if problems:
            self._refusals[wanted] = _Refusal(found.print, time.monotonic())
            self._saw_trouble(wanted, "; ".join(problems))
            return
        self._refusals.pop(wanted, None)
        self._saw_success(wanted)
        if wanted.url and found is not before:
            await self._save()

    async def _learn_if_new(self, wanted: TargetList) -> None:
        if wanted in self._known:
            return
        if same := next((each for each in self._known if each.url == wanted.url), None):
            self._known[wanted] = self._known[same]  # until it is read with its new settings
        else:
            with suppress(ListUnusable):  # its followers fetch it again, and report the error
                await self._learn(wanted)

    async def _learn(self, wanted: TargetList) -> Listed:
        """Read a list and remember it, or raise `ListUnusable`."""
        found = await self._read(wanted)
        known = self._known.get(wanted)
        if known is not None and known.print == found.print:
            return known  # the same object, so later comparisons are fast
        self._known[wanted] = found
        return found

    def _is_refused(self, wanted: TargetList, found: Listed) -> bool:
        """Return whether this content was offered and refused a moment ago."""
        refusal = self._refusals.get(wanted)
        now = time.monotonic()
        return bool(refusal and refusal.print == found.print and now - refusal.at < SHRINK_WINDOW)

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
        try:
            await asyncio.to_thread(save, self._state_dir, dict(self._known))
        except OSError as error:
            self._report_storage(error)

    def _report_storage(self, error: Exception) -> None:
        self._vitals.state_errors["target_lists"] += 1
        log.warning("state_error", reason="target_lists", detail=str(error))
