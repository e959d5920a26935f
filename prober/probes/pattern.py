"""Regular expressions that a reply is searched for, and what they may cost."""

import re
from collections.abc import Callable, Generator
from functools import partial
from typing import Any

from prober.model.probe import InThread

REGEX_SECONDS = 0.1
"""Limit of processor time for `body_regex` on one body, in seconds."""
SHORT = 2048
"""Bytes of a text that is searched at once; a longer one is searched in a thread."""

_SHORT_SECONDS = 0.001
_SIMPLE = re.compile(r"[^*+?{|(]{0,100}")


class Searcher:
    """A pattern as the `regex` library has it, of text or of bytes, and how it is searched for."""

    __slots__ = ("_compiled", "at_once", "written")

    def __init__(self, compiled: Any) -> None:
        self._compiled = compiled
        pattern = compiled.pattern
        self.written: str = pattern if isinstance(pattern, str) else pattern.decode()
        self.at_once: Callable[[Any], Any] = compiled.search
        """Search a text of up to `SHORT` characters; raise TimeoutError if it takes too long.

        The library looks at the clock so seldom that a long text could take it 100 ms. To look at
        it takes longer than to search for what neither repeats nor branches.
        """
        if not _SIMPLE.fullmatch(self.written):
            self.at_once = partial(compiled.search, timeout=_SHORT_SECONDS, concurrent=False)

    @property
    def groups(self) -> frozenset[str]:
        """The numbers and the names of its groups; 0 is the whole match."""
        return frozenset([*map(str, range(self._compiled.groups + 1)), *self._compiled.groupindex])

    def within(self, seconds: float, text: str | bytes) -> Any:
        """Search a text, letting other threads run meanwhile; raise TimeoutError."""
        return self._compiled.search(text, timeout=seconds, concurrent=True)

    def search(self, text: str, seconds: float) -> Generator[InThread, Any, Any]:
        """Return the match in a text, if there is one; raise TimeoutError."""
        if len(text) <= SHORT:
            try:
                return self.at_once(text)
            except TimeoutError:
                pass
        return (yield from in_thread(lambda given: self.within(given, text), seconds))


def searcher(pattern: str) -> Searcher:
    """Return what searches for a pattern."""
    import regex  # noqa: PLC0415  (only a configuration that uses it pays for it)

    return Searcher(regex.compile(pattern))


def bytes_searcher(pattern: str) -> Searcher:
    """Return what searches bytes for a pattern, in which text stands for its UTF-8.

    Raise ValueError for a pattern that only text can match.
    """
    import regex  # noqa: PLC0415  (as above)

    try:
        return Searcher(regex.compile(pattern.encode()))
    except regex.error as error:
        raise ValueError(str(error)) from None


def in_thread(work: Callable[[float], Any], seconds: float) -> Generator[InThread, Any, Any]:
    """Return what work returns that is done in a thread; raise TimeoutError."""
    result = yield InThread(work, seconds)
    if isinstance(result, TimeoutError):
        raise result
    return result
