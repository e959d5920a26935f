"""Problems: what is wrong with a file, and where."""

from typing import NamedTuple

from prober.model.option import Path, dotted


class Problem(NamedTuple):
    """One problem in a file; `line` counts from 1, and 0 means the file as a whole."""

    source: str
    line: int
    path: Path
    message: str

    def __str__(self) -> str:
        """Write it as `FILE:LINE: key.path: message`."""
        place = f"{self.source}:{self.line}" if self.line else self.source
        return ": ".join(filter(None, (place, dotted(self.path), self.message)))


class ConfigError(ValueError):
    """A configuration that cannot be used, with all its problems."""

    def __init__(self, *problems: Problem) -> None:
        self.problems = problems
        super().__init__("\n".join(map(str, problems)))


class Mistake(NamedTuple):
    """A problem in a file, from a reader that does not know the name of the file."""

    line: int
    path: Path
    message: str


class UnreadableError(Exception):
    """A text that cannot be read at all, with the line that is at fault."""

    def __init__(self, line: int, message: str) -> None:
        self.line = line
        super().__init__(message)
