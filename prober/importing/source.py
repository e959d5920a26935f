"""A source in YAML or JSON: its values, and the line of each."""

from collections.abc import Iterator, Mapping
from typing import Any

from prober.config.from_json import NotJsonError, read_json
from prober.config.from_yaml import read_yaml
from prober.config.problem import UnreadableError
from prober.importing.draft import SourcePlace

_SEPARATORS = ("---", "...")
Steps = tuple[str | int, ...]


class UnreadableSource(Exception):  # noqa: N818  (describes the source)
    """A file cannot be understood at all; the message has its name, the line and the reason."""


class SourceText:
    """One document of a file.

    Attributes:
        file: The name of the file.
        value: What the document says.
    """

    def __init__(self, text: str, file: str, first: int = 0) -> None:
        """Read a document that begins after so many lines; raise `UnreadableSource`."""
        self.file, self._first = file, first
        try:
            self.value, self._place, _ = read_json(text) if _is_json(text) else read_yaml(text)
        except (UnreadableError, NotJsonError) as error:
            raise UnreadableSource(f"{file}:{first + error.line}: {error}") from None
        except RecursionError:
            raise UnreadableSource(f"{file}: it is nested too deeply") from None

    def origin(self, *steps: str | int) -> SourcePlace:
        """Return the place of the value at a path."""
        return SourcePlace(self.file, self._first + self._place(steps, "")[0])


def documents(text: str, file: str) -> Iterator[SourceText]:
    """Yield the documents of a YAML file that have content; raise `UnreadableSource`."""
    lines, first = [], 0
    for number, line in enumerate([*text.splitlines(), _SEPARATORS[0]], 1):
        if line.partition(" #")[0].rstrip() not in _SEPARATORS:
            lines.append(line)
            continue
        if any(each.strip() and not each.lstrip().startswith("#") for each in lines):
            yield SourceText("\n".join(lines), file, first)
        lines, first = [], number


def _is_json(text: str) -> bool:
    return text.lstrip()[:1] in ("{", "[")


def mapping(value: object) -> Mapping[str, Any]:
    """Return the value if it is a mapping, otherwise an empty one."""
    return value if isinstance(value, dict) else {}


def items(value: object) -> list[Any]:
    """Return the value if it is a list, otherwise an empty one."""
    return value if isinstance(value, list) else []
