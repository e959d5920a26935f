"""Imports only point down, and what decides is pure."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests import ROOT

BELOW = {
    "model": {"model"},
    "probes": {"model", "probes"},
    "config": {"model", "probes", "config"},
    "engine": {"model", "probes", "engine"},
    "state": {"model", "probes", "state"},
    "web": {"model", "probes", "state", "web"},
}
"""The floors that each floor may import from; what is not named here is the top: it may all."""
IMPURE = {"asyncio", "socket", "ssl", "time", "random", "os"}
NOT_IN_THE_MODEL = IMPURE | {"logging", "aiohttp", "structlog"}


def imports(path: Path) -> set[str]:
    """Return the dotted names of what a file imports, inside functions as well."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} imports relatively"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {name_of(path): imports(path) for path in sorted((ROOT / "prober").rglob("*.py"))}


def inside(names: set[str]) -> set[str]:
    """Return the modules of prober that these names stand in."""
    parents = {name.rpartition(".")[0] for name in names - MODULES.keys()}
    return (names & MODULES.keys()) | (parents & MODULES.keys())


@pytest.mark.parametrize("floor", BELOW)
def test_no_module_imports_a_higher_floor(floor: str) -> None:
    for module in (name for name in MODULES if f"{name}.".startswith(f"prober.{floor}.")):
        above = {
            name
            for name in inside(MODULES[module])
            if name != "prober" and name.split(".")[1] not in BELOW[floor]
        }
        assert not above, f"{module} imports {above}"


def test_the_package_itself_imports_nothing() -> None:
    assert not MODULES["prober"]


def test_no_imports_run_in_a_circle() -> None:
    TopologicalSorter({name: inside(MODULES[name]) - {name} for name in MODULES}).prepare()


@pytest.mark.parametrize(
    ("floor", "banned"), [("model", NOT_IN_THE_MODEL), ("probes", IMPURE)], ids=["model", "probes"]
)
def test_what_decides_reads_no_clock_and_opens_no_socket(floor: str, banned: set[str]) -> None:
    checked = [name for name in MODULES if name.startswith(f"prober.{floor}.")]
    assert checked
    for module in checked:
        assert not {name.split(".")[0] for name in MODULES[module]} & banned, module
