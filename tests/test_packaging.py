"""What is shipped beside the program: the unit, the pinned dependencies."""

import re
import shutil
import subprocess
import tomllib
from typing import Any

import pytest

from tests import ROOT

UNIT = ROOT / "systemd/prober.service"
EXPOSURE_LIMIT = 15  # tenths
DISTRIBUTION = re.compile(r"^([a-z0-9-]+)==(\S+)")
HASH = re.compile(r"--hash=(sha256:\w+)")


def locked() -> dict[str, dict[str, Any]]:
    """Return the packages of uv.lock by name."""
    return {each["name"]: each for each in tomllib.loads((ROOT / "uv.lock").read_text())["package"]}


NAME = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["name"]
RECIPES = re.sub(r"\\\n\s*", "", (ROOT / "Makefile").read_text())
EXPORTED = {
    lock: re.findall(r"--(extra|group|only-group) (\w+)", options.replace("$(EXTRAS)", EXTRAS))
    for EXTRAS in re.findall(r"^EXTRAS := (.*)", RECIPES, re.MULTILINE)
    for options, lock in re.findall(r"\$\(EXPORT\) (.*?)\s*--output-file (\S+)", RECIPES)
}
"""Each lock file, and the extras and groups that `make lock` exports to it."""


def needed(packages: dict[str, dict[str, Any]], lock: str) -> set[str]:
    """Return what a lock file must pin, all the way down."""
    found: set[str] = set()
    ours, exported = packages[NAME], EXPORTED[lock]
    only_groups = all(sort == "only-group" for sort, _ in exported)
    asked = [] if only_groups else [*ours["dependencies"]]
    for sort, name in exported:
        part = "optional-dependencies" if sort == "extra" else "dev-dependencies"
        asked += ours[part].get(name, ())
    seen = set()
    while asked:
        wanted = asked.pop()
        key = wanted["name"], *wanted.get("extra", ())
        if key in seen:
            continue
        seen.add(key)
        found.add(wanted["name"])
        package = packages[wanted["name"]]
        asked += package.get("dependencies", ())
        for extra in wanted.get("extra", ()):
            asked += package["optional-dependencies"][extra]
    return found


@pytest.mark.parametrize("lock", sorted(path.name for path in ROOT.glob("requirements*.lock")))
def test_the_pinned_requirements_are_those_of_the_lock(lock: str) -> None:
    packages = locked()
    pinned: dict[str, tuple[str, set[str]]] = {}
    for entry in re.split(r"\n(?! )", (ROOT / lock).read_text().strip()):
        found = DISTRIBUTION.match(entry)
        assert found, entry
        pinned[found[1]] = found[2], set(HASH.findall(entry))
    assert pinned.keys() == needed(packages, lock), "run `make lock`"
    for name, (version, hashes) in pinned.items():
        package = packages[name]
        files = [*filter(None, [package.get("sdist")]), *package.get("wheels", ())]
        assert (version, hashes) == (package["version"], {file["hash"] for file in files}), name


def test_the_lock_is_of_these_requirements() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = {
        (each["name"], each.get("marker", "")): each["specifier"]
        for each in locked()[NAME]["metadata"]["requires-dist"]
    }
    wanted = [(requirement, "") for requirement in project["dependencies"]]
    for extra, requirements in project["optional-dependencies"].items():
        wanted += [(requirement, f"extra == '{extra}'") for requirement in requirements]
    for requirement, marker in wanted:
        name, specifier = re.match(r"([\w-]+)(.*)", requirement).groups()  # type: ignore[union-attr]
        assert asked[name, marker] == specifier, "run `make lock`"


def test_what_builds_the_package_is_what_its_lock_pins() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["build-system"]["requires"] == project["dependency-groups"]["build"]
    (requirement,) = project["build-system"]["requires"]
    assert requirement in (ROOT / "requirements-build.lock").read_text()


INSTALLS = re.compile(r"\b(?:pip|PIP\)?)\b[^\n&|;]*\s(?:install|wheel)\s[^\n&|;]*")


@pytest.mark.parametrize("name", ["Makefile", "Dockerfile", ".ci/run", "bench/install"])
def test_every_step_that_installs_takes_only_what_has_the_right_hash(name: str) -> None:
    text = re.sub(r"\\\n\s*", "", (ROOT / name).read_text())
    for variable, value in re.findall(r"^(\w+) := (.*)", text, re.MULTILINE):
        text = text.replace(f"$({variable})", value)
    steps = [step for step in INSTALLS.findall(text) if "apt-get" not in step]
    assert steps or name == "bench/install"
    for step in steps:
        assert "--require-hashes" in step or {"--no-deps", "--no-index"} <= {*step.split()}, step


SAID = [
    path
    for pattern in ("*.md", "docs/**/*.md", "prober/**/*.py", "deploy/**/*", "systemd/*")
    for path in ROOT.glob(pattern)
    if path.is_file() and path.suffix not in (".png", ".svg")
]


def test_no_instruction_fetches_what_somebody_else_has_put_on_the_index() -> None:
    """The index has a stranger's `prober`, and none of ours: only a clone can be installed."""
    for path in SAID:
        for asked in re.findall(r"\b(?:pip|pipx|uv) (?:pip )?install ([^`\n]*)", path.read_text()):
            names = re.findall(r"[\w.-]+(?=[\[,'\" ]|$)", asked)
            assert not {"prober", NAME} & set(names), f"{path}: {asked}"


@pytest.mark.parametrize("path", ["Dockerfile", "deploy/compose.yaml"])
def test_images_are_named_by_digest(path: str) -> None:
    text = (ROOT / path).read_text()
    images = re.findall(r"\b(?:docker\.io|quay\.io|ghcr\.io)/\S+", text)
    assert images
    for image in images:
        assert re.fullmatch(r"\S+:[\w.-]+@sha256:[0-9a-f]{64}", image), image


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
def test_the_unit_exposes_next_to_nothing() -> None:
    command = ["systemd-analyze", "security", "--offline=yes", f"--threshold={EXPOSURE_LIMIT}"]
    done = subprocess.run([*command, str(UNIT)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "Overall exposure level for prober.service" in done.stdout


def test_the_unit_is_of_a_type_that_every_systemd_knows() -> None:
    lines = UNIT.read_text().splitlines()
    assert "Type=notify" in lines  # notify-reload is taken for `simple` before systemd 253
    assert not [line for line in lines if line.startswith("EnvironmentFile=")]


def test_the_unit_writes_no_secret_to_a_core_dump() -> None:
    assert "LimitCORE=0" in UNIT.read_text().splitlines()


def test_the_unit_is_restarted_unless_the_configuration_is_bad() -> None:
    lines = UNIT.read_text().splitlines()
    assert {"Restart=on-failure", "RestartPreventExitStatus=2"} <= set(lines)
