"""Reloading: one at a time, and all or nothing."""

import asyncio
import json
import signal
import time
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

from structlog.testing import capture_logs

from prober.config.changes import Changes
from prober.config.configuration import Config
from prober.config.settings import DAY, Server
from prober.config.shrink import SHRINK_WINDOW, ShrinkGuard
from prober.daemon.loading import Reading
from prober.daemon.reload import Reloader
from prober.model.monitor import Model
from prober.model.probe import Target
from prober.model.reach import TargetRules
from prober.state.vitals import Vitals
from tests.config.changing_files import Files
from tests.ports import free_port
from tests.running import daemon
from tests.simulation import model_of

NOW = 1000.0


class FakeProber:
    """Stands in for what probes."""

    def __init__(self, model: Model) -> None:
        self.config = Config(Server(), model, (), "first")
        self.vitals = Vitals(name="v", version="0", started_at=0.0, config_loaded_at=1.0)
        self.applied: list[Changes] = []

    async def apply(self, config: Config, difference: Changes) -> None:
        """Remember."""
        self.config = config
        self.applied.append(difference)


class Reads:
    """Stands in for the reading: gives what it was told to, when it is let."""

    def __init__(self, *readings: Reading) -> None:
        self.readings = list(readings)
        self.begun = 0
        self.has_begun = asyncio.Event()
        self.let = asyncio.Event()
        self.let.set()

    async def __call__(self) -> Reading:
        """Give the next reading, the last one again and again."""
        self.begun += 1
        self.has_begun.set()
        await self.let.wait()
        return self.readings[min(self.begun, len(self.readings)) - 1]


def config_of(*addresses: str, digest: str = "next") -> Reading:
    return Reading(Config(Server(), model_of(*addresses), (), digest))


def reloader_of(
    fake: FakeProber,
    reads: Reads | None,
    notes: list[tuple[str, str]] | None = None,
    quiet: float = 0.0,
) -> Reloader:
    kept: list[tuple[str, str]] = [] if notes is None else notes
    return Reloader(
        fake,
        read=reads,
        guard=ShrinkGuard(allow=False),
        note=lambda kind, cause: kept.append((kind, cause)),
        quiet=quiet,
    )


async def test_a_reload_says_what_it_did() -> None:
    fake, notes = FakeProber(model_of("a", "b")), list[tuple[str, str]]()
    reloader = reloader_of(fake, Reads(config_of("b", "c")), notes)
    with capture_logs() as lines:
        assert await reloader.reload() == []
    assert lines == [
        {
            "event": "config_reloaded",
            "log_level": "info",
            "added": 1,
            "removed": 1,
            "changed": 0,
            "checks": 2,
            "config_hash": "next",
        }
    ]
    assert notes == [("reload", "1 check added, 1 removed, 0 changed")]
    assert fake.vitals.config_ok
    assert fake.vitals.config_hash == "next"
    assert fake.vitals.config_loaded_at > 1.0


async def test_a_rejected_file_changes_nothing_and_is_said_everywhere() -> None:
    fake, notes = FakeProber(model_of("a")), list[tuple[str, str]]()
    problems = ("f:1: one", "f:2: two", "f:3: three", "f:4: four")
    reloader = reloader_of(fake, Reads(Reading(None, problems), config_of("a")), notes)
    with capture_logs() as lines:
        assert await reloader.reload() == list(problems)
    rejected = {"event": "config_rejected", "log_level": "error"}
    assert lines == [{**rejected, "problem": problem} for problem in problems]
    assert notes == [("reload_rejected", "f:1: one; f:2: two; f:3: three; 1 more")]
    assert not fake.applied
    assert not fake.vitals.config_ok
    assert fake.vitals.config_loaded_at == 1.0
    assert await reloader.reload() == []
    assert fake.vitals.config_ok


async def test_without_a_file_there_is_nothing_to_reload() -> None:
    fake = FakeProber(model_of("a"))
    assert await reloader_of(fake, None).reload() == [
        "there is no configuration file to read again"
    ]


