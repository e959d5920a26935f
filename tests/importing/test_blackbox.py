"""blackbox_exporter beside what prober imports of it: the modules of its package, and more."""

import json
import shutil
import ssl
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest
import trustme
import yaml

from prober.importing.draft import Fate
from prober.importing.formats import import_from
from prober.importing.writer import keep_the_valid, written
from tests.blackbox.targets import silent, site
from tests.ports import free_port
from tests.running import PATIENCE, Daemon, daemon, listener, program

EXPORTER = shutil.which("prometheus-blackbox-exporter") or shutil.which("blackbox_exporter")
EXAMPLES = Path("/etc/prometheus/blackbox.yml")
MORE = """
  body: {prober: http, http: {fail_if_body_not_matches_regexp: ["^hello"]}}
  no_body: {prober: http, http: {fail_if_body_matches_regexp: ["hello"]}}
  not_found: {prober: http, http: {valid_status_codes: [404]}}
  stays: {prober: http, http: {follow_redirects: false}}
  blind: {prober: http, http: {fail_if_not_ssl: true, tls_config: {insecure_skip_verify: true}}}
  tls: {prober: tcp, tcp: {tls: true, tls_config: {insecure_skip_verify: true}}}
  strict: {prober: tcp, tcp: {tls: true}}
  host: {prober: http, http: {headers: {Host: shop.example}}}
"""
JOBS = [
    *(("http_2xx", f"http://{{http}}/{path}") for path in ("ok", "missing", "redirect", "empty")),
    ("http_2xx", "http://{closed}/"),
    ("http_2xx", "https://{https}/ok"),
    *(("http_post_2xx", f"http://{{http}}/{path}") for path in ("ok", "broken")),
    ("tcp_connect", "{http}"),
    ("tcp_connect", "{closed}"),
    ("grpc_plain", "{silent}"),
    ("ssh_banner", "{ssh}"),
    ("ssh_banner", "{silent}"),
    ("body", "http://{http}/ok"),
    ("body", "http://{http}/missing"),
    ("no_body", "http://{http}/ok"),
    ("not_found", "http://{http}/missing"),
    ("stays", "http://{http}/redirect"),
    ("blind", "https://{https}/ok"),
    ("tls", "{https}"),
    ("tls", "{ssh}"),
    ("strict", "{https}"),
    ("host", "http://{http}/host"),
]
"""Modules and their targets; each is a scrape job."""
RELABELLING = [
    {"source_labels": ["__address__"], "target_label": "__param_target"},
    {"source_labels": ["__param_target"], "target_label": "instance"},
    {"target_label": "__address__", "replacement": "127.0.0.1:9115"},
]


def scrape_jobs(places: dict[str, str]) -> str:
    """Return a configuration of Prometheus with a job for each module and target."""
    jobs = [
        {
            "job_name": f"{number}",
            "metrics_path": "/probe",
            "scrape_interval": "500ms",
            "scrape_timeout": "500ms" if "silent" in target else "30s",
            "params": {"module": [module]},
            "static_configs": [{"targets": [target.format(**places)]}],
            "relabel_configs": RELABELLING,
        }
        for number, (module, target) in enumerate(JOBS)
    ]
    return str(yaml.safe_dump({"scrape_configs": jobs}))


def says_ssh(connection: Any) -> None:
    connection.sendall(b"SSH-2.0-Test\r\n")
    connection.recv(100)


def verdict_of(url: str, module: str, target: str, *, is_silent: bool) -> bool:
    """Return what blackbox_exporter says of a target."""
    asked = urlencode({"module": module, "target": target})
    request = Request(f"{url}/probe?{asked}")
    if is_silent:
        request.add_header("X-Prometheus-Scrape-Timeout-Seconds", "1")
    with urlopen(request, timeout=PATIENCE) as answer:
        return "\nprobe_success 1\n" in answer.read().decode()


def statuses(running: Daemon) -> dict[str, str]:
    """Return the status of each monitor, once all are decided."""
    waited = threading.Event()
    for _ in range(int(PATIENCE / 0.1)):
        checks = json.loads(running.get("/api/v1/checks?limit=100")[1])["checks"]
        found = {check["monitor"]: check["status"] for check in checks}
        if {"OK", "CRITICAL"} >= set(found.values()):
            return found
        waited.wait(0.1)
    raise AssertionError(f"still undecided: {found}")


@pytest.mark.skipif(EXPORTER is None, reason="prometheus-blackbox-exporter is not installed")
@pytest.mark.skipif(not EXAMPLES.exists(), reason=f"{EXAMPLES} is not there")
def test_blackbox_exporter_and_prober_agree_on_the_same_targets(tmp_path: Path) -> None:
    """A target of which the exporter says probe_success 1 is OK, others are CRITICAL."""
    leaf = trustme.CA().issue_cert("127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(context)
    modules = EXAMPLES.read_text().rstrip("\n") + MORE
    (tmp_path / "modules.yml").write_text(modules)
    with ExitStack() as stack:
        found = {
            "http": stack.enter_context(site()),
            "https": stack.enter_context(site(context)),
            "ssh": stack.enter_context(listener(serve=says_ssh)),
            "silent": stack.enter_context(listener(serve=silent)),
            "closed": free_port(),
        }
        places = {name: f"127.0.0.1:{port}" for name, port in found.items()}
        prometheus = scrape_jobs(places)
        sources = [("modules.yml", modules), ("prometheus.yml", prometheus)]
        draft = import_from("blackbox", sources)
        keep_the_valid(draft, lambda path: Path(path).read_text())
        ours = yaml.safe_load(written(draft, version="1", sources=[]))
        unused = [note.text for note in draft.notes if note.fate is Fate.LEFT_OUT]
        assert [text for text in unused if "no job uses it" not in text] == []
        port = free_port()
        address = f"127.0.0.1:{port}"
        assert EXPORTER is not None
        command = [EXPORTER, "--config.file", str(tmp_path / "modules.yml")]
        stack.enter_context(program(*command, "--web.listen-address", address, port=port))
        theirs = {
            str(number): verdict_of(
                f"http://{address}",
                module,
                target.format(**places),
                is_silent=target == "{silent}",
            )
            for number, (module, target) in enumerate(JOBS)
        }
        running = stack.enter_context(daemon(ours, tmp_path))
        said = statuses(running)
    expected = {name: "OK" if good else "CRITICAL" for name, good in theirs.items()}
    named = {name: f"{JOBS[int(name)]}: {status}" for name, status in expected.items()}
    assert {name: f"{JOBS[int(name)]}: {status}" for name, status in said.items()} == named
    assert set(expected.values()) == {"OK", "CRITICAL"}
