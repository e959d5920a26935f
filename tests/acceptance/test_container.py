"""The real Dockerfile, built and run: what the image holds, and how its container behaves."""

import json
from pathlib import Path

import pytest

from tests.acceptance.podman import HARDENED, IMAGE, Container, Podman
from tests.running import until

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]

NOT_OF_ROOT = """\
import pathlib
paths = [path.lstat() for path in pathlib.Path("/opt/prober").rglob("*")]
assert len(paths) > 100
print([each for each in paths if each.st_uid])
"""
KEPT = """\
import os
assert os.stat("/var/lib/prober").st_mode & 0o777 == 0o700
assert os.stat("/var/lib/prober/prober.db").st_size
"""
INSTALLED = """\
import json
from importlib.metadata import distributions
found = {each.metadata["Name"]: each.version for each in distributions()}
print(json.dumps({name: found[name] for name in found if name != "prober-healthcheck"}))
"""
PACKAGES = "import os; print(*os.listdir('/var/lib/dpkg/status.d'))"
AT_HAND = """\
import asyncio, ctypes, json, lzma, multiprocessing, sqlite3, ssl, uuid, zoneinfo
assert ssl.create_default_context().cert_store_stats()["x509_ca"] > 50
zoneinfo.ZoneInfo("Europe/Berlin")
"""
NAME = "prober-healthcheck"
LARGEST = 120_000_000
"""Bytes that the image may have, uncompressed."""
ITSELF = {"name": "itself", "type": "TCP", "targets": ["127.0.0.1:7762"], "fast_interval": "100ms"}


def configure(folder: Path, *monitors: object) -> None:
    folder.chmod(0o755)
    (folder / "prober.yaml").write_text(json.dumps({"monitors": monitors}))


@pytest.fixture
def container(podman: Podman, tmp_path: Path) -> Container:
    """A container that probes itself."""
    configure(tmp_path, ITSELF)
    return Container(podman, tmp_path)


def test_the_image_says_what_it_is_and_how_it_is_run(podman: Podman) -> None:
    (image,) = json.loads(podman.ask("image", "inspect", IMAGE))
    config = image["Config"]
    assert config["User"] == "65532:65532"
    assert (config["Entrypoint"], config["Cmd"]) == (["prober"], ["run"])
    assert (config["StopSignal"], list(config["ExposedPorts"])) == ("SIGTERM", ["7762/tcp"])
    assert list(config["Volumes"]) == ["/var/lib/prober"]
    assert image["Healthcheck"]["Test"] == ["CMD", "prober", "health"]
    labels = {name.rpartition(".")[2]: text for name, text in config["Labels"].items()}
    assert (labels["title"], labels["version"]) == ("prober", "9.9")


def test_the_image_is_small(podman: Podman) -> None:
    (image,) = json.loads(podman.ask("image", "inspect", IMAGE))
    assert 30_000_000 < image["Size"] < LARGEST


def test_the_image_says_what_it_contains(container: Container) -> None:
    shown = container.exec("python3", "-c", "print(open('/opt/prober/sbom.cdx.json').read())")
    bill = json.loads(shown.stdout)
    assert (bill["bomFormat"], bill["metadata"]["component"]["name"]) == ("CycloneDX", NAME)
    components = {each["name"]: each["version"] for each in bill["components"]}
    installed = json.loads(container.exec("python3", "-c", INSTALLED).stdout)
    assert components == installed
    assert {"aiohttp", "PyYAML", "bcrypt"} <= components.keys()
    packages = container.exec("python3", "-c", PACKAGES)
    assert {"libc6", "libssl3", "tzdata"} <= set(packages.stdout.split())


def test_certificates_and_time_zones_are_there(container: Container) -> None:
    done = container.exec("python3", "-c", AT_HAND)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_container_without_rights_probes_and_is_healthy(container: Container) -> None:
    until(lambda: container.events("status_changed") != [])
    assert container.events("status_changed")[0]["to"] == "OK"
    assert container.exec("prober", "health").returncode == 0
    assert container.exec("prober", "status").returncode == 0
    assert container.exec("python3", "-c", KEPT).returncode == 0


def test_nothing_is_left_of_what_built_it(container: Container) -> None:
    for left in ("sh", "pip", "cat"):
        assert container.exec(left).returncode == 127, left
    assert container.exec("python3", "-c", "open('/src')").returncode != 0
    assert container.exec("/opt/prober/bin/python", "-m", "pip").returncode != 0
    others = container.exec("/opt/prober/bin/python", "-c", NOT_OF_ROOT)
    assert (others.returncode, others.stdout.strip()) == (0, "[]")


def test_it_reloads_on_a_signal_to_its_first_process(container: Container) -> None:
    configure(container.folder, ITSELF, {**ITSELF, "name": "twice"})
    container.signal("HUP")
    until(lambda: container.events("config_reloaded") != [])
    assert container.events("config_reloaded")[0]["added"] == 1


def test_a_stop_is_clean(container: Container) -> None:
    assert container.stop() == 0
    assert container.events("stopping") != []


def test_without_a_configuration_it_says_where_one_is_looked_for(podman: Podman) -> None:
    done = podman.run("run", "--rm", *HARDENED, IMAGE)
    assert done.returncode == 2
    assert "/etc/prober/prober.yaml" in done.stderr


def test_every_command_is_there(podman: Podman) -> None:
    done = podman.run("run", "--rm", *HARDENED, IMAGE, "probe", "TCP", "127.0.0.1:1")
    assert done.returncode == 2
    assert "CONNECT_FAILED" in done.stdout
