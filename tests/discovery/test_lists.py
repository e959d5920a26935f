"""Lists of targets from elsewhere: followed, kept on error, remembered over a restart."""

import asyncio
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme
from structlog.testing import capture_logs

from prober.config.changes import Changes
from prober.config.configuration import Config
from prober.config.settings import Server
from prober.config.shrink import ShrinkGuard
from prober.daemon.loading import Reading
from prober.daemon.reload import Reloader
from prober.discovery.fetch import LIST_LIMIT, ListUnusable, read_list
from prober.discovery.known import SAVED, Listed, parse, restore, save
from prober.discovery.lists import TargetLists
from prober.model.file_kinds import Secret
from prober.model.monitor import Model, Monitor, TargetList
from prober.model.pool import Pool
from prober.probes.tcp import TcpProbe
from prober.state.vitals import Vitals
from tests.running import PATIENCE, Daemon, daemon, prober

JSON = {"Content-Type": "application/json; charset=utf-8"}


def groups(*targets: str, **labels: str) -> str:
    """Return the text of a list of one group."""
    return json.dumps([{"targets": targets, "labels": labels}])


class ListServer:
    """Serves one list; what it answers can be changed at any time."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.status, self.headers, self.body = 200, JSON, groups()
        self.asked: list[dict[str, str]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append({name.lower(): value for name, value in self.headers.items()})
                self.send_response(outer.status)
                for name, value in outer.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(outer.body.encode("latin-1"))

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self._server.server_port}/sd"
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @contextmanager
    def running(self) -> Iterator["ListServer"]:
        self._thread.start()
        try:
            yield self
        finally:
            self.stop()

    def stop(self) -> None:
        """Be away from now on."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join(PATIENCE)
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[ListServer]:
    with ListServer().running() as running:
        yield running


# Reading one list


async def test_a_url_is_asked_as_prometheus_asks_and_with_its_token(server: ListServer) -> None:
    server.body = groups("10.0.0.1:80", "[2001:db8::7]:80", rack="r1", __meta_x="y")
    token = Secret("abc", masked=True)
    found = await read_list(TargetList(url=server.url, interval=30, token=token))
    assert [(each.key, dict(each.labels)) for each in found.backends] == [
        ("10.0.0.1:80", {"rack": "r1"}),
        ("[2001:db8::7]:80", {"rack": "r1"}),
    ]
    (headers,) = server.asked
    assert headers["authorization"] == "Bearer abc"
    assert headers["x-prometheus-refresh-interval-seconds"] == "30"
    assert headers["accept"] == "application/json"


async def test_a_list_server_over_https_needs_a_trusted_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, tls = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with ListServer(tls).running() as server:
        server.body = groups("10.0.0.1:80")
        with pytest.raises(ListUnusable, match="certificate verify failed"):
            await read_list(TargetList(url=server.url))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        found = await read_list(TargetList(url=server.url))
        with ListServer().running() as other:
            other.status, other.headers = 302, {"Location": server.url}
            led_there = await read_list(TargetList(url=other.url))
    assert [each.key for each in found.backends] == ["10.0.0.1:80"]
    assert led_there == found


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ({"status": 500}, "expected status 200, got 500"),
        ({"status": 202}, "expected status 200, got 202"),
        ({"headers": {"Content-Type": "text/html"}}, "expected application/json, got text/html"),
        ({"body": "[{]"}, ":1: "),
        ({"body": '{"targets": []}'}, "expected a list.*, got a mapping"),
        ({"body": groups(*["nowhere:"] * 5)}, "expected host:port.*; 2 more"),
        ({"body": "[\xff]"}, "not UTF-8"),
        ({"body": " " * (LIST_LIMIT + 1)}, "longer than"),
    ],
)
async def test_an_answer_that_is_no_list_is_refused(
    server: ListServer, answer: dict[str, object], problem: str
) -> None:
    for name, value in answer.items():
        setattr(server, name, value)
    with pytest.raises(ListUnusable, match=problem):
        await read_list(TargetList(url=server.url))


async def test_a_server_that_is_away_is_a_trouble_with_its_reason(server: ListServer) -> None:
    server.stop()
    with pytest.raises(ListUnusable, match=f"cannot fetch {server.url}: .*[Cc]onnect"):
        await read_list(TargetList(url=server.url))


async def test_a_file_that_is_away_or_no_text_is_a_trouble(tmp_path: Path) -> None:
    wanted = TargetList(file=str(tmp_path / "t.json"))
    with pytest.raises(ListUnusable, match="No such file"):
        await read_list(wanted)
    (tmp_path / "t.json").write_bytes(b"\xff\xfe")
    with pytest.raises(ListUnusable, match="not UTF-8 text"):
        await read_list(wanted)


