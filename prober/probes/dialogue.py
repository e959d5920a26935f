"""Speaks the steps of a dialogue with a target.

A reply is a stream of bytes, not of lines: an expectation takes away what it found, with everything
before it, and the next one begins there.
"""

from collections.abc import Generator, Sequence
from functools import partial
from typing import Any, Final

from prober.model.probe import (
    RECEIVE,
    DeadlineReached,
    InThread,
    Receive,
    Send,
    StartTls,
    Steps,
    Trouble,
)
from prober.model.status import Reason, Verdict
from prober.model.wording import counted
from prober.probes.dialogue_steps import (
    EXPECT,
    EXPECT_REGEX,
    SEND,
    STARTTLS,
    DialogueStep,
    excerpt,
    has_variables,
    insert,
)
from prober.probes.pattern import REGEX_SECONDS, SHORT, Searcher, bytes_searcher, in_thread

HEARD_LIMIT: Final = 65536
"""Bytes in which an expectation must be found."""
SEARCHES_LIMIT: Final = 1000
"""How often the patterns of a dialogue are searched for: once for each piece of a reply."""

_SEARCHES_AT_ONCE = 3  # each may take the event loop a millisecond
_SHORTEST_SEARCH = 0.002  # seconds

Turn = Generator[Send | Receive | StartTls | InThread, Any, bool]
"""One step while it runs; it returns whether it was as expected."""


class Dialogue:
    """Steps, prepared for many probes.

    Args:
        steps: What to say and to expect.
        start: The handshake: at the beginning if `inside_tls`, otherwise for `starttls`.
        preset: The name of the preset that these steps are, if they are one.
    """

    def __init__(
        self,
        steps: Sequence[DialogueStep],
        start: StartTls,
        preset: str | None = None,
        *,
        inside_tls: bool = False,
    ) -> None:
        self._steps = steps
        self._start = start
        good = f"speaks {preset}" if preset else f"{counted(len(steps), 'step')} as expected"
        self._good = Verdict(Reason.OK, good)
        self._inside_tls = inside_tls
        self._turns = [self._turn(number, step) for number, step in enumerate(steps)]
        waits = [number for number, step in enumerate(steps) if step.action != SEND]
        self._last_wait = max(waits, default=len(steps))

    def run(self) -> Steps:
        """Speak with a target.

        What is sent after the last expectation is a farewell, which the target need not take.
        """
        if self._inside_tls:
            yield self._start
        heard = _Heard()
        for number, turn in enumerate(self._turns):
            try:
                met = yield from turn(heard)
            except TimeoutError:
                return self._failed(number, Reason.REGEX_TIMEOUT, "took too long")
            except DeadlineReached as late:
                if not heard.content:
                    return self._failed(number, *late.verdict[:2])
                met = False
            except Trouble as trouble:
                if number > self._last_wait:
                    break
                return self._failed(number, *trouble.verdict[:2])
            if not met:
                return self._failed(number, *heard.flaw())
        return self._good

    def _failed(self, number: int, reason: Reason, detail: str) -> Verdict:
        return Verdict(reason, f"step {number + 1}, {self._steps[number]}: {detail}")

    def _turn(self, number: int, step: DialogueStep) -> Any:
        match step:
            case (action, bytes(content)) if action == SEND:
                following = self._steps[number + 1 : number + 2]
                answered = bool(following) and following[0].action in (EXPECT, EXPECT_REGEX)
                return partial(_say, content, answered, has_variables(content))
            case (action, bytes(content)) if action == EXPECT:
                return partial(_await_bytes, content)
            case (action, str(pattern)) if action == EXPECT_REGEX:
                return partial(_await_match, bytes_searcher(pattern))
        assert step.action == STARTTLS  # noqa: S101  (there is nothing else)
        return self._secure

    def _secure(self, heard: "_Heard") -> Turn:
        """Shake hands; what came unencrypted after the last expectation does not count."""
        yield self._start
        heard.content.clear()
        return True


class _Heard:
    """What a target has said beyond what was found, and what groups of patterns matched."""

    def __init__(self) -> None:
        self.content = bytearray()
        self.groups: dict[str, bytes] = {}
        self._ended = False
        self._searches = 0

    def more(self) -> Generator[Receive, bytes, bool]:
        """Wait for more; return False if no more is to come, or to be heard."""
        if self._ended or len(self.content) >= HEARD_LIMIT:
            return False
        content = yield RECEIVE
        self._ended = not content
        self.content += content
        return not self._ended

    def search(self, pattern: Searcher) -> Generator[InThread, Any, Any]:
        """Return the match of a pattern, if there is one; raise TimeoutError or `Trouble`.

        The time for all searches of a dialogue together grows only slowly with their number.
        """
        self._searches += 1
        if self._searches > SEARCHES_LIMIT:
            raise Trouble(Reason.BAD_RESPONSE, f"a reply in more than {SEARCHES_LIMIT} pieces")
        content = bytes(self.content[:HEARD_LIMIT])
        if self._searches <= _SEARCHES_AT_ONCE and len(content) <= SHORT:
            try:
                return pattern.at_once(content)
            except TimeoutError:
                pass
        seconds = max(REGEX_SECONDS / self._searches, _SHORTEST_SEARCH)
        return (yield from in_thread(lambda given: pattern.within(given, content), seconds))

    def take(self, found: Any) -> None:
        """Remove what a pattern has found, and keep its groups; those with names stay for good."""
        numbered = (found[0], *found.groups())
        self.groups = {
            **{name: each for name, each in self.groups.items() if not name.isdigit()},
            **{str(number): each or b"" for number, each in enumerate(numbered)},
            **{name: each or b"" for name, each in found.groupdict().items()},
        }
        del self.content[: found.end()]

    def flaw(self) -> tuple[Reason, str]:
        """Return what to say if an expectation is not met."""
        if self._ended and not self.content:
            return Reason.CLOSED, "closed without a reply"
        found = f"not found in {counted(len(self.content), 'byte')}: {excerpt(bytes(self.content))}"
        return Reason.PAYLOAD_MISMATCH, found


def _say(content: bytes, answered: bool, varies: bool, heard: _Heard) -> Turn:  # noqa: FBT001  (bound once, by position)
    said = insert(content, heard.groups) if varies else content
    if said:
        yield Send(said, until_answered=answered)
    return True


def _await_bytes(wanted: bytes, heard: _Heard) -> Turn:
    searched = 0
    while (at := heard.content.find(wanted, searched, HEARD_LIMIT)) < 0:
        searched = max(0, len(heard.content) - len(wanted) + 1)
        if not (yield from heard.more()):
            return False
    del heard.content[: at + len(wanted)]
    return True


def _await_match(pattern: Searcher, heard: _Heard) -> Turn:
    found = (yield from heard.search(pattern)) if heard.content else None
    while found is None:
        if not (yield from heard.more()):
            return False
        found = yield from heard.search(pattern)
    heard.take(found)
    return True
