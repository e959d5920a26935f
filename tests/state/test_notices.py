"""Notices: until when they are there, who is told, and how many there may be."""

import pytest

from prober.model.notice import Notice
from prober.state.notices import (
    MOST,
    PUBLISHED,
    WITHDRAWN,
    Notices,
    StoredNotice,
    TooManyNoticesError,
)

NOTICE = Notice(text="the network is being repaired", ends=100.0)
STORED = StoredNotice(NOTICE, "ann", 10.0)


class Told:
    """Notices, and who was told what of them."""

    def __init__(self, **saved: StoredNotice) -> None:
        self.events: list[tuple[str, str]] = []
        self.kept: list[tuple[str, StoredNotice | None]] = []
        self.shared: list[tuple[str, StoredNotice | None]] = []
        self.notices = Notices(note=self.note, saved=saved, journal=self)
        self.notices.share(lambda *each: self.shared.append(each))

    def note(self, kind: str, cause: str) -> None:
        self.events.append((kind, cause))

    def keep_notice(self, identity: str, stored: StoredNotice | None) -> None:
        self.kept.append((identity, stored))


def test_who_publishes_and_withdraws_a_notice_is_told_to_all() -> None:
    told = Told()
    assert told.notices.publish("n", NOTICE, by="ann", at=10.0) == STORED
    assert told.notices.withdraw("n", by="bob")
    assert not told.notices.withdraw("n", by="bob")
    assert told.events == [
        (PUBLISHED, f"notice published by ann: {NOTICE.text}"),
        (WITHDRAWN, f"notice withdrawn by bob: {NOTICE.text}"),
    ]
    assert told.kept == told.shared == [("n", STORED), ("n", None)]


def test_what_another_member_says_is_taken_in_once_and_not_told_back() -> None:
    told = Told()
    for _ in range(2):
        told.notices.learn("n", STORED)
    assert told.notices.current(50.0) == {"n": STORED}
    for _ in range(2):
        told.notices.learn("n", None)
    assert told.notices.current(50.0) == {}
    assert told.events == [
        (PUBLISHED, f"notice published by ann: {NOTICE.text}"),
        (WITHDRAWN, f"notice withdrawn through another member: {NOTICE.text}"),
    ]
    assert told.kept == [("n", STORED), ("n", None)]
    assert told.shared == []


def test_a_notice_is_forgotten_when_it_has_ended() -> None:
    told = Told(n=STORED, later=STORED._replace(at=20.0, notice=Notice(text="for ever")))
    assert [*told.notices.current(99.0)] == ["n", "later"]
    assert [*told.notices.current(100.0)] == ["later"]
    assert told.kept == [("n", None)]
    assert told.events == []


def test_no_more_than_the_limit_are_published() -> None:
    notices = Notices()  # nobody is told, nothing is stored
    for number in range(MOST):
        notices.publish(str(number), NOTICE, by="ann", at=10.0)
    with pytest.raises(TooManyNoticesError):
        notices.publish("more", NOTICE, by="ann", at=10.0)
    notices.publish("more", NOTICE, by="ann", at=100.0)  # the others have ended
    assert [*notices.current(10.0)] == ["more"]


def test_all_are_stored_again_on_demand() -> None:
    told = Told(n=STORED)
    told.notices.save_all()
    assert told.kept == [("n", STORED)]
