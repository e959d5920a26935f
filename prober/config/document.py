"""Documents: the text of a YAML or JSON file as plain values, with the line of each value."""

import re
from collections.abc import Callable
from typing import NamedTuple

from prober.config.from_json import NotJsonError, read_json
from prober.config.from_yaml import read_yaml
from prober.config.problem import ConfigError, Mistake, Problem, UnreadableError
from prober.model.option import Path

_FLOW = re.compile(r"\s*[\[{][\[{\s]*[\"\]}]")


class Document(NamedTuple):
    """The values of a file, and its mistakes as YAML or JSON.

    `place` returns the line of the value at a path (for a missing value, of the object that should
    contain it), and a hint if the file format may have misled the author. `mistaken` are the paths
    of the problems; their values are not validated any further.
    """

    source: str
    value: object
    place: Callable[[Path, str], tuple[int, str]]
    problems: tuple[Problem, ...]
    mistaken: frozenset[Path]

    def line(self, path: Path) -> int:
        """Return the line of a value."""
        return self.place(path, "")[0]

    def problem(self, path: Path, message: str) -> Problem:
        """Return the problem with the value at a path."""
        line, hint = self.place(path, message)
        return Problem(self.source, line, path, message + hint)


Values = tuple[object, Callable[[Path, str], tuple[int, str]], list[Mistake]]


def _read_flow(text: str) -> Values:
    """Read what begins as JSON does, and is JSON or YAML in flow style.

    If it is neither, it was meant to be what it is for longer.
    """
    try:
        return read_json(text)
    except NotJsonError as no_json:
        try:
            return read_yaml(text)
        except UnreadableError as no_yaml:
            raise (no_yaml if no_yaml.line > no_json.line + 1 else no_json) from None


def says_nothing(text: str) -> bool:
    """Return whether a text has nothing but comments and blank lines."""
    lines = map(str.strip, text.removeprefix("\ufeff").splitlines())
    return all(line.startswith("#") for line in lines if line)


def read_document(text: str, source: str) -> Document:
    """Read the text of a file; raise `ConfigError` if it is neither YAML nor JSON."""
    text = text.removeprefix("\ufeff")
    try:
        text.encode()
        value, place, mistakes = (_read_flow if _FLOW.match(text) else read_yaml)(text)
    except UnreadableError as unreadable:
        line, message = unreadable.line, str(unreadable)
    except UnicodeEncodeError as error:
        line, message = text.count("\n", 0, error.start) + 1, "the file is not UTF-8 text"
    except RecursionError:
        line, message = 1, "nested too deeply"
    else:
        problems = tuple(Problem(source, *mistake) for mistake in mistakes)
        mistaken = frozenset(problem.path for problem in problems)
        return Document(source, value, place, problems, mistaken)
    raise ConfigError(Problem(source, line, (), message))
