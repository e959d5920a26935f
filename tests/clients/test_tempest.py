"""OpenStack's own tests of Octavia's API: octavia-tempest-plugin, unmodified.

They add members at addresses that are not prober's, so everything runs in a network namespace.
"""

import json
import os
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.own_environment import environment
from tests.faults.namespaces import Host, host, missing
from tests.running import daemon

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.timeout(1200),
    pytest.mark.xdist_group("tempest"),
]

TEMPEST = Path(__file__).with_name("tempest")
SUITE = "octavia_tempest_plugin.tests.api.v2"
RUN_SECONDS = 600
NOT_OFFERED = "'prober' does not support a requested action"


@pytest.fixture(scope="session")
def tempest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the environment with tempest and its plugin."""
    return environment(TEMPEST / "requirements.lock", tmp_path_factory.mktemp("tempest"))


@pytest.fixture
def somewhere() -> Iterator[Host]:
    if why := missing():
        pytest.skip(why)
    with host() as made:
        yield made


def accounts() -> list[dict[str, object]]:
    """Return the users that tempest may be; prober takes any."""
    common = {"project_name": "p1", "domain_name": "Default", "password": "tok"}
    users = [{"username": f"user-{number}", "roles": ["member", "reader"]} for number in range(16)]
    users += [{"username": f"admin-{number}", "roles": ["admin", "member"]} for number in range(6)]
    return [{**common, **each} for each in users]


@pytest.mark.parametrize(
    ("suite", "passed"), [("test_healthmonitor", 120), ("test_pool", 112), ("test_member", 60)]
)
def test_octavias_own_tests_pass(
    tempest: Path, somewhere: Host, tmp_path: Path, suite: str, passed: int
) -> None:
    (tmp_path / "accounts.yaml").write_text(json.dumps(accounts()))
    with daemon({"server": {"writable": True}}, tmp_path, under=somewhere.under) as prober:
        configured = (TEMPEST / "tempest.conf").read_text().replace("@URL@", prober.url)
        (tmp_path / "tempest.conf").write_text(configured.replace("@FOLDER@", str(tmp_path)))
        done = subprocess.run(
            [
                *somewhere.under,
                str(tempest / "bin/python"),
                "-m",
                "unittest",
                "-v",
                f"{SUITE}.{suite}",
            ],
            env={
                **os.environ,
                "TEMPEST_CONFIG_DIR": str(tmp_path),
                "TEMPEST_CONFIG": "tempest.conf",
            },
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
            check=False,
        )
    results = re.findall(r"^(\S+) \.\.\. (ok|FAIL|ERROR|skipped .*)$", done.stderr, re.MULTILINE)
    assert not done.returncode, done.stderr[-4000:]
    counted = Counter(result.split(" ")[0] for _, result in results)
    assert counted["ok"] >= passed
    for name, result in results:
        if result != "ok":
            assert NOT_OFFERED in result or "launchpad.net/bugs" in result, (name, result)
