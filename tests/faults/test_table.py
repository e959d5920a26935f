"""The table of faults names tests that exist, and every test of a fault is in it."""

import ast
import re
from pathlib import Path

from tests import ROOT

TEXT = (ROOT / "docs/reliability.md").read_text()
NAMED = re.findall(r"\| `(tests/[\w/]+\.py)::(\w+)` \|$", TEXT, re.MULTILINE)


def names_in(path: Path) -> set[str]:
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    found = {node.name for node in ast.parse(path.read_text()).body if isinstance(node, functions)}
    return {name for name in found if name.startswith("test_")}


def test_the_tests_that_are_named_exist() -> None:
    for path, name in NAMED:
        assert name in names_in(ROOT / path), f"{path}::{name}"


def test_every_row_names_its_test() -> None:
    rows = re.findall(r"^\| (?!fault|reason|`)[^-].*$", TEXT, re.MULTILINE)
    assert len(rows) == len(NAMED) > 40


def test_every_fault_that_is_tested_is_in_the_table() -> None:
    for path in Path(__file__).parent.glob("test_*.py"):
        if path != Path(__file__):
            named = {name for file, name in NAMED if file == f"tests/faults/{path.name}"}
            assert names_in(path) == named, path.name
