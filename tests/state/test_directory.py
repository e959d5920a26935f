"""The state directory is prober's own: what others have put there is not followed."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from prober.discovery.known import SAVED, restore, save
from prober.model.monitor import TargetList
from prober.state.database import Database
from prober.state.database_schema import FILE
from prober.state.state_errors import StateUnusableError
from tests.running import daemon

NOBODY = 65534
FILES = ["lock", FILE, f"{FILE}-wal", f"{FILE}-shm", f"{FILE}-journal"]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


def opened(directory: Path) -> list[tuple[str, str]]:
    """Open the state in a directory and close it again; return what was reported."""
    reports: list[tuple[str, str]] = []
    Database(str(directory), report=lambda *report: reports.append(report)).close()
    return reports


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_directory_is_made_for_nobody_else(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        assert opened(tmp_path / "deep" / "state") == []
    finally:
        os.umask(before)
    assert mode_of(tmp_path / "deep/state") == 0o700
    assert {mode_of(each) for each in (tmp_path / "deep/state").iterdir()} == {0o600}


@pytest.mark.parametrize(
    ("mode", "closed"), [(0o777, 0o755), (0o770, 0o750), (0o1777, 0o1755), (0o702, 0o700)]
)
def test_one_that_others_can_write_to_is_closed_and_that_is_said(
    tmp_path: Path, mode: int, closed: int
) -> None:
    tmp_path.chmod(mode)
    [(what, detail)] = opened(tmp_path)
    assert what == "open_to_others"
    assert f"mode {mode:04o}" in detail
    assert mode_of(tmp_path) == closed
    assert opened(tmp_path) == []


@pytest.mark.parametrize("mode", [0o700, 0o755, 0o750])
def test_one_that_others_cannot_write_to_stays_as_it_is(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    assert opened(tmp_path) == []
    assert mode_of(tmp_path) == mode


def symbolic(planted: Path, elsewhere: Path) -> None:
    planted.symlink_to(elsewhere)


def dangling(planted: Path, elsewhere: Path) -> None:
    planted.symlink_to(elsewhere.with_name("nothing"))


def hard(planted: Path, elsewhere: Path) -> None:
    planted.hardlink_to(elsewhere)


def pipe(planted: Path, _: Path) -> None:
    os.mkfifo(planted)


def folder(planted: Path, _: Path) -> None:
    planted.mkdir()


WAYS = [symbolic, dangling, hard, pipe, folder]


@pytest.mark.parametrize("plant", WAYS)
@pytest.mark.parametrize("name", FILES)
def test_what_somebody_has_put_there_is_refused(
    tmp_path: Path, name: str, plant: Callable[[Path, Path], None]
) -> None:
    state, elsewhere = tmp_path / "state", tmp_path / "elsewhere"
    state.mkdir()
    elsewhere.write_text("precious")
    plant(state / name, elsewhere)
    with pytest.raises(StateUnusableError, match=str(state)):
        opened(state)
    assert elsewhere.read_text() == "precious"
    assert {each.name for each in tmp_path.iterdir()} == {"state", "elsewhere"}


@as_root
@pytest.mark.parametrize("name", FILES)
def test_a_file_of_somebody_else_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    os.chown(tmp_path / name, NOBODY, NOBODY)
    with pytest.raises(StateUnusableError, match=f"{name} belongs to uid {NOBODY}"):
        opened(tmp_path)


@as_root
def test_who_owns_the_directory_may_own_its_files_and_that_is_said(tmp_path: Path) -> None:
    assert opened(tmp_path) == []
    for each in (tmp_path, *tmp_path.iterdir()):
        os.chown(each, NOBODY, NOBODY)
    [(what, detail)] = opened(tmp_path)
    assert (what, f"belongs to uid {NOBODY}" in detail) == ("open_to_others", True)


@pytest.mark.parametrize("plant", WAYS)
@pytest.mark.parametrize("name", [SAVED, f"{SAVED}.new"])
def test_lists_are_not_read_or_written_by_way_of_what_was_put_there(
    tmp_path: Path, name: str, plant: Callable[[Path, Path], None]
) -> None:
    state, elsewhere = tmp_path / "state", tmp_path / "elsewhere"
    state.mkdir()
    elsewhere.write_text('{"http://lists.example/": [{"targets": ["203.0.113.1:1"]}]}')
    before = elsewhere.read_text()
    plant(state / name, elsewhere)
    wanted = {TargetList(url="http://lists.example/"): ["m"]}
    if name == SAVED and plant is not dangling:
        with pytest.raises(OSError, match=r"."):
            restore(str(state), wanted)
    if plant is not folder:
        save(str(state), {}, {})
        assert (state / SAVED).read_text() == "{}"
    assert elsewhere.read_text() == before


def test_the_daemon_says_what_it_closed_and_follows_no_link(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    state.chmod(0o777)
    with daemon({"server": {"state_dir": "state"}}, tmp_path) as running:
        assert running.stop() == 0
        running.rest()
        [said] = [line for line in running.lines if line["event"] == "state_directory_open"]
    assert said["level"] == "warning"
    (state / "lock").unlink()
    (state / "lock").symlink_to(tmp_path / "elsewhere")
    with daemon({"server": {"state_dir": "state"}}, tmp_path) as running:
        assert running.stop() == 0
        running.rest()
        [said] = [line for line in running.lines if line["event"] == "state_error"]
    assert said["reason"] == "unusable"
    assert not (tmp_path / "elsewhere").exists()
