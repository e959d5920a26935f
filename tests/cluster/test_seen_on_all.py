"""What every member shows of what others do: results, history, pages."""

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from typing import Any
from urllib.request import Request, urlopen

import pytest

from prober.cluster.common_values import read_value
from tests.cluster.etcd_server import Etcd, etcd, needs_etcd
from tests.cluster.real_members import Targets, configuration, targets
from tests.cluster.test_edits_of_members import ask
from tests.outputs.serving import Receiver, receiving
from tests.running import PATIENCE, Daemon, daemon, until

pytestmark = [needs_etcd, pytest.mark.xdist_group("members")]


class Pair:
    """Two members with a state directory each, what they probe, and who is told of it."""

    def __init__(
        self,
        server: Etcd,
        members: dict[str, Daemon],
        found: Targets,
        hook: Receiver,
        alerts: Receiver,
    ) -> None:
        self._server = server
        self.members = members
        self.hook = hook
        self.alerts = alerts
        self.targets = found

    def owner_of(self, port: int) -> str:
        """Return the member that probes a port, once both name the same one."""
        owners: set[str] = set()

        def agree() -> bool:
            votes = [self.check(name, port)["votes"] for name in self.members]
            owners.clear()
            owners.update(vote["member"] for each in votes for vote in each)
            return all(len(each) == 1 for each in votes) and len(owners) == 1

        until(agree)
        (owner,) = owners
        return owner

    def told_of(self, backend: str) -> str | None:
        """Return what people were told of a backend, as it lies in etcd."""
        key = b64encode(b"/prober/test/common/told/hook/web").decode()
        url = f"{self._server.url}/v3/kv/range"
        with urlopen(Request(url, json.dumps({"key": key}).encode()), timeout=PATIENCE) as answer:
            found = json.load(answer).get("kvs", [])
        if not found:
            return None
        told = read_value(b64decode(found[0]["value"])).content.get(f"backend web/{backend}")
        return None if told is None else str(told)

    def check(self, name: str, port: int) -> dict[str, Any]:
        path = f"/api/v1/checks/web/127.0.0.1:{port}"
        found: dict[str, Any] = self.members[name].json(path)
        return found


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with (
        etcd(tmp_path_factory.mktemp("etcd")) as server,
        targets(4) as found,
        receiving() as hook,
        receiving() as alerts,
        ExitStack() as stack,
    ):
        members = {}
        for name in "ab":
            folder = tmp_path_factory.mktemp(name)
            config = configuration([server.url], name, found.ports)
            config["server"] = {"state_dir": str(folder / "state"), "writable": True}
            config["outputs"] = [
                {"name": "hook", "type": "webhook", "url": hook.url, "group_wait": "0s"},
                {"name": "alerts", "type": "alertmanager", "urls": [alerts.url]},
            ]
            members[name] = stack.enter_context(daemon(config, folder))
        yield Pair(server, members, found, hook, alerts)


def test_results_and_history_of_a_check_are_the_same_on_the_member_that_does_not_probe_it(
    pair: Pair,
) -> None:
    (port, *_) = pair.targets.ports
    owner = pair.owner_of(port)
    (other,) = pair.members.keys() - {owner}
    path = f"/api/v1/checks/web/127.0.0.1:{port}"
    until(lambda: len(pair.check(owner, port)["recent"]) > 3)

    def probes(name: str) -> int:
        slots = pair.members[name].json(f"{path}/history")["slots"]
        return sum(slot["probes"] for slot in slots)

    seen = probes(owner)
    assert seen > 3
    assert probes(other) >= seen
    newest = pair.check(owner, port)["last"]["at"]
    page = pair.members[other].get(f"/checks/web/127.0.0.1:{port}")[1]
    shown = re.findall(r'<tr class="good" data-key="([0-9.]+)"', page)
    assert max(map(float, shown)) >= datetime.fromisoformat(newest).timestamp() - 0.01
    for where in ("/?status=OK", "/pools/web"):
        text = pair.members[other].get(where)[1]
        assert text.count('class="bar"') == 4
        assert "last 0 results" not in text