# What is kept for the next start


def test_lists_are_kept_by_file_or_url(tmp_path: Path) -> None:
    url, other, file = (
        TargetList(url="http://a/"),
        TargetList(url="http://b/"),
        TargetList(file="/x"),
    )
    listed = {
        url: parse(groups("10.0.0.1:80", "10.0.0.2:80", rack="r1"), ""),
        file: parse(groups("10.9.9.9:1"), ""),
    }
    save(str(tmp_path), listed, {})
    assert (tmp_path / SAVED).stat().st_mode & 0o777 == 0o600
    slower = TargetList(url="http://a/", interval=300.0)
    found = restore(str(tmp_path), {slower: ["m"], other: ["n"], file: ["o"]})
    kept = {each: found.backends for each, found in found.items()}
    assert kept == {slower: listed[url].backends, file: listed[file].backends}


def test_a_url_that_is_read_with_two_tokens_is_kept_twice(tmp_path: Path) -> None:
    one, two = (TargetList(url="http://a/", token=Secret(t, masked=True)) for t in ("x", "y"))
    listed = {one: parse(groups("10.0.0.1:80"), ""), two: parse(groups("10.0.0.2:80"), "")}
    save(str(tmp_path), listed, {one: ["m"], two: ["n"]})
    found = restore(str(tmp_path), {one: ["m"], two: ["n"]})
    assert {each: kept.backends for each, kept in found.items()} == {
        each: kept.backends for each, kept in listed.items()
    }


@pytest.mark.parametrize("text", ["", "[1]", '{"http://a/": 1}', '{"http://a/": [{}]}', "\xff"])
def test_what_was_saved_and_spoilt_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / SAVED).write_text(text, encoding="latin-1")
    with pytest.raises(ValueError, match=r"."):
        restore(str(tmp_path), {TargetList(url="http://a/"): ["m"]})


# What is offered to what runs


class Running:
    """Something that runs with a configuration, and a discovery whose lists a test writes."""

    def __init__(self, *wanted: TargetList, state_dir: str | None = None) -> None:
        monitors = tuple(
            Monitor(name=f"m{i}", type="TCP", targets_from=each, probe=TcpProbe())
            for i, each in enumerate(wanted)
        )
        pools = tuple(Pool(name=each.name) for each in monitors)
        self.vitals = Vitals(name="", version="", started_at=0.0)
        self.events: list[tuple[str, str]] = []
        self.answers: dict[TargetList, str | None] = dict.fromkeys(wanted)
        self.asked, self.applied = asyncio.Event(), asyncio.Event()
        self.discovery = TargetLists(
            vitals=self.vitals,
            note=lambda kind, cause: self.events.append((kind, cause)),
            state_dir=state_dir,
            read=self._answer,
            retry=0.001,
        )
        unread = frozenset(each.file for each in wanted if each.file)
        config = Config(Server(), Model(monitors, pools), ("x",), "files", unread_lists=unread)
        self.config = self.discovery.begin(config)
        self.reloader = Reloader(
            self,
            read=self._read_again,
            guard=ShrinkGuard(allow=False),
            note=lambda kind, cause: self.events.append((kind, cause)),
            lists=self.discovery,
            quiet=0.0,
        )
        self._on_disk = config

    async def _answer(self, wanted: TargetList) -> Listed:
        self.asked.set()
        text = self.answers[wanted]
        if text is None:
            raise ListUnusable("away")
        return parse(text, "list")

    async def _read_again(self) -> Reading:
        return Reading(self._on_disk)

    async def apply(self, config: Config, _: Changes) -> None:
        self.config = config
        self.applied.set()

    @property
    def checks(self) -> list[str]:
        return [f"{check.key[0]} {check.key[1]}" for check in self.config.model.checks()]

    def add(self, wanted: TargetList) -> None:
        """Let another monitor stand in the files, with this list."""
        model = self._on_disk.model
        monitor = Monitor(
            name=f"m{len(model.monitors)}", type="TCP", targets_from=wanted, probe=TcpProbe()
        )
        self._on_disk = replace(
            self._on_disk,
            model=Model((*model.monitors, monitor), (*model.pools, Pool(name=monitor.name))),
        )

    def rename(self, *wanted: TargetList) -> None:
        """Let the monitors follow these lists instead; files of lists are not there."""
        pairs = zip(self._on_disk.model.monitors, wanted, strict=True)
        monitors = tuple(replace(each, targets_from=listed) for each, listed in pairs)
        model = replace(self._on_disk.model, monitors=monitors)
        unread = frozenset(each.file for each in wanted if each.file)
        self._on_disk = replace(self._on_disk, model=model, unread_lists=unread)

    async def refresh(self, wanted: TargetList) -> None:
        """Let the discovery read one list now."""
        if self.discovery._reviser is None:
            self.discovery._reviser = self.reloader
        await self.discovery._refresh(wanted)


