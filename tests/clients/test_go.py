"""The clouds' clients in Go: gophercloud, which Terraform uses, and Huawei's SDK."""

import subprocess
from pathlib import Path

import pytest

from tests.clients.go_client import built, steps
from tests.clients.serving import Prober, configuration
from tests.running import PATIENCE, daemon

GO = Path(__file__).with_name("go")
ACCESS, SECRET = "AKEXAMPLE", "a-secret-key"


def test_gophercloud_walks_the_whole_api(prober: Prober, tmp_path: Path, go_cache: Path) -> None:
    found = steps(built(GO, "gophercloud", tmp_path, go_cache), prober.url)
    balancer, pool = found["create load balancer"], found["create pool"]
    assert (balancer["name"], balancer["provisioning_status"]) == ("from go", "ACTIVE")
    assert balancer["tags"] == ["blue"]
    assert pool["loadbalancers"] == [{"id": balancer["id"]}]
    assert pool["session_persistence"]["type"] == "SOURCE_IP"
    assert found["create member"]["monitor_port"] == 10
    drained = found["drain member"]
    assert (drained["weight"], drained["operating_status"]) == (0, "DRAINING")
    assert [each["weight"] for each in found["list members"]] == [2, 1]
    monitor = found["show monitor"]
    assert (monitor["name"], monitor["delay"], monitor["url_path"]) == ("hm", 30, "/x")
    assert monitor["tags"] == ["green"]
    names = [each["name"] for each in found["list monitors"]]
    assert names == sorted(names, reverse=True)
    assert {"hm", "web-http"} <= set(names)
    assert not found["list listeners"]
    assert [each["name"] for each in found["list providers"]] == ["prober"]
    assert (found["show quota"]["pool"], found["show quota"]["listener"]) == (-1, 0)
    assert found["show traffic"]["bytes_in"] == 0
    assert found["pool is gone"]


@pytest.mark.parametrize("signed", [False, True])
def test_huaweis_sdk_walks_the_whole_api(tmp_path: Path, go_cache: Path, *, signed: bool) -> None:
    program = built(GO, "huawei", tmp_path, go_cache)
    (tmp_path / "secret").write_text(SECRET)
    secret = {"file": str(tmp_path / "secret")}
    keys = [{"access_key": ACCESS, "role": "write", "secret_key": secret}]
    server = {"writable": True, **({"auth": {"huawei_keys": keys}} if signed else {})}
    with daemon({**configuration(), "server": server}, tmp_path) as running:
        found = steps(program, running.url, ACCESS, SECRET)
        if signed:
            done = subprocess.run(
                [str(program), running.url, ACCESS, "wrong"],
                capture_output=True,
                text=True,
                timeout=PATIENCE,
                check=False,
            )
            assert done.returncode
            assert "401" in done.stderr
    assert [each["name"] for each in found["list monitors"]["healthmonitors"]] == ["web-http"]
    made = found["create monitor"]["healthmonitor"]
    assert (made["max_retries_down"], made["created_at"][-1]) == (3, "Z")
    changed = found["change monitor"]["healthmonitor"]
    assert (changed["delay"], changed["name"]) == (7, "from go")
    assert found["show load balancer"]["loadbalancer"]["name"] == "lb-1"
    assert found["show tags"]["tags"] == [{"key": "env", "value": "go"}]
    assert [each["id"] for each in found["list versions"]["versions"]] == ["v3", "v2", "v2.0"]
    assert found["create pool"]["pool"]["protocol"] == "TCP"
    assert found["create member"]["member"]["weight"] == 0
    assert found["change member"]["member"]["weight"] == 3
    assert [each["address"] for each in found["list members"]["members"]] == ["127.0.0.1"]
    added = found["add members"]["members"]
    assert [(each["ret_status"], each["weight"]) for each in added] == [
        ("existed", 3),
        ("successful", 5),
    ]
    assert found["change members"]["members"][0]["weight"] == 7
    deleted = found["delete members"]["members"]
    assert [each["ret_status"] for each in deleted] == ["successful", "not found"]
    assert found["delete monitor"]
