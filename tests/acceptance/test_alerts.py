"""A prober that does not answer for a while, with a real Prometheus and a real Alertmanager."""

import json
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
import yaml

from tests import ROOT
from tests.outputs.serving import Receiver, receiving
from tests.outputs.test_real_balancers import eventually
from tests.ports import free_port
from tests.running import PATIENCE, daemon, listener, program

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]

STOPPED = 20
"""Scrapes that fail while prober is stopped, a second apart."""
HELD = 60.0
"""Seconds for which the rules hold on to what they saw."""


class Alerting:
    """Prometheus with the shipped rules, Alertmanager, and who is told in the end."""

    def __init__(self, prometheus: str, told: Receiver) -> None:
        self._prometheus = prometheus
        self._told = told

    def query(self, expression: str) -> list[Any]:
        address = f"{self._prometheus}/api/v1/query?{urlencode({'query': expression})}"
        with urlopen(address, timeout=PATIENCE) as answer:
            found: list[Any] = json.load(answer)["data"]["result"]
        return found

    def failed_scrapes(self) -> float:
        found = self.query('sum_over_time((up{job="prober"} == bool 0)[5m:1s])')
        return float(found[0]["value"][1]) if found else 0.0

    def is_scraped(self) -> bool:
        return bool(self.query('up{job="prober"} == 1'))

    def told(self, status: str) -> set[str]:
        """Return the backends about which an alert of this status was sent."""
        return {
            alert["labels"]["target"]
            for body in self._told.taken
            for alert in body["alerts"]
            if alert["status"] == status and alert["labels"]["alertname"] == "BackendDown"
        }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("prometheus", "prometheus-alertmanager"):
        if shutil.which(name) is None:
            pytest.skip(f"{name} is not installed")
    return tmp_path


def configure(folder: Path, prober: str, alertmanager: str, told: str) -> None:
    """Write the shipped configuration, pointed at these addresses, and Alertmanager's."""
    config = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    (job,) = config["scrape_configs"]
    job["static_configs"] = [{"targets": [prober]}]
    config["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    shutil.copy(ROOT / "deploy/prometheus/rules.yml", folder / "rules.yml")
    waits = {"group_wait": "100ms", "group_interval": "1s", "repeat_interval": "1h"}
    route = {"receiver": "hook", "group_by": ["..."], **waits}
    receivers = [{"name": "hook", "webhook_configs": [{"url": told}]}]
    alerting = {"route": route, "receivers": receivers}
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(alerting))


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as found:
        yield found


def test_failed_scrapes_resolve_no_alert_and_a_recovery_does(
    folder: Path, stack: ExitStack
) -> None:
    port = free_port()
    down = f"127.0.0.1:{port}"
    config = {
        "monitors": [
            {
                "name": "web",
                "type": "TCP",
                "targets": [down],
                "interval": "500ms",
                "rise": 1,
                "fall": 1,
            }
        ]
    }
    prober = stack.enter_context(daemon(config, folder))
    told = stack.enter_context(receiving())
    ports = free_port(), free_port()
    prometheus, alertmanager = (f"127.0.0.1:{each}" for each in ports)
    configure(folder, prober.url.removeprefix("http://"), alertmanager, told.url)
    options = [f"--storage.path={folder}/am", "--cluster.listen-address="]
    options += [f"--config.file={folder}/alertmanager.yml"]
    address = f"--web.listen-address={alertmanager}"
    stack.enter_context(program("prometheus-alertmanager", *options, address, port=ports[1]))
    options = [f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    address = f"--web.listen-address={prometheus}"
    stack.enter_context(program("prometheus", *options, address, port=ports[0]))
    alerting = Alerting(f"http://{prometheus}", told)
    eventually(lambda: down in alerting.told("firing"), "an alert about the backend")

    began = time.monotonic()
    prober.process.send_signal(signal.SIGSTOP)
    try:
        eventually(lambda: alerting.failed_scrapes() >= STOPPED, f"{STOPPED} scrapes fail")
    finally:
        prober.process.send_signal(signal.SIGCONT)
    eventually(alerting.is_scraped, "prober is scraped again")
    if time.monotonic() - began >= HELD:
        pytest.skip(f"this machine is too slow for {STOPPED} scrapes within {HELD:g} s")
    assert alerting.told("resolved") == set()

    stack.enter_context(listener(port))
    eventually(lambda: alerting.told("resolved") == {down}, "the recovery")
