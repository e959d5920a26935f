"""The usual condition on a body of HTTP/1: `body_regex` alone, with as few steps as possible."""

from collections.abc import Generator, Mapping
from typing import Any

from prober.model.probe import DeadlineReached, InThread, Steps, Trouble
from prober.model.status import FactValue, Reason, Verdict
from prober.probes.http_receive import receive_body
from prober.probes.pattern import REGEX_SECONDS, SHORT, Searcher, in_thread
from prober.protocols.content import Content, Text, content_of, text_of
from prober.protocols.http1 import Head, body_of

Known = tuple[str, Mapping[str, FactValue]]


def judge_body(head: Head, rest: bytes, known: Known, pattern: Searcher, limit: int) -> Steps:
    """Judge the first `limit` bytes of a body; `known` is the detail and the facts of the head."""
    detail, facts = known
    body = body_of(head, limit)
    try:
        if head.may_have_body:
            yield from receive_body(body, rest)
    except DeadlineReached:
        pass  # what is there of it is searched
    except Trouble as trouble:
        return trouble.verdict._replace(facts=facts)
    del body.content[limit:]
    try:
        searched = (pattern, body.content, content_of(head.content), limit)
        text, matched = _search_at_once(*searched) or (yield from _search_in_thread(*searched))
    except TimeoutError:
        detail = f"{detail}, body_regex took more than {REGEX_SECONDS:g} s"
        return Verdict(Reason.REGEX_TIMEOUT, detail, facts)
    except DeadlineReached:
        detail = f"{detail}, the timeout expired before body_regex ended"
        return Verdict(Reason.REGEX_TIMEOUT, detail, facts)
    if matched:
        return Verdict(Reason.OK, f"{detail}, body_regex matched", facts)
    flaw = f", which are {text.flaw}" if text.flaw else ""
    detail = f"{detail}, body_regex did not match in {text.size} bytes{flaw}"
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