async def test_keys_that_need_a_restart_are_named() -> None:
    fake = FakeProber(model_of("a"))
    server = Server(
        listen=(Target("127.0.0.1", 7763),),
        state_dir="/srv",
        keep_history=DAY,
        keep_fine_history=DAY,
        writable=True,
        api_targets=TargetRules(deny=(ip_network("192.0.2.0/24"),)),
        lifecycle=True,
        watch_config=True,
        blackbox_modules="/modules.yml",
        web_config_file="/web.yml",
    )
    config = Config(server, model_of("a"), (), "next")
    reloader = reloader_of(fake, Reads(Reading(config)))
    with capture_logs() as lines:
        await reloader.reload()
    await reloader.close()
    fixed = ("listen", "state_dir", "keep_history", "keep_fine_history")
    keys = [f"server.{key}" for key in fixed]
    assert {"event": "needs_restart", "log_level": "warning", "keys": keys} in lines


async def test_what_is_asked_during_a_reload_is_done_once_after_it() -> None:
    fake, reads = FakeProber(model_of("a")), Reads(config_of("a"))
    reads.let.clear()
    reloader = reloader_of(fake, reads)
    first = asyncio.create_task(reloader.reload())
    await reads.has_begun.wait()
    for _ in range(1000):
        reloader.ask()
    others = [asyncio.create_task(reloader.reload()) for _ in range(100)]
    await asyncio.sleep(0)
    reads.let.set()
    assert await asyncio.gather(first, *others) == [[]] * 101
    assert reads.begun == 2


async def test_a_caller_that_gives_up_waiting_does_not_end_it_for_others() -> None:
    fake, reads = FakeProber(model_of("a")), Reads(config_of("a"))
    reads.let.clear()
    reloader = reloader_of(fake, reads)
    one, other = (asyncio.create_task(reloader.reload()) for _ in range(2))
    await reads.has_begun.wait()
    one.cancel()
    reads.let.set()
    assert await other == []


async def test_after_a_reload_signals_wait_but_who_waits_for_an_answer_does_not() -> None:
    fake, reads = FakeProber(model_of("a")), Reads(config_of("a"))
    reloader = reloader_of(fake, reads, quiet=3600.0)
    assert await reloader.reload() == []
    for _ in range(1000):
        reloader.ask()
        await asyncio.sleep(0)
    assert reads.begun == 1
    assert await reloader.reload() == []
    assert reads.begun == 2
    reloader.ask()
    await reloader.close()
    assert reads.begun == 2


async def test_a_storm_of_signals_is_not_a_second_offer() -> None:
    fake, reads = FakeProber(model_of(*"abcd")), Reads(config_of("a"))
    reads.let.clear()
    reloader = reloader_of(fake, reads)
    reloader.ask()
    await reads.has_begun.wait()
    reloader.ask()
    with capture_logs():
        reads.let.set()
        assert reloader._worker
        await reloader._worker
        assert reads.begun == 2
        assert not fake.applied
        assert await reloader.reload() == []
    assert len(fake.applied) == 1


async def test_a_change_that_is_noticed_is_reloaded_as_long_as_that_is_wanted() -> None:
    files, fake = Files(main="old"), FakeProber(model_of("a"))
    watching, alone = (
        Reading(Config(Server(watch_config=on), model_of("a"), (), str(on)), (), None)
        for on in (True, False)
    )
    fake.config = watching.config or fake.config
    reads = Reads(watching, alone)
    notes: asyncio.Queue[str] = asyncio.Queue()
    reloader = Reloader(
        fake,
        read=reads,
        guard=ShrinkGuard(allow=False),
        note=lambda kind, _: notes.put_nowait(kind),
        watcher=files.watcher,
        look_every=0.0,
        quiet=0.0,
    )
    reloader.start(None)
    for content in ("new", "newer"):
        files.write("main", content)
        assert await asyncio.wait_for(notes.get(), 30) == "reload"
    assert reloader._watching is None
    assert reads.begun == 2
    await reloader.close()


