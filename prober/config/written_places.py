"""Where the files of a configuration define what."""

from collections.abc import Callable, Iterable, Mapping

from prober.config.document import read_document
from prober.config.problem import ConfigError

_SECTIONS = {"monitors": "monitor", "pools": "pool"}


def places(files: Iterable[str], read_text: Callable[[str], str]) -> Mapping[tuple[str, str], str]:
    """Return `FILE:LINE` for each monitor and pool, by kind and name.

    What cannot be read any more is left out.
    """
    found: dict[tuple[str, str], str] = {}
    for file in files:
        try:
            document = read_document(read_text(file), file)
        except (OSError, UnicodeDecodeError, ConfigError):
            continue
        given = document.value if isinstance(document.value, dict) else {}
        for section, kind in _SECTIONS.items():
            for i, entry in enumerate(given.get(section) or ()):
                if isinstance(entry, dict):
                    line = document.line((section, i, "name"))
                    found[kind, str(entry.get("name"))] = f"{file}:{line}"
    return found
