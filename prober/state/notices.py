"""Notices that were published over the API, until they end or are withdrawn."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple, Protocol

from prober.model.notice import Notice

PUBLISHED, WITHDRAWN = "notice_published", "notice_withdrawn"
"""The events about notices."""
MOST = 100
"""Maximum number of notices that are stored."""
_TITLE = 100  # characters of a notice that an event repeats


class StoredNotice(NamedTuple):
    """A notice that was published over the API: by whom, and when in unix seconds."""

    notice: Notice
    by: str
    at: float


class NoticeJournal(Protocol):
    """Stores notices."""

    def keep_notice(self, identity: str, stored: StoredNotice | None) -> None:
        """Store a notice; None deletes it."""


class _Note(Protocol):
    """Receives the kind of an event and its cause."""

    def __call__(self, kind: str, cause: str, /) -> object:
        """Note an event."""


class TooManyNoticesError(Exception):
    """As many notices are stored as may be."""


class Notices:
    """The notices that were published over the API, by their identity.

    Args:
        note: Receives events; None: nobody.
        saved: The notices of an earlier process.
        journal: Stores notices; None: they end with the process.

    A notice is forgotten once it has ended.
    """

    def __init__(
        self,
        *,
        note: _Note | None = None,
        saved: Mapping[str, StoredNotice] = MappingProxyType({}),
        journal: NoticeJournal | None = None,
    ) -> None:
        self._note = note
        self._stored = dict(saved)
        self._journal = journal
        self._tell_others: Callable[[str, StoredNotice | None], None] = lambda *_: None

    def share(self, tell_others: Callable[[str, StoredNotice | None], None]) -> None:
        """Call `tell_others` with each notice that is published here, and None once withdrawn."""
        self._tell_others = tell_others

    def current(self, now: float) -> dict[str, StoredNotice]:
        """Return the notices that have not ended at a unix time, in the order of publishing."""
        ended = [key for key, each in self._stored.items() if each.notice.has_ended(now)]
        for key in ended:
            self._drop(key)
        return dict(sorted(self._stored.items(), key=lambda item: (item[1].at, item[0])))

    def publish(self, identity: str, notice: Notice, *, by: str, at: float) -> StoredNotice:
        """Store a notice; raise `TooManyNoticesError` if there are MOST."""
        if len(self.current(at)) >= MOST:
            raise TooManyNoticesError
        stored = StoredNotice(notice, by, at)
        self._tell_others(identity, stored)
        self._put(identity, stored)
        return stored

    def _put(self, identity: str, stored: StoredNotice) -> None:
        self._stored[identity] = stored
        self._keep(identity, stored)
        words = stored.notice.text[:_TITLE]
        self._tell(PUBLISHED, f"notice published by {stored.by}: {words}")

    def withdraw(self, identity: str, *, by: str) -> bool:
        """Forget a notice; return whether there was one."""
        stored = self._stored.get(identity)
        if stored is None:
            return False
        self._tell_others(identity, None)
        self._drop(identity)
        self._tell(WITHDRAWN, f"notice withdrawn by {by}: {stored.notice.text[:_TITLE]}")
        return True

    def learn(self, identity: str, stored: StoredNotice | None) -> None:
        """Apply a notice that was published through another member; None: it was withdrawn."""
        before = self._stored.get(identity)
        if stored is not None and stored != before:
            self._put(identity, stored)
        elif stored is None and before is not None:
            self._drop(identity)
            words = before.notice.text[:_TITLE]
            self._tell(WITHDRAWN, f"notice withdrawn through another member: {words}")

    def save_all(self) -> None:
        """Store every notice again."""
        for identity, stored in self._stored.items():
            self._keep(identity, stored)

    def _drop(self, identity: str) -> None:
        del self._stored[identity]
        self._keep(identity, None)

    def _keep(self, identity: str, stored: StoredNotice | None) -> None:
        if self._journal is not None:
            self._journal.keep_notice(identity, stored)

    def _tell(self, kind: str, cause: str) -> None:
        if self._note is not None:
            self._note(kind, cause)
