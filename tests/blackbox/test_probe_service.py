"""Probing on demand: when it is off, how long it may take, how much goes on at once."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest
import yaml

from prober.blackbox.http_module import parse_url
from prober.blackbox.probe_service import ProbeService, probe_seconds
from prober.blackbox.query_response import expand
from prober.blackbox.request import ProbeRequest
from prober.blackbox.runner import address_hash, choose
from prober.config.blackbox.modules import Module
from prober.config.blackbox.re2 import RE2
from prober.config.blackbox.reading import Modules
from prober.engine.resolver import Address, literal
from prober.model.option import ReadContext
from tests.blackbox.targets import silent, site
from tests.running import PATIENCE, Daemon, daemon, listener

HTTP = {"prober": "http", "http": {"headers": {"X-Token": "hush"}}}
MODULES = {
    "http_2xx": HTTP,
    "post_file": {"prober": "http", "http": {"method": "POST", "body_file": "body"}},
    "basic": {"prober": "http", "http": {"basic_auth": {"username": "user", "password": "pass"}}},
    "waits": {"prober": "tcp", "tcp": {"query_response": [{"expect": "x"}]}},
    "websocket": {"prober": "websocket"},
}


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Daemon]:
    (tmp_path / "body").write_text("a=1")
    (tmp_path / "modules.yml").write_text(yaml.safe_dump({"modules": MODULES}))
    with daemon({"server": {"blackbox_modules": "modules.yml"}}, tmp_path) as process:
        yield process
        assert process.stop() == 0


@pytest.fixture
def web() -> Iterator[str]:
    with site() as port:
        yield f"127.0.0.1:{port}"


def path(target: str, **more: str) -> str:
    return f"/probe?{urlencode({'target': target, **more})}"


def test_it_is_off_unless_it_is_configured(tmp_path: Path) -> None:
    with daemon({}, tmp_path) as process:
        status, text = process.get(path("127.0.0.1:1"))
        assert (status, "is disabled" in text) == (404, True)
        assert process.stop() == 0


def test_a_reload_turns_it_on_and_off(tmp_path: Path, web: str) -> None:
    (tmp_path / "modules.yml").write_text(yaml.safe_dump({"modules": {"http_2xx": HTTP}}))
    with daemon({}, tmp_path) as process:
        for server, status in (({"blackbox_modules": "modules.yml"}, 200), ({}, 404)):
            (tmp_path / "prober.json").write_text(json.dumps({"server": server}))
            assert process.get("/-/reload", method="POST")[0] == 200
            assert process.get(path(web))[0] == status
        assert process.stop() == 0
        assert not [line for line in process.rest() if line["event"] == "needs_restart"]


def test_a_module_is_left_out_or_refused_with_its_reason(running: Daemon, web: str) -> None:
    status, text = running.get(path(web))
    assert status == 200
    assert "\nprobe_success 1.0\n" in text
    status, text = running.get(path(web, module="websocket"))
    assert status == 400
    assert "modules.yml:" in text
    assert "prober does not support websocket" in text
    assert running.wait_for("module_refused")["module"] == "websocket"


def test_a_body_can_come_from_a_file(running: Daemon, web: str) -> None:
    assert "\nprobe_success 1.0\n" in running.get(path(f"{web}/was-post", module="post_file"))[1]


def test_credentials_are_not_carried_to_another_host(running: Daemon, web: str) -> None:
    port = web.partition(":")[2]
    for host, status in (("127.0.0.1", 200), ("localhost", 401)):
        target = f"{web}/go?to=http://{host}:{port}/basic"
        text = running.get(path(target, module="basic"))[1]
        assert f"\nprobe_http_status_code {status}.0\n" in text


def test_debug_tells_the_log_the_metrics_and_the_module_without_secrets(
    running: Daemon, web: str
) -> None:
    text = running.get(path(f"{web}/missing", debug="true"))[1]
    log, metrics, module = text.split("\n\n\n")
    assert 'msg="Invalid HTTP response status code, wanted 2xx" status_code=404' in log
    assert metrics.startswith("\nMetrics that would have been returned:\n# HELP probe_")
    assert "X-Token: <secret>" in module
    assert "hush" not in text


def test_the_scrapers_time_ends_a_probe(running: Daemon) -> None:
    with listener(serve=silent) as port:
        asked = path(f"127.0.0.1:{port}", module="waits")
        request = Request(running.url + asked)
        request.add_header("X-Prometheus-Scrape-Timeout-Seconds", "0.7")
        with urlopen(request, timeout=PATIENCE) as answer:
            assert "probe_success 0.0" in answer.read().decode()


def test_modules_are_read_again_by_a_reload(running: Daemon, web: str, tmp_path: Path) -> None:
    assert running.get(path(web, module="fresh"))[0] == 400
    (tmp_path / "modules.yml").write_text(yaml.safe_dump({"modules": {"fresh": HTTP}}))
    assert running.get("/-/reload", method="POST")[0] == 200
    assert running.get(path(web, module="fresh"))[0] == 200
    assert running.get(path(web))[0] == 400
    (tmp_path / "modules.yml").write_text("modules: {fresh: {prober: htp}}")
    status, text = running.get("/-/reload", method="POST")
    assert status == 500
    assert "modules.fresh.prober" in json.loads(text)["problems"][0]
    assert running.get(path(web, module="fresh"))[0] == 200


def test_many_at_once_are_all_answered(running: Daemon, web: str) -> None:
    with ThreadPoolExecutor(100) as pool:
        answers = list(pool.map(lambda _: running.get(path(web)), range(200)))
    assert {status for status, _ in answers} == {200}
    assert all("\nprobe_success 1.0\n" in text for _, text in answers)


async def test_beyond_the_slots_a_probe_waits_its_turn_and_no_longer_than_its_time() -> None:
    module = Module(prober="tcp", timeout=0.05)
    unused: Any = None  # an engine that nothing is asked of
    service = ProbeService(unused, lambda: Modules({"m": module}, {}), most=1)
    await service._slots.acquire()
    request = ProbeRequest("127.0.0.1:1", "m", "", debug=False, scrape_timeout=None)
    answer = await service.answer(request)
    assert (answer.status, "too many" in answer.text) == (503, True)
    service.close()


@pytest.mark.parametrize(
    ("header", "timeout", "seconds"),
    [
        (None, None, 119.5),
        (None, 5.0, 5.0),
        ("10", None, 9.5),
        ("10", 5.0, 5.0),
        ("10", 30.0, 9.5),
        ("0.4", 5.0, 5.0),
        ("0", 5.0, 5.0),
    ],
)
def test_a_probe_has_the_smaller_of_both_times(
    header: str | None, timeout: float | None, seconds: float
) -> None:
    assert probe_seconds(header, Module(prober="tcp", timeout=timeout)) == seconds


@pytest.mark.parametrize("header", ["soon", "nan", "inf", "-inf"])
def test_a_time_that_is_no_number_is_refused(header: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        probe_seconds(header, Module(prober="tcp"))


def test_the_preferred_family_is_chosen_and_the_other_only_if_allowed() -> None:
    four, six = literal("192.0.2.1"), literal("2001:db8::1")
    both: tuple[Address, ...] = four + six
    assert choose(both, "ip4", fallback=True) == "192.0.2.1"
    assert choose(both, "ip6", fallback=False) == "2001:db8::1"
    assert choose(four, "ip6", fallback=True) == "192.0.2.1"
    assert choose(four, "ip6", fallback=False) is None
    assert choose((), "ip6", fallback=True) is None


def test_the_hash_of_an_address_is_fnv() -> None:
    assert address_hash("127.0.0.1") == 3668918509


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("EHLO $1", "EHLO one"),
        ("${1}x $1x", "onex "),
        ("$name ${name}", "one one"),
        ("$2 $9 $nix", "  "),
        ("$$1 $ $-", "$1 $ $-"),
    ],
)
def test_groups_of_a_match_are_put_where_they_are_named(template: str, text: str) -> None:
    found = RE2.read("(?P<name>one)(two)?", ReadContext("", str, {})).compiled().search("a one")
    assert expand(template, found) == text


@pytest.mark.parametrize(
    ("url", "host", "port", "path"),
    [
        ("http://a.example", "a.example", 80, "/"),
        ("https://a.example/x y?q=ü#part", "a.example", 443, "/x%20y?q=%C3%BC"),
        ("http://[::1]:8080/%2F", "::1", 8080, "/%2F"),
        ("http://bücher.example/", "xn--bcher-kva.example", 80, "/"),
    ],
)
def test_a_url_is_read_as_go_reads_it(url: str, host: str, port: int, path: str) -> None:
    place = parse_url(url)
    assert (place.host, place.port, place.path) == (host, port, path)


@pytest.mark.parametrize(
    "url", ["ftp://a/", "http://", "http://a b/", "http://a:99999/", "http://[a"]
)
def test_a_url_that_leads_nowhere_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_url(url)