async def test_a_watched_file_that_drops_most_is_taken_when_it_has_rested_for_a_minute() -> None:
    files, fake = Files(main="old"), FakeProber(model_of(*"abcd"))
    config = Config(Server(watch_config=True), model_of("a"), (), "short")
    fake.config = replace(fake.config, server=config.server)
    notes: asyncio.Queue[str] = asyncio.Queue()
    now = NOW
    reloader = Reloader(
        fake,
        read=Reads(Reading(config)),
        guard=ShrinkGuard(allow=False),
        note=lambda kind, _: notes.put_nowait(kind),
        watcher=files.watcher,
        clock=lambda: now,
        look_every=0.0,
        quiet=0.0,
    )
    reloader.start(None)
    files.write("main", "short")
    assert await asyncio.wait_for(notes.get(), 30) == "reload_rejected"
    for _ in range(100):
        await asyncio.sleep(0)
    assert not fake.applied
    now += SHRINK_WINDOW
    assert await asyncio.wait_for(notes.get(), 30) == "reload"
    assert len(fake.applied) == 1
    await reloader.close()


# The daemon as a process


def tcp(name: str, *ports: int, **options: object) -> dict[str, object]:
    targets = [f"127.0.0.1:{port}" for port in ports]
    return {"name": name, "type": "TCP", "targets": targets, "interval": "1h", **options}


def test_a_thousand_signals_lead_to_two_reloads_at_most(tmp_path: Path) -> None:
    port = free_port()
    with daemon({"monitors": [tcp("a", port)]}, tmp_path) as running:
        running.wait_for("ready")
        start = time.monotonic()
        for _ in range(1000):
            running.process.send_signal(signal.SIGHUP)
        running.wait_for("config_reloaded")
        config = {"monitors": [tcp("a", port), tcp("b", port)]}
        (tmp_path / "prober.json").write_text(json.dumps(config))
        running.get("/-/reload", "POST")
        running.wait_for("config_reloaded", added=1)
        running.stop()
        running.rest()
        took = time.monotonic() - start  # a busy daemon sees the signals later than they are sent
    reloads = [line for line in running.lines if line["event"] == "config_reloaded"]
    # Two for the signals of each second, and the one that was asked for.
    assert len(reloads) <= 3 + int(took)


def test_the_daemon_notices_by_itself_that_its_file_changed(tmp_path: Path) -> None:
    port = free_port()
    config = {"server": {"watch_config": True}, "monitors": [tcp("a", port)]}
    with daemon(config, tmp_path) as running:
        running.wait_for("ready")
        assert "no_effect_in_this_version" not in {line["event"] for line in running.lines}
        config["monitors"] = [tcp("a", port), tcp("b", port)]
        (tmp_path / "prober.json").write_text(json.dumps(config))
        assert running.wait_for("config_reloaded")["added"] == 1


def test_a_rejected_file_shows_in_the_metrics_and_the_last_success_stands(tmp_path: Path) -> None:
    with daemon({"monitors": [tcp("a", free_port())]}, tmp_path) as running:
        loaded = reload_metrics(running.get("/metrics")[1])
        assert loaded["successful"] == "1.0"
        (tmp_path / "prober.json").write_text('{"monitors": [')
        status, body = running.get("/-/reload", "POST")
        assert status == 500
        assert f"{tmp_path}/prober.json:1" in json.loads(body)["problems"][0]
        assert reload_metrics(running.get("/metrics")[1]) == {**loaded, "successful": "0.0"}
        assert running.json("/api/v1/status")["prober"]["checks"] == 1


def reload_metrics(text: str) -> dict[str, str]:
    lines = (line for line in text.splitlines() if line.startswith("prober_config_last_reload_"))
    words = (line.removeprefix("prober_config_last_reload_").partition(" ") for line in lines)
    return {name: value for name, _, value in words}


def test_a_large_file_is_reloaded_through_a_process_and_a_stop_does_not_wait_for_it(
    tmp_path: Path,
) -> None:
    def large(*more: int) -> dict[str, object]:
        targets = [f"127.1.{i >> 8}.{i & 255}:1" for i in (*range(4000), *more)]
        return {"monitors": [{**tcp("a"), "targets": targets, "enabled": False}]}

    path = tmp_path / "prober.json"
    with daemon(large(), tmp_path) as running:
        running.wait_for("ready")
        path.write_text(json.dumps(large(4000)))
        running.process.send_signal(signal.SIGHUP)
        line = running.wait_for("config_reloaded")
        assert (line["added"], line["removed"], line["changed"]) == (1, 0, 0)
        running.process.send_signal(signal.SIGHUP)
        assert running.stop() == 0
