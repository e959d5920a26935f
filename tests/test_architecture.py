"""Rooms and what each may import: imports only point down, and what decides is pure."""

import ast
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests import ROOT

PROBER = ROOT / "prober"
FACE = {"__init__.py", "__main__.py", "py.typed"}
"""The files beside the rooms."""
ROOMS = {
    "model": set[str](),
    "protocols": set[str](),
    "probes": {"model", "protocols"},
    "files": set(),
    "outputs": {"model", "files"},
    "config": {"model", "probes", "outputs", "files"},
    "edits": {"model", "probes", "config"},
    "engine": {"model", "protocols", "probes", "files"},
    "state": {"model", "probes", "outputs", "edits", "files"},
    "discovery": {"model", "config", "state", "files"},
    "blackbox": {"model", "protocols", "probes", "config", "engine"},
    "cluster": {"model", "edits"},
    "logs": {"model"},
    "systemd": {"model", "state"},
    "demo": {"model", "protocols", "config"},
    "web.server": {"model", "outputs", "edits", "state", "blackbox", "files"},
    "web.api": {"model", "probes", "outputs", "edits", "state", "blackbox", "web.server"},
    "web.metrics": {"model", "protocols", "probes", "state", "web.server"},
    "web.page": {"model", "probes", "outputs", "state", "web.server", "web.api"},
    "web.dialects": {"model", "probes", "edits", "state", "web.server", "web.api"},
    "web": {
        *("outputs", "edits", "state", "web.server", "web.api", "web.metrics", "web.page"),
        "web.dialects",
    },
    "daemon": {
        *("model", "probes", "outputs", "config", "edits", "engine", "state", "discovery"),
        *("files", "cluster"),
        *("blackbox", "systemd", "web", "web.server", "web.api"),
    },
    "importing": {"model", "probes", "config"},
    "cli": {"importing", "model", "probes", "config", "edits", "engine", "logs", "demo", "daemon"},
    "__main__": {"cli"},
}
"""Every room, and the rooms that it may import from; of `web`, each room of its own."""
IMPURE = {"asyncio", "socket", "ssl", "time", "random", "os"}
NOT_IN_THE_MODEL = IMPURE | {"logging", "aiohttp", "structlog"}


@cache
def imports(module: str) -> frozenset[str]:
    """Return the dotted names of what a module imports, inside functions as well."""
    found, path = set(), MODULES[module]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} imports relatively"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(found)


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def room_of(module: str) -> str:
    """Return the room that a module is in."""
    parts = module.split(".")[1:]
    return next(name for end in (2, 1) if (name := ".".join(parts[:end])) in ROOMS)


MODULES = {name_of(path): path for path in sorted(PROBER.rglob("*.py"))}


def inside(names: frozenset[str]) -> frozenset[str]:
    """Return the modules of prober that these names are in."""
    parents = {name.rpartition(".")[0] for name in names - MODULES.keys()}
    return (names & MODULES.keys()) | (parents & MODULES.keys())


def test_beside_the_rooms_there_is_only_the_package() -> None:
    assert {path.name for path in PROBER.iterdir() if path.is_file()} == FACE
    folders = {path.name for path in PROBER.iterdir() if path.is_dir()} - {"__pycache__"}
    assert folders == {room.split(".")[0] for room in ROOMS} - {"__main__"}


@pytest.mark.parametrize("module", sorted(MODULES.keys() - {"prober"}))
def test_a_module_imports_only_what_its_room_may(module: str) -> None:
    room = room_of(module)
    used = {room_of(name) for name in inside(imports(module)) if name != "prober"}
    assert used <= ROOMS[room] | {room}, f"{module} imports {used - ROOMS[room] - {room}}"


@pytest.mark.parametrize("room", sorted(ROOMS.keys() - {"__main__"}))
def test_each_room_says_in_a_sentence_what_is_in_it(room: str) -> None:
    path = PROBER / room.replace(".", "/") / "__init__.py"
    said = ast.get_docstring(ast.parse(path.read_text()))
    assert said
    assert said.splitlines()[0].endswith(".")


def test_the_package_itself_imports_nothing() -> None:
    assert not imports("prober")


def test_no_imports_run_in_a_circle() -> None:
    TopologicalSorter({name: inside(imports(name)) - {name} for name in MODULES}).prepare()
    TopologicalSorter(ROOMS).prepare()


@pytest.mark.parametrize(
    ("room", "banned"),
    [("model", NOT_IN_THE_MODEL), ("protocols", IMPURE), ("probes", IMPURE)],
    ids=["model", "protocols", "probes"],
)
def test_what_decides_reads_no_clock_and_opens_no_socket(room: str, banned: set[str]) -> None:
    checked = [name for name in MODULES if name.startswith(f"prober.{room}.")]
    assert checked
    for module in checked:
        assert not {name.split(".")[0] for name in imports(module)} & banned, module


def test_no_two_modules_have_one_name() -> None:
    names = [path.stem for path in PROBER.rglob("*.py") if path.stem != "__init__"]
    assert sorted(names) == sorted(set(names))


def test_no_two_public_classes_have_one_name() -> None:
    names = [
        node.name
        for path in PROBER.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    ]
    assert {name for name in names if names.count(name) > 1} == set()


def test_the_map_for_contributors_lists_the_rooms_with_the_sentences_at_their_doors() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    _, tree, _ = text.split("```\n", 2)
    rooms: dict[str, str] = {}
    above = ""
    for line in tree.splitlines()[1:]:
        name, sentence = line.split("/", 1)
        inner = name.startswith("    ")
        above = above if inner else name.strip()
        rooms[f"{above}.{name.strip()}" if inner else above] = sentence.strip()
    assert rooms == {
        room: str(
            ast.get_docstring(
                ast.parse((PROBER / room.replace(".", "/") / "__init__.py").read_text())
            )
        ).splitlines()[0]
        for room in ROOMS
        if room != "__main__"
    }
