"""`make install` under a real systemd: what operators do to the service, and what they see."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from subprocess import DEVNULL

import pytest

from tests import ROOT
from tests.acceptance.machine import Machine, NoMachineError, machine
from tests.test_prometheus import metrics_asked_for

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]

UNIT = "prober.service"
PROBER = "/usr/local/bin/prober"
PYTHON = "/usr/bin/python3"
ERROR = 3

BACKEND = f"""\
[Service]
ExecStart={PYTHON} -m http.server --bind 127.0.0.1 --directory /usr/share/doc 8080
"""
WEB = {
    "name": "web",
    "type": "HTTP",
    "targets": ["localhost:8080"],
    "interval": "10s",
    "fast_interval": "100ms",
    "timeout": "5s",
}
CLOSED = {**WEB, "name": "closed", "targets": ["127.0.0.1:1"]}


SHOW_METRICS = """
from urllib.request import urlopen
print(urlopen("http://127.0.0.1:7762/metrics").read().decode())
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make install` puts on a machine, and a backend to probe."""
    if os.geteuid() != 0:
        pytest.skip("only root can boot a systemd")
    for program in ("/lib/systemd/systemd", PYTHON):
        if not Path(program).exists():
            pytest.skip(f"there is no {program}")
    if subprocess.run([PYTHON, "-c", "import pip, venv"], check=False, stderr=DEVNULL).returncode:
        pytest.skip(f"{PYTHON} has no pip or no venv")
    folder = tmp_path_factory.mktemp("files")
    source = folder / "source"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(".*", "__pycache__"))
    dest = folder / "dest"
    (dest / "usr/local/lib").mkdir(parents=True)
    unit = dest / "etc/systemd/system/backend.service"
    unit.parent.mkdir(parents=True)
    unit.write_text(BACKEND)
    subprocess.run(
        ["make", "--silent", "install", f"PYTHON={PYTHON}", f"DESTDIR={dest}"],
        cwd=source,
        umask=0o077,
        check=True,
    )
    return dest


@pytest.fixture(scope="module")
def booted(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine with prober installed and a backend that answers."""
    try:
        with machine(tmp_path_factory.mktemp("machine"), files) as running:
            running.ask("systemctl", "start", "backend")
            yield running
    except NoMachineError as error:
        pytest.skip(f"no systemd can be booted here: {error}")


class Installed:
    """The installed service, as an operator handles it."""

    def __init__(self, running: Machine) -> None:
        self.machine = running
        self._drop_in = running.root / "run/systemd/system/prober.service.d/test.conf"
        self._seen = 0

    def configure(self, *monitors: object, drop_in: str = "") -> None:
        """Write the configuration, and lines of the unit's section Service."""
        path = self.machine.root / "etc/prober/prober.yaml"
        path.write_text(json.dumps({"monitors": monitors}))
        if drop_in:
            self._drop_in.parent.mkdir(parents=True, exist_ok=True)
            self._drop_in.write_text(f"[Service]\n{drop_in}\n")
            self.machine.ask("systemctl", "daemon-reload")

    def start(self) -> None:
        """Start it; this waits until it is ready."""
        self.machine.ask("systemctl", "start", UNIT)

    def has_status(self, text: str) -> bool:
        """Return whether the status line says so."""
        return self.machine.show(UNIT, "StatusText") == text

    def wait_for_status(self, text: str) -> None:
        """Wait until the status line says so."""
        self.machine.wait_for(lambda: self.has_status(text))

    def checks(self) -> dict[str, dict[str, object]]:
        """Return the checks, by monitor."""
        shown = json.loads(self.machine.run(PROBER, "status", "--json").stdout)
        return {check["monitor"]: check for check in shown["checks"]}

    def process(self) -> dict[str, str]:
        """Return what the kernel says of the main process."""
        number = self.machine.show(UNIT, "MainPID")
        lines = (self.machine.root / f"proc/{number}/status").read_text().splitlines()
        return {name: value.strip() for name, value in (line.split(":", 1) for line in lines)}

    def log(self, least: int = 7) -> str:
        """Return what the daemon has logged in this test, as urgent as this or more."""
        lines = self._journal()[self._seen :]
        return "\n".join(
            line["MESSAGE"]
            for line in lines
            if line["_TRANSPORT"] == "stdout" and int(line["PRIORITY"]) <= least
        )

    def begin(self) -> None:
        """Forget what the journal has until now."""
        self._seen = len(self._journal())

    def _journal(self) -> list[dict[str, str]]:
        unit = f"_SYSTEMD_UNIT={UNIT}"
        shown = self.machine.ask("journalctl", "--no-pager", "--output=json", unit)
        return [json.loads(line) for line in shown.splitlines()]

    def end(self) -> None:
        """Leave nothing behind but the state."""
        self.machine.run("systemctl", "stop", UNIT)
        self.machine.run("systemctl", "reset-failed", UNIT)
        self._drop_in.unlink(missing_ok=True)
        self.machine.ask("systemctl", "daemon-reload")


@pytest.fixture
def service(booted: Machine) -> Iterator[Installed]:
    """The service, not yet started."""
    installed = Installed(booted)
    installed.begin()
    yield installed
    installed.end()


def test_a_start_waits_until_the_daemon_is_ready_and_says_how_it_is(service: Installed) -> None:
    service.configure(WEB, CLOSED)
    service.start()
    assert service.machine.state(UNIT) == "active"
    assert service.machine.run(PROBER, "health").returncode == 0
    service.wait_for_status("1 CRITICAL, 1 OK, probing 2 checks")
    assert service.checks()["web"]["status"] == "OK"


def test_the_process_has_no_rights_but_the_network_and_its_state(service: Installed) -> None:
    service.configure(WEB)
    service.start()
    process = service.process()
    assert process["Uid"].split()[0] != "0"
    assert {process[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {
        "0" * 16
    }
    assert (process["NoNewPrivs"], process["Seccomp"]) == ("1", "2")
    state = service.machine.root / "var/lib/private/prober"
    assert (state / "prober.db").exists()
    assert state.stat().st_mode & 0o777 == 0o700


def test_a_reload_takes_the_new_file(service: Installed) -> None:
    service.configure(WEB)
    service.start()
    number = service.machine.show(UNIT, "MainPID")
    service.configure(WEB, CLOSED)
    service.machine.ask("systemctl", "reload", UNIT)
    service.wait_for_status("1 CRITICAL, 1 OK, probing 2 checks")
    service.machine.wait_for(lambda: service.machine.state(UNIT) == "active")
    assert service.machine.show(UNIT, "MainPID") == number


def test_a_reload_of_a_bad_file_changes_nothing_and_is_told(service: Installed) -> None:
    service.configure(WEB)
    service.start()
    service.configure({**WEB, "type": "HTPT"})
    service.machine.ask("systemctl", "reload", UNIT)
    service.wait_for_status("1 OK, probing 1 check; the last reload was rejected")
    service.machine.wait_for(lambda: service.machine.state(UNIT) == "active")
    assert "monitors[0].type" in service.log(ERROR)
    assert list(service.checks()) == ["web"]


def test_a_bad_file_at_the_start_is_told_and_not_tried_again(service: Installed) -> None:
    service.configure({**WEB, "type": "HTPT"})
    assert service.machine.run("systemctl", "start", UNIT).returncode != 0
    assert service.machine.state(UNIT) == "failed"
    assert service.machine.show(UNIT, "ExecMainStatus") == "2"
    assert service.machine.show(UNIT, "NRestarts") == "0"
    errors = service.log(ERROR)
    assert json.loads(errors.splitlines()[0])["event"] == "config_rejected"


def test_lines_in_the_journal_have_their_priority(service: Installed) -> None:
    service.configure(drop_in="Environment=PROBER_LOG_FORMAT=console")
    service.start()
    assert "info     listening address=127.0.0.1:7762" in service.log()
    assert service.log(ERROR) == ""


def test_a_secret_comes_by_way_of_systemd(service: Installed) -> None:
    secret = service.machine.root / "etc/prober/token"
    secret.write_text("Bearer hunter2")
    secret.chmod(0o600)
    header = {"Authorization": {"file": "/run/credentials/prober.service/token"}}
    service.configure({**WEB, "headers": header}, drop_in="LoadCredential=token:/etc/prober/token")
    service.start()
    service.wait_for_status("1 OK, probing 1 check")
    service.machine.ask("systemctl", "reload", UNIT)
    service.machine.wait_for(lambda: "config_reloaded" in service.log())
    assert "hunter2" not in service.log()


def test_a_daemon_that_hangs_is_started_again_and_goes_on_where_it_was(service: Installed) -> None:
    service.configure(WEB, CLOSED, drop_in="WatchdogSec=1")
    service.start()
    service.wait_for_status("1 CRITICAL, 1 OK, probing 2 checks")
    before = service.checks()
    service.machine.ask("systemctl", "restart", UNIT)  # so that all is written down
    first = service.machine.show(UNIT, "MainPID")
    service.machine.ask("systemctl", "kill", "--kill-whom=main", "--signal=STOP", UNIT)
    service.machine.wait_for(lambda: service.machine.show(UNIT, "NRestarts") == "1")
    service.machine.wait_for(lambda: service.machine.state(UNIT) == "active")
    assert service.machine.show(UNIT, "MainPID") != first
    service.machine.wait_for(lambda: "most recent call first" in service.log())  # where it hung
    after = service.checks()
    assert {name: (check["status"], check["since"]) for name, check in after.items()} == {
        name: (check["status"], check["since"]) for name, check in before.items()
    }


def test_what_rules_and_dashboard_ask_for_is_not_hidden_by_the_unit(service: Installed) -> None:
    service.configure(WEB, {**CLOSED, "type": "TCP"})
    service.start()
    service.wait_for_status("1 CRITICAL, 1 OK, probing 2 checks")
    shown = service.machine.ask(PYTHON, "-c", SHOW_METRICS)
    known = set(re.findall(r"^# TYPE (\S+)", shown, re.MULTILINE))
    asked = {name for name in metrics_asked_for() if name.startswith(("process_", "prober_"))}
    assert any(name.startswith("process_") for name in asked)
    assert asked <= known


def test_a_stop_is_clean(service: Installed) -> None:
    service.configure(WEB)
    service.start()
    service.machine.ask("systemctl", "stop", UNIT)
    assert service.machine.state(UNIT) == "inactive"
    assert service.machine.show(UNIT, "Result") == "success"
    assert service.machine.show(UNIT, "ExecMainStatus") == "0"


def test_an_uninstalled_service_leaves_configuration_and_state(files: Path) -> None:
    subprocess.run(["make", "--silent", "uninstall", f"DESTDIR={files}"], cwd=ROOT, check=True)
    left = {str(each.relative_to(files)) for each in files.rglob("prober*") if each.is_file()}
    assert left == {"etc/prober/prober.yaml"}
