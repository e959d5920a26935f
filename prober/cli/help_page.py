"""Writes the page on the command line from what `--help` shows.

Usage: `python -m prober.cli.help_page docs/command-line.md`.
"""

import os
import sys
from pathlib import Path

from prober.cli.main import COMMANDS, help_of

_BEGIN, _END = "<!-- help: begin -->", "<!-- help: end -->"


def with_help(page: str) -> str:
    """Return a page with the current help of every command between its marks."""
    os.environ["COLUMNS"] = "100"  # the width of the help
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    sections = "\n".join(
        f"## prober {each.name}\n\n```\n{help_of(each.name)}```\n" for each in COMMANDS
    )
    return f"{before}{_BEGIN}\n\n{sections}\n{_END}{after}"


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]):
        path.write_text(with_help(path.read_text(encoding="utf-8")), encoding="utf-8")
