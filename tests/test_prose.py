"""Words that readers stumbled over stay out of what operators read."""

import re
from pathlib import Path

import pytest

from tests import ROOT

STUMBLING = re.compile(
    r"\b(stands? (?:here )?twice|whoever|lest|amid|in (?:the )?clear|to be had|by and by|of late"
    r"|tells? whether|goes on as if)\b",
    re.IGNORECASE,
)
"""Words and phrases; CONTRIBUTING.md says how to write instead."""
PAGES = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "Makefile")),
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / "config").glob("*.yaml"),
    *(ROOT / "systemd").iterdir(),
    *(path for path in (ROOT / "deploy").rglob("*.y*ml")),
    ROOT / "bench/README.md",
]


CODE = [path for room in ("prober", "bench") for path in (ROOT / room).rglob("*.py")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_operators_read_is_plain_english(page: Path) -> None:
    lines = page.read_text(encoding="utf-8").splitlines()
    found = [f"{i}: {line.strip()}" for i, line in enumerate(lines, 1) if STUMBLING.search(line)]
    assert not found


def test_what_contributors_read_is_plain_english() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{i}: {line.strip()}"
        for path in CODE
        for i, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if STUMBLING.search(line)
    ]
    assert not found
