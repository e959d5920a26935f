"""`prober run --shard I/N`: a daemon that probes and shows its share only."""

import json
import signal
import socket
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from prober.cli import main as cli
from prober.cli.flags import shard
from prober.model.shard import Shard
from tests.running import PATIENCE, Daemon, daemon, prober, until

TARGETS = [f"127.0.0.1:{port}" for port in range(1, 21)]
CHECKER = "/20170115/loadBalancers/default/backendSets/web/healthChecker"


def configuration(*targets: str) -> dict[str, Any]:
    return {
        "server": {"writable": True},
        "pools": [{"name": "web", "backends": targets}],
        "monitors": [{"name": "web", "type": "TCP", "pool": "web", "interval": "1h"}],
    }


def backends(running: Daemon) -> set[str]:
    return {check["backend"] for check in running.json("/api/v1/checks")["checks"]}


def refused(running: Daemon, path: str, body: object) -> tuple[int, str]:
    request = Request(running.url + path, method="PUT", data=json.dumps(body).encode())
    with pytest.raises(HTTPError) as raised, urlopen(request, timeout=PATIENCE):
        pass
    with raised.value as error:
        return error.code, json.load(error)["message"]


def test_two_shards_have_everything_once_also_after_a_reload(tmp_path: Path) -> None:
    with (
        daemon(configuration(*TARGETS), tmp_path, "--shard", "0/2") as one,
        daemon(configuration(*TARGETS), tmp_path, "--shard", "1/2") as other,
    ):
        assert backends(one) | backends(other) == set(TARGETS)
        assert not backends(one) & backends(other)
        assert backends(one)
        assert backends(other)
        before = backends(one)
        more = [*TARGETS, *(f"127.0.0.1:{port}" for port in range(21, 41))]
        (tmp_path / "prober.json").write_text(json.dumps(configuration(*more)))
        for each in (one, other):
            each.process.send_signal(signal.SIGHUP)
        until(lambda: len(backends(one)) + len(backends(other)) == 40)
        assert backends(one) > before
        assert not backends(one) & backends(other)
        why = "edits are refused: this prober has only shard 0/2 of the checks"
        status, said = refused(one, "/api/v1/monitors/new", {"type": "TCP", "targets": ["a:1"]})
        assert (status, why in said) == (403, True)
        status, said = refused(one, CHECKER, {"protocol": "TCP"})
        assert (status, why in said) == (403, True)


def test_a_shard_and_a_cluster_exclude_each_other(tmp_path: Path) -> None:
    section = {"name": "test", "etcd": {"endpoints": ["http://127.0.0.1:1"]}}
    path = tmp_path / "prober.json"
    path.write_text(json.dumps({"cluster": section}))
    done = prober("run", "--config", str(path), "--shard", "0/2")
    assert done.returncode == 2
    assert "the section `cluster` shares the checks already" in done.stderr


def test_the_ordinal_of_a_stateful_set_is_that_of_the_host(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "prober-12")
    assert shard("hostname/13") == Shard(12, 13)
    with pytest.raises(SystemExit) as stop:
        cli.main(["run"], {"PROBER_SHARD": "hostname/12"})
    assert stop.value.code == 2
    assert "of 12 shards, the last one is 11" in capsys.readouterr().err
    monkeypatch.setattr(socket, "gethostname", lambda: "prober")
    with pytest.raises(Exception, match="'prober', does not end with a number"):
        shard("hostname/3")
