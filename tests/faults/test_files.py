"""Files without an end, and disks without an answer: no reload, no later one and no stop hangs."""

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.faults.watching import metric, monitor
from tests.ports import free_port
from tests.running import Daemon, daemon

DEAD_DISK = """
import os, threading
really_open, really_stat = os.open, os.stat
def dies(path):
    if str(path).startswith(os.environ["DEAD"]):
        try:
            really_stat(os.environ["DEAD"] + "/alive")
        except FileNotFoundError:
            threading.Event().wait()
def open_or_hang(path, *args, **kwargs):
    dies(path)
    return really_open(path, *args, **kwargs)
def stat_or_hang(path, *args, **kwargs):
    dies(path)
    return really_stat(path, *args, **kwargs)
os.open, os.stat = open_or_hang, stat_or_hang
"""
STOP_SECONDS = 60.0
"""Much less than what a thread that is blocked for good takes, on any machine."""


def reload(running: Daemon, event: str) -> dict[str, Any]:
    """Ask for a reload and return the line of the log about it."""
    running.process.send_signal(signal.SIGHUP)
    return running.wait_for(event)


def stop(running: Daemon) -> None:
    """Stop it, in a time that nothing that hangs determines."""
    began = time.monotonic()
    assert running.stop() == 0
    assert time.monotonic() - began < STOP_SECONDS


def tls(**files: str) -> dict[str, Any]:
    """Return an addition to a configuration: a monitor that verifies by these files."""
    options = {"verify": True, **files}
    return {
        "monitors": [
            {"name": "s", "type": "HTTPS", "targets": ["127.0.0.1:1"], "tls": options},
        ]
    }


WITH_A_PIPE = {
    "include": {"include": ["pipe"]},
    "pattern": {"include": ["pi*"]},
    "secret": {
        "monitors": [
            {
                "name": "h",
                "type": "HTTP",
                "targets": ["127.0.0.1:1"],
                "headers": {"X": {"file": "pipe"}},
            }
        ]
    },
    "ca": tls(ca_file="pipe"),
    "modules": {"server": {"blackbox_modules": "pipe"}},
    "web": {"server": {"web_config_file": "pipe"}},
}


@pytest.mark.parametrize("addition", WITH_A_PIPE.values(), ids=WITH_A_PIPE.keys())
def test_a_named_pipe_is_refused_at_once_wherever_a_file_is_expected(
    tmp_path: Path, addition: dict[str, Any]
) -> None:
    config = {"monitors": [monitor("web", "TCP", free_port())]}
    os.mkfifo(tmp_path / "pipe")
    path = tmp_path / "prober.json"
    monitors = config["monitors"] + addition.get("monitors", [])
    with daemon(config, tmp_path) as running:
        path.write_text(json.dumps({**config, **addition, "monitors": monitors}))
        rejected = reload(running, "config_rejected")
        assert "it is a named pipe; expected a regular file" in rejected["problem"]
        path.write_text(json.dumps(config))
        reload(running, "config_reloaded")
        stop(running)


def test_a_configuration_that_is_a_pipe_and_a_list_that_is_one(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text('[{"targets": ["127.0.0.1:1"]}]')
    listed = {"name": "l", "type": "TCP", "targets_from": {"file": "t.json"}}
    config = {"server": {"watch_config": True}, "monitors": [listed]}
    path = tmp_path / "prober.json"
    with daemon(config, tmp_path) as running:
        assert metric(running, "prober_checks") == 1
        (tmp_path / "t.json").unlink()
        os.mkfifo(tmp_path / "t.json")
        assert "named pipe" in running.wait_for("target_list_kept")["problem"]
        reload(running, "config_reloaded")
        assert metric(running, "prober_checks") == 1
        path.unlink()
        os.mkfifo(path)
        assert "named pipe" in running.wait_for("config_rejected")["problem"]
        path.unlink()
        path.write_text(json.dumps({**config, "monitors": [listed, monitor("w", "TCP", 1)]}))
        running.wait_for("config_reloaded", added=1)
        stop(running)


def test_a_certificate_of_ours_that_becomes_a_pipe_blocks_nobody(tmp_path: Path) -> None:
    issued = trustme.CA().issue_cert("127.0.0.1")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    names = {"cert_file": "cert.pem", "key_file": "key.pem"}
    (tmp_path / "web.json").write_text(json.dumps({"tls_server_config": names}))
    config = {
        "server": {"web_config_file": "web.json"},
        "monitors": [monitor("web", "TCP", free_port())],
    }
    with daemon(config, tmp_path) as running:
        (tmp_path / "cert.pem").unlink()
        os.mkfifo(tmp_path / "cert.pem")
        assert "named pipe" in reload(running, "config_rejected")["problem"]
        stop(running)


@pytest.mark.parametrize("file", ["included.json", "t.json"])
def test_a_disk_that_does_not_answer_holds_up_neither_reloads_nor_the_stop(
    tmp_path: Path, file: str
) -> None:
    dead = tmp_path / "dead"
    dead.mkdir()
    (dead / "alive").touch()
    (dead / "included.json").write_text(json.dumps({"monitors": [monitor("i", "TCP", 1)]}))
    (dead / "t.json").write_text('[{"targets": ["127.0.0.1:1"]}]')
    hook = tmp_path / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(DEAD_DISK)
    environment = {"PYTHONPATH": str(hook), "DEAD": str(dead)}
    listed = {"name": "l", "type": "TCP", "targets_from": {"file": str(dead / "t.json")}}
    include = {"include": [str(dead / "included.json")]} if file == "included.json" else {}
    monitors = [monitor("web", "TCP", free_port())] + ([] if include else [listed])
    config = {"server": {"watch_config": True}, "monitors": monitors, **include}
    with daemon(config, tmp_path, environment=environment) as running:
        assert metric(running, "prober_checks") == 2
        (dead / "alive").unlink()
        if include:
            assert "did not answer" in running.wait_for("config_rejected")["problem"]
            assert "did not answer" in reload(running, "config_rejected")["problem"]
        else:
            assert "did not answer" in running.wait_for("target_list_kept")["problem"]
            reload(running, "config_reloaded")
        assert metric(running, "prober_checks") == 2
        stop(running)


def test_a_start_with_a_list_on_a_dead_disk_probes_everything_else(tmp_path: Path) -> None:
    hook, dead = tmp_path / "hook", tmp_path / "dead"
    hook.mkdir()
    dead.mkdir()
    (hook / "sitecustomize.py").write_text(DEAD_DISK)
    listed = {"name": "l", "type": "TCP", "targets_from": {"file": str(dead / "t.json")}}
    config = {"monitors": [monitor("web", "TCP", free_port()), listed]}
    environment = {"PYTHONPATH": str(hook), "DEAD": str(dead)}
    with daemon(config, tmp_path, environment=environment) as running:
        assert metric(running, "prober_checks") == 1
        stop(running)
