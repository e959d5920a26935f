"""What commands write where: colours and progress on terminals, JSON and silence on request."""

import json
import os
import pty
import re
import threading
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path

import pytest

from prober.cli.progress import tell, working
from tests import forking
from tests.ports import free_port
from tests.running import PATIENCE, Daemon, daemon, prober

SGR = re.compile(r"\x1b\[[\d;]*m")
COLOURED = {"status", "explain", "probe", "doctor"}


class Terminal(StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def after(seconds: int) -> Callable[[float], bool]:
    """Return a wait that is over after that many seconds."""
    left = iter([False] * seconds)
    return lambda _: next(left, True)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    monitor = {"name": "closed", "type": "TCP", "targets": [f"127.0.0.1:{free_port()}"], "fall": 1}
    with daemon({"monitors": [monitor]}, tmp_path_factory.mktemp("manners")) as found:
        found.wait_for("status_changed", to="CRITICAL")
        yield found


def commands(running: Daemon, folder: Path) -> dict[str, list[str]]:
    """Return a command line for each command that ends."""
    config = folder / "prober.json"
    target = f"127.0.0.1:{free_port()}"
    config.write_text(
        json.dumps({"monitors": [{"name": "m", "type": "TCP", "targets": [target], "timeout": 9}]})
    )
    cfg = folder / "haproxy.cfg"
    cfg.write_text(f"backend web\n  server a {target} check\n")
    url = ["--url", running.url]
    return {
        "check": ["--config", str(config)],
        "plan": ["--config", str(config), *url],
        "import": ["haproxy", str(cfg)],
        "probe": ["TCP", target],
        "status": url,
        "explain": ["closed", *url],
        "admin": ["list", *url],
        "doctor": [],
        "health": url,
    }


def on_a_terminal(*arguments: str, **environment: str) -> str:
    """Return what a command shows on a terminal."""
    ours, theirs = pty.openpty()
    whole = {**os.environ, "TERM": "xterm", "NO_COLOR": "", **environment}
    shown = bytearray()

    def read() -> None:
        while True:
            try:
                shown.extend(os.read(ours, 1 << 16))
            except OSError:
                return

    reader = threading.Thread(target=read)
    with forking.start(
        "prober", arguments, environment=whole, stdout=theirs, stderr=theirs
    ) as process:
        reader.start()
        process.wait(PATIENCE)
    os.close(theirs)
    reader.join(PATIENCE)
    os.close(ours)
    return shown.decode()


def test_colours_are_for_terminals_without_no_color(running: Daemon, tmp_path: Path) -> None:
    for name, arguments in commands(running, tmp_path).items():
        painted = on_a_terminal(name, *arguments)
        assert "Traceback" not in painted
        assert bool(SGR.search(painted)) is (name in COLOURED), name
        plain = on_a_terminal(name, *arguments, NO_COLOR="1")
        assert not SGR.search(plain), name
        piped = prober(name, *arguments, NO_COLOR="")
        assert not SGR.search(piped.stdout + piped.stderr), name


def test_json_is_one_document_and_nothing_else(running: Daemon, tmp_path: Path) -> None:
    asked = commands(running, tmp_path)
    found = {}
    for name in ("check", "plan", "probe", "status", "explain", "admin", "doctor"):
        done = prober(name, *asked[name], "--json")
        found[name] = json.loads(done.stdout)
        assert done.stderr == "", name
    assert found["check"]["checks"] == 1
    assert "timeout" in found["check"]["warnings"][0]["text"]
    assert found["probe"]["probes"][0]["reason"] == "refused"
    assert {each["subject"] for each in found["doctor"]["findings"]} >= {"clock", "resolver"}


def test_the_problems_of_a_configuration_are_there_as_json(tmp_path: Path) -> None:
    config = tmp_path / "prober.yaml"
    config.write_text("monitors:\n  - name: m\n    type: TCP\n    targets: [a:1]\n    rise: 0\n")
    done = prober("check", "--config", str(config), "--json")
    assert done.returncode == 2
    (problem,) = json.loads(done.stdout)["problems"]
    assert (problem["file"], problem["line"]) == (str(config), 5)
    assert problem["path"] == "monitors[0].rise"
    assert problem["message"].startswith("expected a whole number")


def test_quiet_leaves_the_exit_status_and_what_is_wrong(running: Daemon, tmp_path: Path) -> None:
    asked = commands(running, tmp_path)
    statuses = {}
    shown = {}
    for name in ("plan", "status", "check", "probe", "doctor"):
        done = prober(name, *asked[name], "--quiet")
        statuses[name], shown[name] = done.returncode, done.stdout
    assert (statuses["plan"], statuses["status"], statuses["probe"]) == (3, 2, 2)
    assert (shown["plan"], shown["status"]) == ("", "")
    assert shown["check"].count("\n") == 1
    assert "warning" in shown["check"]
    assert shown["probe"].startswith("CRITICAL  CONNECT_FAILED (refused)")
    assert not re.search(r"^ok ", shown["doctor"], re.MULTILINE)


def test_an_import_that_is_quiet_reports_only_what_was_left_out(tmp_path: Path) -> None:
    cfg = tmp_path / "haproxy.cfg"
    cfg.write_text("backend web\n  option external-check\n  server a 127.0.0.1:1 check\n")
    loud, quiet = (prober("import", "haproxy", str(cfg), *more) for more in ([], ["--quiet"]))
    assert quiet.stdout == loud.stdout
    assert 0 < len(quiet.stderr) < len(loud.stderr)
    assert "external-check" in quiet.stderr


# Progress


def test_work_that_takes_long_is_told_of_each_second_and_wiped_away() -> None:
    stream = StringIO()
    tell("reading", stream, after(2))
    assert stream.getvalue() == "\rreading, 1 s\rreading, 2 s\r            \r"


def test_work_that_is_short_is_not_told_of() -> None:
    stream = StringIO()
    tell("reading", stream, after(0))
    assert stream.getvalue() == ""


def test_progress_is_for_terminals() -> None:
    before = threading.active_count()
    with working("reading", StringIO()):
        assert threading.active_count() == before
    with working("reading", Terminal()):
        assert threading.active_count() == before + 1
    assert threading.active_count() == before


def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path: Path) -> None:
    done = prober("import", "haproxy", str(tmp_path / "none.cfg"))
    assert done.returncode == 2
    assert done.stderr == f"prober import: {tmp_path}/none.cfg: No such file or directory\n"
