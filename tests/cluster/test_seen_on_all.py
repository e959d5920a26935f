"""What every member shows of what others do: results, history, pages."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from typing import Any

import pytest

from tests.cluster.etcd_server import etcd, needs_etcd
from tests.cluster.real_members import Targets, configuration, targets
from tests.running import Daemon, daemon, until

pytestmark = [needs_etcd, pytest.mark.xdist_group("members")]


class Pair:
    """Two members with a state directory each, and what they probe."""

    def __init__(self, members: dict[str, Daemon], found: Targets) -> None:
        self.members = members
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

    def check(self, name: str, port: int) -> dict[str, Any]:
        path = f"/api/v1/checks/web/127.0.0.1:{port}"
        found: dict[str, Any] = self.members[name].json(path)
        return found


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with etcd(tmp_path_factory.mktemp("etcd")) as server, targets(4) as found, ExitStack() as stack:
        members = {}
        for name in "ab":
            folder = tmp_path_factory.mktemp(name)
            config = configuration([server.url], name, found.ports)
            config["server"] = {"state_dir": str(folder / "state"), "writable": True}
            members[name] = stack.enter_context(daemon(config, folder))
        yield Pair(members, found)


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
