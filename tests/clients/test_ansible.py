"""Ansible's collection `openstack.cloud`: what it has made, it leaves alone the second time."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.clients.own_environment import environment
from tests.running import daemon

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.timeout(1200),
    pytest.mark.xdist_group("ansible"),
]

ANSIBLE = Path(__file__).with_name("ansible")
RUN_SECONDS = 500


@pytest.fixture(scope="session")
def ansible(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the environment with Ansible and its collections."""
    return environment(ANSIBLE / "requirements.lock", tmp_path_factory.mktemp("ansible"))


def play(ansible: Path, folder: Path, url: str, *, first: bool) -> dict[str, int]:
    """Run the play, and return how many tasks did what."""
    variables = {
        "ansible_python_interpreter": str(ansible / "bin/python"),
        "url": url,
        "first": str(first).lower(),
    }
    done = subprocess.run(
        [
            *(str(ansible / "bin/ansible-playbook"), "-i", "localhost,"),
            *(word for name, value in variables.items() for word in ("-e", f"{name}={value}")),
            str(ANSIBLE / "play.yml"),
        ],
        env={**os.environ, "ANSIBLE_HOME": str(folder / "home"), "LC_ALL": "C.UTF-8"},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
    )
    assert not done.returncode, done.stdout[-4000:] + done.stderr[-4000:]
    return {name: int(number) for name, number in re.findall(r"(\w+)=(\d+)", done.stdout)}


def test_the_second_run_changes_nothing(ansible: Path, tmp_path: Path) -> None:
    config = {
        "server": {"writable": True},
        "pools": [{"name": "seed", "load_balancer": "lb-1"}],
    }
    with daemon(config, tmp_path) as prober:
        first = play(ansible, tmp_path, prober.url, first=True)
        assert (first["changed"], first["failed"]) == (3, 0)
        again = play(ansible, tmp_path, prober.url, first=False)
        assert (again["ok"], again["changed"], again["failed"]) == (2, 0, 0)
        monitors = prober.json("/api/v1/monitors")["monitors"]
    types = {each["name"]: each["type"] for each in monitors}
    assert types["monitor-UDP-CONNECT"] == "UDP_CONNECT"
    assert len(types) == 5