URL = TargetList(url="http://sd.example/")
OTHER = TargetList(url="http://other.example/")


async def test_a_list_that_changes_changes_its_own_checks_and_no_others() -> None:
    running = Running(URL, OTHER)
    running.answers = {URL: groups("10.0.0.1:80", "10.0.0.2:80"), OTHER: groups("10.0.0.9:80")}
    await running.refresh(URL)
    await running.refresh(OTHER)
    assert running.checks == ["m0 10.0.0.1:80", "m0 10.0.0.2:80", "m1 10.0.0.9:80"]
    running.answers[URL] = groups("10.0.0.2:80", "10.0.0.3:80")
    await running.refresh(URL)
    assert running.checks == ["m0 10.0.0.2:80", "m0 10.0.0.3:80", "m1 10.0.0.9:80"]
    assert running.events[-1] == ("reload", "targets of m0: 1 check added, 1 removed, 0 changed")
    assert all(health.ok for health in running.vitals.target_lists.values())


async def test_a_list_that_cannot_be_read_is_kept_and_said_once() -> None:
    running = Running(URL)
    running.answers[URL] = groups("10.0.0.1:80")
    await running.refresh(URL)
    running.answers[URL] = None
    with capture_logs() as logged:
        await running.refresh(URL)
        await running.refresh(URL)
    assert running.checks == ["m0 10.0.0.1:80"]
    assert [line["event"] for line in logged] == ["target_list_kept"]
    assert running.events[-1] == ("reload_rejected", "targets of m0 are kept: away")
    health = running.vitals.target_lists["m0"]
    assert (health.ok, health.read_at is not None) == (False, True)
    running.answers[URL] = groups("10.0.0.1:80")
    with capture_logs() as logged:
        await running.refresh(URL)
    assert [line["event"] for line in logged] == ["target_list_works_again"]
    assert running.vitals.target_lists["m0"].ok


async def test_a_list_without_the_ports_that_its_monitor_needs_is_kept() -> None:
    running = Running(URL)
    running.answers[URL] = groups("10.0.0.1:80")
    await running.refresh(URL)
    running.answers[URL] = groups("10.0.0.1:80", "10.0.0.2")
    await running.refresh(URL)
    assert running.checks == ["m0 10.0.0.1:80"]
    why = "targets of m0 are kept: backend '10.0.0.2' has no port, which TCP monitors need"
    assert running.events[-1] == ("reload_rejected", why)


async def test_a_list_that_drops_most_checks_is_refused_until_somebody_asks_twice() -> None:
    running = Running(URL)
    running.answers[URL] = groups(*(f"10.0.0.{i}:80" for i in range(1, 5)))
    await running.refresh(URL)
    running.answers[URL] = groups("10.0.0.1:80")
    await running.refresh(URL)
    await running.refresh(URL)
    assert len(running.checks) == 4
    assert not running.vitals.target_lists["m0"].ok
    rejected = [cause for kind, cause in running.events if kind == "reload_rejected"]
    assert len(rejected) == 1
    assert rejected[0].startswith("targets of m0 are kept: this would drop 3 of 4 checks; ")
    assert await running.reloader.reload() == []
    assert len(running.checks) == 4
    assert await running.reloader.reload() == []
    assert running.checks == ["m0 10.0.0.1:80"]
    await running.refresh(URL)
    assert running.vitals.target_lists["m0"].ok
    await running.reloader.close()


async def test_a_list_that_is_refused_holds_up_neither_the_file_nor_other_lists() -> None:
    running = Running(URL, OTHER)
    running.answers = {each: groups(*(f"10.0.0.{i}:80" for i in range(6))) for each in (URL, OTHER)}
    await running.refresh(URL)
    await running.refresh(OTHER)
    running.answers[URL] = groups("10.0.0.1:80")
    await running.refresh(URL)
    added = TargetList(url="http://third.example/")
    running.add(added)
    running.answers[added] = groups("10.0.0.9:80")
    running.reloader.ask()
    assert running.reloader._worker
    await running.reloader._worker
    assert len(running.checks) == 13
    assert running.checks[-1] == "m2 10.0.0.9:80"
    running.answers[OTHER] = groups(*(f"10.0.0.{i}:80" for i in range(3)))
    await running.refresh(OTHER)
    assert len(running.checks) == 10
    assert await running.reloader.reload() == []
    assert running.checks == [
        "m0 10.0.0.1:80",
        *(f"m1 10.0.0.{i}:80" for i in range(3)),
        "m2 10.0.0.9:80",
    ]
    await running.discovery.close()
    await running.reloader.close()


