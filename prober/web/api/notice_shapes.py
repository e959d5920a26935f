"""Notices, as the API shows them."""

from prober.model.notice import SEVERITIES
from prober.web.api.shape import TEXT, TIME, UUID, Shape, member, nullable, one_word_of
from prober.web.server.noticeboard import API, FILE, PostedNotice

NOTICE: Shape[PostedNotice] = Shape(
    "Notice",
    member("id", UUID, lambda posted: posted.identity),
    member("text", TEXT, lambda posted: posted.notice.text),
    member("severity", one_word_of(SEVERITIES), lambda posted: posted.notice.severity),
    member("from", nullable(TIME), lambda posted: posted.notice.begins, "null: from the start"),
    member("until", nullable(TIME), lambda posted: posted.notice.ends, "null: until withdrawn"),
    member("origin", one_word_of((FILE, API)), lambda posted: posted.origin),
    member("by", nullable(TEXT), lambda posted: posted.by, "null for those of the file"),
    member("at", nullable(TIME), lambda posted: posted.at, "when it was published"),
    doc="what the public page tells its readers",
)
NOTICES: Shape[None] = Shape("Notices", lists={"notices": NOTICE.type})
