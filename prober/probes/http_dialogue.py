"""The usual exchange of HTTP/1: one request, the status code, and at most `body_regex`.

This is all that most HTTP monitors need, so it takes as few steps as possible.
"""

from collections.abc import Generator, Mapping
from typing import Any

from prober.model.kinds import Codes
from prober.model.probe import RECEIVE, DeadlineReached, InThread, Send, StartTls, Steps, Trouble
from prober.model.status import FactValue, Reason, Verdict
from prober.model.wording import counted
from prober.probes.http_facts import found
from prober.probes.http_receive import receive_body, receive_head
from prober.probes.pattern import REGEX_SECONDS, SHORT, Searcher, in_thread
from prober.protocols.content import Content, Text, content_of, text_of
from prober.protocols.http1 import Head, body_of

Known = tuple[str, Mapping[str, FactValue]]


class UsualExchange:
    """What to send to a target, and what to expect: a code, and a pattern in the body or None."""

    def __init__(
        self,
        start: StartTls | None,
        request: Send,
        codes: Codes,
        pattern: Searcher | None,
        body_limit: int,
    ) -> None:
        self._start = start
        self._request = request
        self._codes = codes
        self._pattern = pattern
        self._body_limit = body_limit

    def converse(self) -> Steps:
        """Start one probe."""
        if self._start is not None:
            yield self._start
        yield self._request
        content: bytes = yield RECEIVE
        if not content:
            return Verdict(Reason.CLOSED, "closed without a reply")
        try:
            head, rest = yield from receive_head(content)
        except DeadlineReached:
            if self._pattern is None:
                raise
            return Verdict(Reason.PAYLOAD_MISMATCH, "the timeout expired before the body")
        detail, facts = found(head.status, head.version)
        if head.status not in self._codes.members:
            detail = f"{detail}, expected {self._codes.written}"
            return Verdict(Reason.UNEXPECTED_STATUS, detail, facts)
        if self._pattern is None:
            return Verdict(Reason.OK, detail, facts)
        known = (detail, facts)
        return (yield from _judge_body(head, rest, known, self._pattern, self._body_limit))


def _judge_body(head: Head, rest: bytes, known: Known, pattern: Searcher, limit: int) -> Steps:
    """Judge the first `limit` bytes of a body; `known` is the detail and the facts of the head."""
    detail, facts = known
    body, is_late = body_of(head, limit), False
    try:
        if head.may_have_body:
            yield from receive_body(body, rest)
    except DeadlineReached:
        is_late = True  # what is there of it is searched, if that needs no more time
    except Trouble as trouble:
        return trouble.verdict._replace(facts=facts)
    del body.content[limit:]
    try:
        searched = (pattern, body.content, content_of(head.content), limit)
        judged = _search_at_once(*searched)
        if judged is None and is_late:
            detail = f"{detail}, the timeout expired before the body ended"
            return Verdict(Reason.PAYLOAD_MISMATCH, detail, facts)
        text, matched = judged or (yield from _search_in_thread(*searched))
    except TimeoutError:
        detail = f"{detail}, body_regex took more than {REGEX_SECONDS:g} s"
        return Verdict(Reason.REGEX_TIMEOUT, detail, facts)
    except DeadlineReached:
        detail = f"{detail}, the timeout expired before body_regex ended"
        return Verdict(Reason.REGEX_TIMEOUT, detail, facts)
    if matched:
        return Verdict(Reason.OK, f"{detail}, body_regex matched", facts)
    flaw = f", which are {text.flaw}" if text.flaw else ""
    detail = f"{detail}, body_regex did not match in {counted(text.size, 'byte')}{flaw}"
    return Verdict(Reason.PAYLOAD_MISMATCH, detail, facts)


def _search_at_once(
    pattern: Searcher, body: bytearray, content: Content, limit: int
) -> tuple[Text, bool] | None:
    """Look for a pattern in a body, if that is quick; return None if it is not."""
    if len(body) > SHORT or content.codings:
        return None
    text = text_of(body, content, limit)
    try:
        return text, pattern.at_once(text.text) is not None
    except TimeoutError:
        return None


def _search_in_thread(
    pattern: Searcher, body: bytearray, content: Content, limit: int
) -> Generator[InThread, Any, tuple[Text, bool]]:
    """Look for a pattern in a body; raise TimeoutError."""

    def work(seconds: float) -> tuple[Text, bool]:
        text = text_of(body, content, limit)
        return text, pattern.within(seconds, text.text) is not None

    found: tuple[Text, bool] = yield from in_thread(work, REGEX_SECONDS)
    return found
