"""What is released: one version, the same bytes each time, and workflows that do what make does."""

import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from prober import __version__
from tests import ROOT

CHANGELOG = (ROOT / "CHANGELOG.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
pytestmark = pytest.mark.xdist_group("release")  # they share what is built
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
IMAGE = re.search(r"^ARG BASE=(\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)


def ran(*command: object, folder: Path) -> "subprocess.CompletedProcess[str]":
    words = [str(each) for each in command]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)


# The version


def test_the_changelog_begins_with_this_version() -> None:
    versions = re.findall(r"^## (.+)$", CHANGELOG, re.MULTILINE)
    assert re.fullmatch(rf"{re.escape(__version__)} - (unreleased|\d{{4}}-\d\d-\d\d)", versions[0])
    for older in versions[1:]:
        assert re.fullmatch(r"\S+ - \d{4}-\d\d-\d\d", older)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of what names the version."""
    for name in ("packaging", "prober/__init__.py", "deploy", "CHANGELOG.md"):
        aim = tmp_path / name
        aim.parent.mkdir(parents=True, exist_ok=True)
        copied = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copied(ROOT / name, aim)
    return tmp_path


def test_a_new_version_is_written_everywhere_and_its_section_opened(copy: Path) -> None:
    release = ran(sys.executable, "packaging/version", "release", folder=copy)
    assert (release.returncode, release.stderr) == (0, "")
    done = ran(sys.executable, "packaging/version", "next", "9.8.7", folder=copy)
    assert (done.returncode, done.stderr) == (0, "")
    naming = [path for path in copy.rglob("*") if path.is_file() and "9.8.7" in path.read_text()]
    assert sorted(str(path.relative_to(copy)) for path in naming) == [
        "CHANGELOG.md",
        "deploy/helm/prober/Chart.yaml",
        "deploy/kubernetes/kustomization.yaml",
        "deploy/kubernetes/sidecar.yaml",
        "prober/__init__.py",
    ]
    sections = re.findall(r"^## (\S+) - (\S+)$", (copy / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert sections[0] == ("9.8.7", "unreleased")
    assert (sections[1][0], len(sections[1][1])) == (__version__, len("2026-01-01"))


def test_a_version_does_not_begin_before_the_last_one_is_released(copy: Path) -> None:
    if "- unreleased" not in CHANGELOG:
        assert ran("packaging/version", "next", "9.8.7", folder=copy).returncode == 0
    done = ran("packaging/version", "next", "9.8.8", folder=copy)
    assert done.returncode == 1
    assert "is not released yet" in done.stderr


# The packages


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """What is built from the source, and again from the sdist of that: elsewhere and later."""
    folder = tmp_path_factory.mktemp("built")
    pytest.importorskip("hatchling")
    build = [ROOT / "packaging/distributions", sys.executable]
    done = ran(*build, folder / "first", folder=ROOT)
    assert done.returncode == 0, done.stderr
    (sdist,) = (folder / "first").glob("*.tar.gz")
    with tarfile.open(sdist) as tar:
        tar.extractall(folder / "source", filter="data")
    (source,) = (folder / "source").iterdir()
    for path in source.rglob("*"):
        path.chmod(0o700 if path.is_dir() or path.stat().st_mode & 0o100 else 0o600)
    again = [source / "packaging/distributions", sys.executable, folder / "again"]
    time = subprocess.run(
        ["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    environment = ["env", f"SOURCE_DATE_EPOCH={time}"] if time else []
    done = ran(*environment, *again, folder=source)
    assert done.returncode == 0, done.stderr
    return folder / "first", folder / "again"


def test_the_same_source_gives_the_same_bytes(built: tuple[Path, Path]) -> None:
    first, again = built
    names = sorted(path.name for path in first.iterdir())
    stem = f"prober_healthcheck-{__version__}"
    assert names == [f"{stem}-py3-none-any.whl", f"{stem}.tar.gz"]
    assert [name for name in names if not same(first / name, again / name)] == []


def same(one: Path, other: Path) -> bool:
    return one.read_bytes() == other.read_bytes()


def test_the_wheel_has_the_whole_package_and_says_what_it_is(built: tuple[Path, Path]) -> None:
    (wheel,) = built[0].glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata = archive.read(f"prober_healthcheck-{__version__}.dist-info/METADATA").decode()
    tracked = ran("git", "ls-files", "prober", folder=ROOT).stdout.splitlines()
    assert set(tracked) <= names
    assert {
        "prober/py.typed",
        f"prober_healthcheck-{__version__}.dist-info/licenses/LICENSE",
    } <= names
    for line in (
        "Name: prober-healthcheck",
        "License-Expression: Apache-2.0",
        "Provides-Extra: web",
    ):
        assert line in metadata
    assert "Classifier: Typing :: Typed" in metadata


def test_the_sdist_has_what_its_tests_and_packages_need(built: tuple[Path, Path]) -> None:
    (sdist,) = built[0].glob("*.tar.gz")
    with tarfile.open(sdist) as tar:
        names = {name.partition("/")[2] for name in tar.getnames()}
    for folder in ("bench", "config", "deploy", "docs", "packaging", "systemd", "tests"):
        tracked = ran("git", "ls-files", folder, folder=ROOT).stdout.splitlines()
        assert set(tracked) <= names, folder


def test_what_shares_a_fixture_runs_in_one_worker(request: pytest.FixtureRequest) -> None:
    if not getattr(request.config.option, "loadgroup", False):
        pytest.skip("there is one worker, or groups are not asked for")
    assert request.node.nodeid.endswith("@release")


# The workflows


def steps(workflow: Path) -> list[dict[str, Any]]:
    jobs = yaml.safe_load(workflow.read_text())["jobs"]
    return [step for job in jobs.values() for step in job["steps"]]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_calls_what_a_clone_has(workflow: Path) -> None:
    commands = "\n".join(step.get("run", "") for step in steps(workflow))
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    asked = set(re.findall(r"\bmake ([a-z-]+)", re.sub(r"install [^\n]*", "", commands)))
    assert asked
    assert asked <= targets
    assert "pip install" not in commands
    for script in re.findall(r"^\.ci/\w+$", commands, re.MULTILINE):
        assert (ROOT / script).is_file()


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_runs_nothing_that_can_be_moved(workflow: Path) -> None:
    for step in steps(workflow):
        if "uses" in step:
            assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", step["uses"]), step
    document = yaml.safe_load(workflow.read_text())
    assert document["permissions"] == {"contents": "read"}
    for job in document["jobs"].values():
        assert IMAGE
        assert job.get("container", IMAGE[1]) == IMAGE[1]


def test_every_target_that_make_names_is_told_to_be_phony() -> None:
    (phony,) = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    named = re.findall(r"^([a-z-]+):.* ## ", MAKEFILE, re.MULTILINE)
    assert sorted(named) == sorted(phony.split())
