"""What a reply of HTTP must be, beside its status code: headers, text and JSON of the body."""

import re
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from prober.model.kinds import mapping_of
from prober.model.pattern_kind import PATTERN
from prober.model.probe import DeadlineReached, Trouble
from prober.model.status import Reason, Verdict
from prober.model.wording import counted
from prober.probes.http2_reply import receive_body_2
from prober.probes.http_receive import receive_body
from prober.probes.json_clauses import ClauseJudge
from prober.probes.pattern import REGEX_SECONDS, SHORT, Searcher, in_thread, searcher
from prober.protocols.content import Content, content_of, text_of
from prober.protocols.http1 import NAME, Head, body_of, read_fields
from prober.protocols.http2_call import Call

JSON_SECONDS = 0.5
"""Limit of processor time for `expect_json` and the other conditions on one body, in seconds."""

_SHORTEST_SEARCH = 0.001  # seconds
_HEADERS = 32


def _wrong_name(name: str) -> str | None:
    return None if re.fullmatch(NAME, name) else "expected a header name"


HEADER_PATTERNS = mapping_of(PATTERN, _wrong_name, same=str.lower, most=_HEADERS)


class _HeaderTest(NamedTuple):
    name: str
    pattern: Searcher
    must_match: bool

    def flaw(self, values: Mapping[str, list[str]]) -> str:
        """Return what is wrong with the headers; empty if nothing is. Raise TimeoutError."""
        found = values.get(self.name.lower(), [])
        matches = any(self.pattern.at_once(value[:SHORT]) is not None for value in found)
        if matches == self.must_match:
            return ""
        if not self.must_match:
            return f"header {self.name} matches {self.pattern.written!r}"
        return f"header {self.name} " + (
            f"does not match {self.pattern.written!r}" if found else "is absent"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectations:
    """The conditions of one monitor, compiled; `limit` is how much of a body they look at."""

    headers: tuple[_HeaderTest, ...]
    body: tuple[tuple[str, Searcher, bool], ...]
    clauses: ClauseJudge | None
    limit: int

    def flaw_of_headers(self, head: Head) -> str:
        """Return what is wrong with the headers; empty if nothing is. Raise TimeoutError."""
        if not self.headers:
            return ""
        values: dict[str, list[str]] = {}
        for name, value in read_fields(head.content):
            values.setdefault(name.lower(), []).append(value)
        return next(filter(None, (test.flaw(values) for test in self.headers)), "")

    def judge(self, head: Head, rest: bytes | Call, found: Verdict) -> Generator[Any, Any, Verdict]:
        """Judge a reply with an expected code; `found` is the verdict if nothing is wrong."""
        reason, detail, facts = found
        searched = "the headers"
        try:
            if flaw := self.flaw_of_headers(head):
                return Verdict(Reason.PAYLOAD_MISMATCH, f"{detail}, {flaw}", facts)
            if not self.body and self.clauses is None:
                return found
            searched = "the body"
            content, is_late = yield from self._receive(head, rest)
            flaw = yield from self._search(content, content_of(head.content), is_late=is_late)
        except TimeoutError:
            detail = f"{detail}, judging {searched} took too long"
            return Verdict(Reason.REGEX_TIMEOUT, detail, facts)
        except DeadlineReached:
            detail = f"{detail}, the timeout expired before the body was judged"
            return Verdict(Reason.REGEX_TIMEOUT, detail, facts)
        except Trouble as trouble:
            return trouble.verdict._replace(facts=facts)
        if flaw:
            return Verdict(Reason.PAYLOAD_MISMATCH, f"{detail}, {flaw}", facts)
        return Verdict(reason, f"{detail}, as expected", facts)

    def _receive(
        self, head: Head, rest: bytes | Call
    ) -> Generator[Any, Any, tuple[bytearray, bool]]:
        """Return what has arrived of a body, and whether the probe's time is up."""
        limit, is_late = self.limit + 1, False
        try:
            if type(rest) is Call:
                content = rest.body
                yield from receive_body_2(head, rest, limit)
            else:
                body = body_of(head, limit)
                content = body.content
                if head.may_have_body:
                    yield from receive_body(body, rest)
        except DeadlineReached:
            is_late = True  # what is there of it is searched, if that needs no more time
        return content[:limit], is_late

    def _search(
        self, body: bytearray, content: Content, *, is_late: bool
    ) -> Generator[Any, Any, str]:
        """Return what is wrong with a body; empty if nothing is. Raise TimeoutError.

        If it `is_late`, the body is searched only if that is quick.
        """
        if len(body) <= SHORT and not content.codings:
            try:
                return self._flaw(body, content, _at_once)
            except TimeoutError:
                pass
        if is_late:
            return "the timeout expired before the body ended"
        searches = len(self.body) + (self.clauses.searches if self.clauses else 0)

        def work(seconds: float) -> str:
            share = max(seconds / max(searches, 1), _SHORTEST_SEARCH)
            return self._flaw(
                body, content, lambda each, text: each.within(share, text) is not None
            )

        limit = JSON_SECONDS if self.clauses else REGEX_SECONDS
        flaw: str = yield from in_thread(work, limit)
        return flaw

    def _flaw(self, body: bytearray, content: Content, within: Any) -> str:
        whole = text_of(body, content, self.limit + 1)
        text = whole.text[: self.limit]
        flaw = f", which are {whole.flaw}" if whole.flaw else ""
        for name, pattern, must_match in self.body:
            if within(pattern, text) != must_match:
                did = "did not match in" if must_match else "matched in"
                return f"{name} {did} {counted(min(whole.size, self.limit), 'byte')}{flaw}"
        if self.clauses is None:
            return ""
        if whole.size > self.limit:
            return f"the body is longer than {self.limit} bytes"
        return self.clauses.flaw(text, within)


def _at_once(pattern: Searcher, text: str) -> bool:
    if len(text) > SHORT:
        raise TimeoutError
    return pattern.at_once(text) is not None


def expectations(
    *,
    expect_headers: Mapping[str, str],
    reject_headers: Mapping[str, str],
    body_regex: str | None,
    reject_body_regex: str | None,
    clauses: ClauseJudge | None,
    limit: int,
) -> Expectations:
    """Return the conditions, compiled."""
    headers = [(name, each, True) for name, each in expect_headers.items()]
    headers += [(name, each, False) for name, each in reject_headers.items()]
    body = [("body_regex", body_regex, True), ("reject_body_regex", reject_body_regex, False)]
    return Expectations(
        headers=tuple(
            _HeaderTest(name, searcher(each), must_match) for name, each, must_match in headers
        ),
        body=tuple((name, searcher(each), must_match) for name, each, must_match in body if each),
        clauses=clauses,
        limit=limit,
    )
