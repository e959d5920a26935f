"""`make install` under a real systemd: what operators do to the service, and what they see."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import ROOT
from tests.acceptance.installed import PROBER, UNIT, Installed
from tests.acceptance.machine import Machine

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]

ERROR = 3

WEB = {
    "name": "web",
    "type": "HTTP",
    "targets": ["localhost:8080"],
    "interval": "10s",
    "fast_interval": "100ms",
    "timeout": "5s",
}
CLOSED = {**WEB, "name": "closed", "targets": ["127.0.0.1:1"]}


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
