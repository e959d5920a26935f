"""The current edits: stored, applied to each new configuration, dropped where the file wins."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol

import structlog

from prober.config.configuration import Config
from prober.edits.edit import Edit
from prober.edits.overlay import Edited, overlay
from prober.edits.patches import hidden
from prober.model.definition import Named
from prober.model.monitor import Monitor
from prober.model.option import Rejected, show_options
from prober.model.shard import Shard, share_of

log = structlog.get_logger()

STORE_SECONDS = 10.0
"""Seconds to wait for a disk before an edit is answered as not stored yet."""
_SHOWN = 10
"""Targets that one line of the log names."""


class EditJournal(Protocol):
    """Stores edits."""

    def keep_edit(self, edit: Edit) -> None:
        """Store an edit, replacing an earlier one of the same definition."""

    def drop_edit(self, kind: str, identifier: str) -> None:
        """Store that there is no edit of this definition."""

    def write_now(self, done: Callable[[bool], object]) -> None:
        """Write at once; call `done`, in any thread, with whether the disk has everything."""


class Note(Protocol):
    """Receives the kind of an event, its cause, and what it is about."""

    def __call__(
        self, kind: str, cause: str, *, monitor: str | None = None, pool: str | None = None
    ) -> None:
        """Add the event."""


class KeptEdits:
    """The edits on top of the configuration files.

    Args:
        file: The configuration in the files.
        saved: The edits of an earlier process.
        journal: Stores edits; None: they end with the process.
        note: Receives events.
        shard: The share of what results that is put in force; None: all of it.

    `edited` is what is in force; `superseded` are the edits over which the file has won.
    """

    def __init__(
        self,
        file: Config,
        saved: Iterable[Edit],
        *,
        journal: EditJournal | None,
        note: Note,
        shard: Shard | None = None,
    ) -> None:
        self._shard = shard
        self.edited = self._laid_over(file, saved)
        self._journal = journal
        self._note = note
        self.superseded: dict[Named, Edit] = {}

    @property
    def file(self) -> Config:
        """The configuration in the files, without edits."""
        return self.edited.file

    @property
    def lasting(self) -> bool:
        """Whether edits survive the process."""
        return self._journal is not None

    async def stored(self) -> bool:
        """Wait until the disk has all edits so far; return whether it does."""
        if self._journal is None:
            return False
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[bool] = loop.create_future()

        def tell(*, written: bool) -> None:
            if not answer.done():
                answer.set_result(written)

        self._journal.write_now(
            lambda written: loop.call_soon_threadsafe(partial(tell, written=written))
        )
        with suppress(TimeoutError):
            async with asyncio.timeout(STORE_SECONDS):
                return await answer
        return False

    def start(self) -> None:
        """Report what became of the edits of an earlier process."""
        edited, self.edited = self.edited, Edited(self.edited.file, self.edited.file)
        self.settle(edited)

    def save_all(self) -> None:
        """Store every edit again."""
        for edit in self.edited.edits.values():
            self.keep(edit.named)

    def over(self, config: Config) -> Edited:
        """Apply the edits to a configuration, without putting it in force."""
        return self._laid_over(config, self.edited.edits.values(), self.edited)

    def with_edits(self, edits: Iterable[Edit]) -> Edited:
        """Return what other edits make of the file, without putting it in force.

        Those over which the file has won stay out.
        """
        standing = (edit for edit in edits if self.superseded.get(edit.named) != edit)
        return self._laid_over(self.file, standing, self.edited)

    def _laid_over(
        self, file: Config, edits: Iterable[Edit], before: Edited | None = None
    ) -> Edited:
        edited = overlay(file, edits, before)
        if self._shard is None:
            return edited
        model = share_of(edited.config.model, self._shard)
        return replace(edited, config=replace(edited.config, model=model))

    def take_over(self, edited: Edited) -> None:
        """Note that the edits of a cluster are in force; report and store those that are new."""
        before = self.edited
        names = {**before.names(), **edited.names()}
        self.settle(edited)
        for named in before.edits.keys() | edited.edits.keys():
            edit = edited.edits.get(named)
            if edit != before.edits.get(named):
                self.keep(named)
                what = edit.action if edit else "no longer edited"
                cause = f"{named[0]} {names[named]!r} {what} through another member"
                self.tell(named, names[named], cause)

    def settle(self, edited: Edited) -> None:
        """Note that such a configuration is in force, and drop the edits that the file supersedes.

        Report edits that have become inactive or are in force again.
        """
        before, self.edited = self.edited, edited
        for edit, name, why in edited.superseded:
            self.superseded[edit.named] = edit
            self.keep(edit.named)
            made = datetime.fromtimestamp(edit.at, UTC).isoformat(timespec="seconds")
            cause = f"{why}: the edit of {made} over the API is dropped"
            self._tell_warning("edit_superseded", edit.named, name, cause)
        if edited.idle.keys() == before.idle.keys():
            return
        names = edited.names()
        for named in edited.idle.keys() - before.idle.keys():
            cause = f"an edit is inactive: {Rejected(*edited.idle[named])}"
            self._tell_warning("edit_idle", named, names[named], cause)
        for named in before.idle.keys() - edited.idle.keys():
            if named in edited.edits:
                self.tell(named, names[named], "an edit is in force again")

    def keep(self, named: Named) -> None:
        """Store the edit of this definition; None deletes it."""
        if self._journal is None:
            return
        if edit := self.edited.edits.get(named):
            self._journal.keep_edit(edit)
        else:
            self._journal.drop_edit(*named)

    def tell(self, named: Named, name: str, cause: str) -> None:
        """Report an edit that was made."""
        log.info("edit", cause=cause, **{named[0]: name})
        self._note("edit", cause, **{named[0]: name})

    def shown(self) -> Iterator[Mapping[str, Any]]:
        """Yield the edits, with secrets masked; `idle` says why one is inactive."""
        edited = self.edited
        names = edited.names()
        for named, edit in edited.edits.items():
            made, idle = edited.made.get(named), edited.idle.get(named)
            monitor = made.value if made and isinstance(made.value, Monitor) else None
            options = show_options(monitor.probe) if monitor else {}
            yield {
                "kind": edit.kind,
                "id": edit.id,
                "name": names[named],
                "action": edit.action,
                "content": None if edit.content is None else hidden(edit.content, options),
                "base": edit.base,
                "at": edit.at,
                "idle": str(Rejected(*idle)) if idle else None,
            }

    def warn_of_loopback(self, named: Named, name: str, targets: list[str]) -> None:
        """Log that an edit has set targets which only prober's own host can reach."""
        log.warning("loopback_targets", targets=targets[:_SHOWN], **{named[0]: name})

    def _tell_warning(self, event: str, named: Named, name: str, cause: str) -> None:
        log.warning(event, cause=cause, **{named[0]: name})
        self._note(event, cause, **{named[0]: name})
