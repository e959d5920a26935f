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


def needed(packages: dict[str, dict[str, Any]]) -> set[str]:
    """Return what prober needs to run with its exported extras, all the way down."""
    found: set[str] = set()
    asked = [*packages["prober"]["dependencies"]]
    for extra in re.findall(r"--extra (\w+)", (ROOT / "Makefile").read_text()):
        asked += packages["prober"]["optional-dependencies"].get(extra, ())
    while asked:
        name = asked.pop()["name"]
        if name not in found:
            found.add(name)
            asked += packages[name].get("dependencies", ())
    return found


def test_the_pinned_requirements_are_those_of_the_lock() -> None:
    packages = locked()
    pinned: dict[str, tuple[str, set[str]]] = {}
    for entry in re.split(r"\n(?! )", (ROOT / "requirements.lock").read_text().strip()):
        found = DISTRIBUTION.match(entry)
        assert found, entry
        pinned[found[1]] = found[2], set(HASH.findall(entry))
    assert pinned.keys() == needed(packages), "run `make lock`"
    for name, (version, hashes) in pinned.items():
        package = packages[name]
        files = [package["sdist"], *package["wheels"]]
        assert (version, hashes) == (package["version"], {file["hash"] for file in files}), name


def test_the_lock_is_of_these_requirements() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (entry,) = (each for each in locked().values() if each["name"] == "prober")
    asked = {each["name"]: each["specifier"] for each in entry["metadata"]["requires-dist"]}
    for requirement in project["dependencies"]:
        name, specifier = re.match(r"([\w-]+)(.*)", requirement).groups()  # type: ignore[union-attr]
        assert asked[name] == specifier, "run `make lock`"


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


def test_the_unit_is_restarted_unless_the_configuration_is_bad() -> None:
    lines = UNIT.read_text().splitlines()
    assert {"Restart=on-failure", "RestartPreventExitStatus=2"} <= set(lines)