def test_a_member_lets_the_owner_probe_a_check_now(pair: Pair) -> None:
    port = pair.targets.ports[1]
    owner = pair.owner_of(port)
    (other,) = pair.members.keys() - {owner}
    path = f"/api/v1/checks/web/127.0.0.1:{port}/probe"

    def is_probed() -> bool:
        answer = ask(pair.members[other], "POST", path)
        assert answer.status in (200, 202), answer.body  # 202: it takes long
        return answer.status == 200 and json.loads(answer.body)["result"] == "OK"

    until(is_probed)
    page = ask(pair.members[other], "POST", f"/checks/web/127.0.0.1:{port}/probe")
    assert page.status == 200  # of the page that it redirects to
    assert pair.members[other].json("/api/v1/status")["prober"]["name"] == other


def test_admin_states_and_notices_hold_on_every_member(pair: Pair) -> None:
    one, other = pair.members["a"], pair.members["b"]
    state = {"state": "drain", "until": "2h", "reason": "disk", "by": "anna"}
    assert ask(one, "PUT", "/api/v1/admin/pools/web", state).status == 200

    def entries(member: Daemon) -> list[tuple[str, str, str]]:
        found = member.json("/api/v1/admin")["admin"]
        return [(each["name"], each["state"], each["reason"]) for each in found]

    until(lambda: entries(other) == [("web", "drain", "disk")])
    assert ask(other, "DELETE", "/api/v1/admin/pools/web").status == 204
    until(lambda: entries(one) == [])
    published = ask(other, "POST", "/api/v1/notices", {"text": "we move"})
    assert published.status == 201

    def notices() -> list[str]:
        return [each["text"] for each in one.json("/api/v1/notices")["notices"]]

    until(lambda: notices() == ["we move"])
    identity = json.loads(published.body)["id"]
    assert ask(one, "DELETE", f"/api/v1/notices/{identity}").status == 204
    until(lambda: other.json("/api/v1/notices")["notices"] == [])


def test_a_load_balancer_that_a_client_of_a_cloud_creates_is_there_on_every_member(
    pair: Pair,
) -> None:
    one, other = pair.members["a"], pair.members["b"]
    path = "/v2.0/lbaas/loadbalancers"
    wanted = {"name": "edge", "vip_subnet_id": "0b5f7c0e-6f0c-4b3a-9d53-1f0b7a1c2d3e"}
    answer = ask(one, "POST", path, {"loadbalancer": wanted})
    assert answer.status == 201, answer.body
    created = json.loads(answer.body)["loadbalancer"]

    def found(member: Daemon) -> list[tuple[str, str]]:
        shown = member.json(path)["loadbalancers"]
        return [(each["id"], each["created_at"]) for each in shown if each["name"] == "edge"]

    until(lambda: found(other) == [(created["id"], created["created_at"])])
    assert ask(other, "DELETE", f"{path}/{created['id']}").status == 204
    until(lambda: found(one) == [])


def test_a_webhook_is_called_once_even_if_the_speaker_dies(pair: Pair) -> None:
    port = pair.targets.ports[-1]
    key = f"127.0.0.1:{port}"

    def told() -> list[tuple[str, str, str]]:
        """Return what was said of the backend: by whom, from and to what."""
        return [
            (body["prober"]["cluster"], change["from"], change["to"])
            for body in list(pair.hook.taken)
            for change in body["changes"]
            if change["kind"] == "backend" and change["backend"] == key
        ]

    pair.targets.shut(port)
    until(lambda: "CRITICAL" in [to for _, _, to in told()])

    def alerts() -> dict[str, dict[str, str]]:
        """Return the labels of the alert of the backend, by the page of the member that sent it."""
        return {
            alert["generatorURL"]: alert["labels"]
            for body in list(pair.alerts.taken)
            for alert in body
            if alert["labels"].get("backend") == key
        }

    until(lambda: len(alerts()) == 2)
    one, other = alerts().values()
    assert one == other  # so that Alertmanager takes them for one
    until(lambda: all(pair.check(n, port)["status"] == "CRITICAL" for n in pair.members))
    seen = told()
    assert {cluster for cluster, _, _ in seen} == {"test"}
    assert [to for _, _, to in seen].count("CRITICAL") == 1
    until(lambda: pair.told_of(key) == "CRITICAL")
    dead = pair.members.pop(pair.owner_of(port))
    dead.process.kill()
    (left,) = pair.members.values()
    left.wait_for("member_left", cause="lost")
    pair.targets.open(port)
    until(lambda: [to for _, _, to in told()][-1] == "OK")
    fresh = told()[len(seen) :]
    assert fresh[0][1] == "CRITICAL"
    assert [to for _, _, to in fresh].count("OK") == 1
    assert "CRITICAL" not in [to for _, _, to in fresh]