async def test_a_list_whose_targets_move_is_changed_and_not_cut() -> None:
    running = Running(URL)
    running.answers[URL] = groups(*(f"10.0.0.{i}:80" for i in range(6)))
    await running.refresh(URL)
    running.answers[URL] = groups(*(f"10.0.1.{i}:80" for i in range(6)))
    await running.refresh(URL)
    assert running.checks == [f"m0 10.0.1.{i}:80" for i in range(6)]


OTHERS_OF_THE_SAME = [
    TargetList(url="http://sd.example/", interval=300.0),
    TargetList(url="http://sd.example/", token=Secret("new", masked=True)),
    OTHER,
    TargetList(file="/nowhere/list.json"),
]


@pytest.mark.parametrize("wanted", OTHERS_OF_THE_SAME, ids=["interval", "token", "url", "file"])
async def test_what_is_known_of_a_list_is_kept_until_it_is_read_as_it_is_configured_now(
    wanted: TargetList, tmp_path: Path
) -> None:
    running = Running(URL, state_dir=str(tmp_path))
    running.answers[URL] = groups("10.0.0.1:80", "10.0.0.2:80")
    await running.refresh(URL)
    running.answers[wanted] = None
    running.rename(wanted)
    for _ in range(3):
        assert await running.reloader.reload() == []
        assert running.checks == ["m0 10.0.0.1:80", "m0 10.0.0.2:80"]
        await running.refresh(wanted)
        assert running.checks == ["m0 10.0.0.1:80", "m0 10.0.0.2:80"]
    await running.discovery._save()
    restarted = Running(wanted, state_dir=str(tmp_path))
    assert restarted.checks == ["m0 10.0.0.1:80", "m0 10.0.0.2:80"]
    running.answers[wanted] = groups("10.0.0.3:80")
    await running.refresh(wanted)
    assert running.checks == ["m0 10.0.0.3:80"]
    await running.discovery.close()
    await running.reloader.close()


async def test_two_tokens_of_one_url_have_a_list_each() -> None:
    one, two, three = (
        TargetList(url=URL.url, token=Secret(each, masked=True)) for each in ("1", "2", "3")
    )
    running = Running(one, two)
    running.answers = {one: groups("10.0.0.1:80"), two: groups("10.0.0.2:80"), three: None}
    await running.refresh(one)
    await running.refresh(two)
    running.rename(three, two)
    assert await running.reloader.reload() == []
    assert running.checks == ["m0 10.0.0.1:80", "m1 10.0.0.2:80"]
    await running.discovery.close()
    await running.reloader.close()


async def test_a_reload_keeps_what_lists_said_and_asks_for_new_ones_first() -> None:
    running = Running(URL, OTHER)
    running.answers = {URL: groups("10.0.0.1:80"), OTHER: groups("10.0.0.9:80")}
    await running.refresh(URL)
    running.answers[URL] = None
    assert await running.reloader.reload() == []
    assert running.checks == ["m0 10.0.0.1:80", "m1 10.0.0.9:80"]
    await running.reloader.close()


async def test_a_list_with_other_settings_is_kept_until_it_is_read_anew() -> None:
    running = Running(URL)
    running.answers[URL] = groups("10.0.0.1:80")
    await running.refresh(URL)
    slower = TargetList(url=URL.url, interval=300.0)
    running.answers[slower] = None
    running.rename(slower)
    assert await running.reloader.reload() == []
    assert running.checks == ["m0 10.0.0.1:80"]
    await running.refresh(slower)
    assert running.checks == ["m0 10.0.0.1:80"]
    running.answers[slower] = groups("10.0.0.1:80", "10.0.0.2:80")
    await running.refresh(slower)
    assert running.checks == ["m0 10.0.0.1:80", "m0 10.0.0.2:80"]
    await running.reloader.close()


async def test_a_new_list_that_cannot_be_read_leaves_the_others_alone() -> None:
    running = Running(URL)
    running.answers = {URL: groups("10.0.0.1:80"), OTHER: None}
    await running.refresh(URL)
    running.add(OTHER)
    assert await running.reloader.reload() == []
    assert running.checks == ["m0 10.0.0.1:80"]
    await running.refresh(OTHER)
    assert not running.vitals.target_lists["m1"].ok
    assert running.vitals.target_lists["m0"].ok
    await running.discovery.close()
    await running.reloader.close()


async def test_the_last_list_is_there_when_its_server_is_not(tmp_path: Path) -> None:
    first = Running(URL, state_dir=str(tmp_path))
    first.answers[URL] = groups("10.0.0.1:80", rack="r1")
    await first.refresh(URL)
    second = Running(URL, state_dir=str(tmp_path))
    assert second.checks == ["m0 10.0.0.1:80"]
    await second.refresh(URL)
    assert second.checks == ["m0 10.0.0.1:80"]


async def test_what_was_saved_and_spoilt_does_not_stop_a_start(tmp_path: Path) -> None:
    (tmp_path / SAVED).write_text("{")
    with capture_logs() as logged:
        running = Running(URL, state_dir=str(tmp_path))
    assert running.checks == []
    assert [line["event"] for line in logged] == ["state_error", "target_list_not_read_yet"]
    assert running.vitals.state_errors["target_lists"] == 1


async def test_a_url_that_never_gave_a_list_is_asked_again_soon() -> None:
    running = Running(URL)
    running.discovery.start(running.reloader)
    async with asyncio.timeout(PATIENCE):
        await running.asked.wait()
        running.answers[URL] = groups("10.0.0.1:80")
        await running.applied.wait()
    assert running.checks == ["m0 10.0.0.1:80"]
    await running.discovery.close()


# The daemon


def wait_for_checks(running: Daemon, *keys: str) -> None:
    """Wait until the daemon has exactly these checks."""
    waited = threading.Event()
    for _ in range(int(PATIENCE / 0.05)):
        found = [each["backend"] for each in running.json("/api/v1/checks")["checks"]]
        if found == sorted(keys):
            return
        waited.wait(0.05)
    raise AssertionError(f"expected {keys}, got {found}")


def test_a_daemon_follows_a_file_without_a_reload(tmp_path: Path) -> None:
    listed = tmp_path / "t.json"
    listed.write_text(groups("127.0.0.1:1", "127.0.0.1:2"))
    config = {"monitors": [{"name": "m", "type": "TCP", "targets_from": {"file": "t.json"}}]}
    with daemon(config, tmp_path) as running:
        wait_for_checks(running, "127.0.0.1:1", "127.0.0.1:2")
        listed.write_text(groups("127.0.0.1:2", "127.0.0.1:3", rack="r1"))
        running.wait_for("config_revised", cause="targets of m", added=1, removed=1, changed=1)
        wait_for_checks(running, "127.0.0.1:2", "127.0.0.1:3")
        listed.write_text("[{")
        running.wait_for("target_list_kept", monitors=["m"])
        assert 'last_refresh_successful{monitor="m"} 0.0' in running.get("/metrics")[1]
        wait_for_checks(running, "127.0.0.1:2", "127.0.0.1:3")
        assert running.stop() == 0


def test_a_daemon_follows_a_url_and_starts_again_without_it(
    tmp_path: Path, server: ListServer
) -> None:
    server.body = groups("127.0.0.1:1", "127.0.0.1:2")
    source = {"url": server.url, "interval": "1s"}
    config = {
        "server": {"state_dir": str(tmp_path / "state")},
        "monitors": [{"name": "m", "type": "TCP", "targets_from": source}],
    }
    with daemon(config, tmp_path) as running:
        assert "target_list_not_read_yet" in [line["event"] for line in running.lines]
        wait_for_checks(running, "127.0.0.1:1", "127.0.0.1:2")
        server.body = groups("127.0.0.1:2", "127.0.0.1:3")
        wait_for_checks(running, "127.0.0.1:2", "127.0.0.1:3")
        plan = prober("plan", "--config", str(tmp_path / "prober.json"), "--url", running.url)
        assert plan.returncode == 0, plan.stdout
        assert running.stop() == 0
    server.stop()
    with daemon(config, tmp_path) as running:
        restored = [line for line in running.lines if line["event"] == "target_list_restored"]
        assert [line["targets"] for line in restored] == [2]
        running.wait_for("target_list_kept", monitors=["m"])
        wait_for_checks(running, "127.0.0.1:2", "127.0.0.1:3")
        assert running.stop() == 0


def test_one_probe_of_a_monitor_whose_targets_are_elsewhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("monitors: [{name: m, type: TCP, targets_from: {url: 'http://127.0.0.1:1/'}}]")
    done = prober("probe", "--monitor", "m", "--config", str(path))
    assert (done.returncode, "monitor 'm' has no targets in its file" in done.stderr) == (2, True)
    assert prober("check", "--config", str(path)).stdout.startswith(str(path))
