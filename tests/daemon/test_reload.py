"""Reloading: what is refused, what is noticed, what is read where, and what is left alone."""

import asyncio
import gc
import json
import os
import pickle
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from prober.config.changes import Changes, changes
from prober.config.configuration import Config
from prober.config.disk import Disk, FileHashes
from prober.config.settings import DAY, Server
from prober.config.shrink import FILE, SHRINK_WINDOW, Ask, ShrinkGuard, Step, steps_of
from prober.config.watch import UNSETTLED, FileReader, Watcher
from prober.daemon.loading import Reading, Source, read, read_aside, read_in_child
from prober.daemon.probing import Prober
from prober.daemon.reload import Reloader, _steps
from prober.engine.check_watch import CheckWatch
from prober.model.monitor import Model
from prober.model.probe import Target
from prober.model.reach import TargetRules
from prober.model.status import Outcome, Reason, Status
from prober.state.check_state import CheckState
from prober.state.vitals import Vitals
from tests.ports import free_port
from tests.running import daemon
from tests.simulation import Simulation, model_of

NOW = 1000.0


# What is refused


def objection(
    guard: ShrinkGuard, before: int, after: int, now: float = NOW, **ask: object
) -> str | None:
    """Return why a guard refuses a change that only drops."""
    asked = Ask(str(ask.get("digest", "a")), ask.get("asked_at", now), bool(ask.get("rested")))  # type: ignore[arg-type]
    step = Step(before, before - after, after, after)
    return guard.objection(str(ask.get("source", FILE)), [step], asked, now)


@pytest.mark.parametrize(
    ("step", "refused"),
    [
        (Step(0, 0, 0, 0), False),
        (Step(0, 0, 5, 5), False),
        (Step(4, 2, 2, 2), False),
        (Step(4, 3, 1, 1), True),
        (Step(4, 3, 1, 1000), True),
        (Step(4, 4, 4, 4), True),
        (Step(4, 1, 40, 40), False),
        (Step(3, 2, 1, 1), False),
        (Step(3, 3, 0, 1), False),
        (Step(3, 3, 0, 0), True),
        (Step(1, 1, 0, 0), True),
    ],
)
def test_a_change_that_drops_more_than_half_is_refused_unless_it_is_small(
    step: Step, refused: bool
) -> None:
    guard = ShrinkGuard(allow=False)
    assert (guard.objection(FILE, [step], Ask("a", NOW), NOW) is not None) is refused
    assert ShrinkGuard(allow=True).objection(FILE, [step], Ask("a", NOW), NOW) is None


def test_what_is_replaced_within_a_monitor_is_changed_and_not_lost() -> None:
    before = {"a": 4, "b": 1, "listed": 10}
    removed, added = ["a", "a", "a", "b", "listed"], ["a", "a", "c", "c"]
    parts = [{"a", "b", "c"}, {"listed"}]
    assert steps_of(before, removed, added, parts) == [Step(5, 2, 5, 14), Step(10, 1, 9, 14)]


@pytest.mark.parametrize(
    ("later", "digest", "asked_after", "taken"),
    [
        (1.0, "a", 0.5, True),
        (1.0, "a", -0.001, False),  # asked before the refusal, so not in answer to it
        (1.0, "a", None, False),  # only noticed
        (1.0, "b", 0.5, False),
        (SHRINK_WINDOW, "a", 0.5, False),
    ],
)
def test_the_same_content_asked_for_again_is_taken(
    later: float, digest: str, asked_after: float | None, taken: bool
) -> None:
    guard = ShrinkGuard(allow=False)
    assert objection(guard, 10, 1)
    asked_at = None if asked_after is None else NOW + asked_after
    again = objection(guard, 10, 1, NOW + later, digest=digest, asked_at=asked_at)
    assert (again is None) is taken


def test_a_change_that_is_noticed_counts_as_neither_of_two_requests() -> None:
    guard = ShrinkGuard(allow=False)
    assert "leave the file as it is" in (objection(guard, 10, 1, asked_at=None) or "")
    assert "request the same reload again" in (objection(guard, 10, 1, NOW + 1) or "")
    assert objection(guard, 10, 1, NOW + 2, asked_at=None)
    assert objection(guard, 10, 1, NOW + 3) is None


def test_a_request_is_spoilt_by_no_other_source_and_by_nothing_that_is_noticed() -> None:
    guard = ShrinkGuard(allow=False)
    assert objection(guard, 10, 1)
    assert objection(guard, 6, 2, NOW + 1, digest="list", source="http://sd/", asked_at=None)
    assert objection(guard, 10, 2, NOW + 2, digest="b", asked_at=None)
    assert objection(guard, 8, 5, NOW + 3, digest="list", source="/other.json") is None
    assert objection(guard, 10, 1, NOW + 4) is None


def test_a_watched_file_that_rests_is_taken_and_a_list_is_not() -> None:
    guard = ShrinkGuard(allow=False)
    assert objection(guard, 10, 1, asked_at=None)
    assert objection(guard, 10, 2, NOW + 60, asked_at=None, rested=True, digest="b")
    assert objection(guard, 10, 2, NOW + 120, asked_at=None, rested=True, digest="b") is None
    again = objection(guard, 6, 1, source="/list.json", asked_at=None) or ""
    assert again.endswith("request a reload twice within 60 s, or start prober with --allow-shrink")


def test_cutting_again_and_again_stops_at_half_of_what_there_was_within_a_minute() -> None:
    guard = ShrinkGuard(allow=False)
    assert not objection(guard, 100, 60, NOW)
    assert objection(guard, 60, 40, NOW + 10)
    assert not objection(guard, 60, 50, NOW + 20)
    assert not objection(guard, 50, 30, NOW + 20 + SHRINK_WINDOW)


def test_what_was_meant_is_the_measure_of_what_follows() -> None:
    guard = ShrinkGuard(allow=False)
    assert objection(guard, 100, 10, NOW)
    assert not objection(guard, 100, 10, NOW + 1)
    assert not objection(guard, 10, 9, NOW + 2)


REALISTIC = """\
# the shop, with 100 % naïve checks
server: {watch_config: true}
defaults: {interval: 5s, timeout: 2s, rise: 2, fall: 3}
pools:
  - name: web
    load_balancer: lb-1
    backends:
      - 10.0.0.3:8080
      - {address: 10.0.0.4, port: 8080, name: web-4, labels: {rack: r1}}
      - "[2001:db8::7]:8080"
monitors:
  - name: web-http
    type: HTTP
    pool: web
    url_path: /healthz
    expected_codes: "200-204,301"
  - type: TCP
    targets:
      - 10.0.0.53:53
      - 10.0.0.54:53
    name: resolver
"""


@pytest.mark.parametrize("bit_by_bit", [False, True])
def test_a_file_cut_at_any_byte_leaves_at_least_half_of_the_checks(
    tmp_path: Path, bit_by_bit: bool
) -> None:
    path = tmp_path / "prober.yaml"
    content = REALISTIC.encode()
    path.write_bytes(content)
    whole = read(Source(path=str(path), environment={})).config
    assert whole
    assert len(whole.model.checks()) == 5
    guard, running, taken = ShrinkGuard(allow=False), whole, 0
    for length in reversed(range(len(content))):
        if not bit_by_bit:
            guard, running = ShrinkGuard(allow=False), whole
        path.write_bytes(content[:length])
        config = read(Source(path=str(path), environment={})).config
        if config is None:
            continue
        found = changes(running.model, config.model)
        steps = _steps(running.model, config.model, found, None)
        if guard.objection(FILE, steps, Ask(config.digest), NOW) is None:
            running, taken = config, taken + 1
        assert len(running.model.checks()) >= 3
    assert taken


# What is noticed


class Files:
    """Files that exist only here: content and date by path."""

    def __init__(self, **content: str) -> None:
        self.content: dict[str, str] = content
        self.dates: dict[str, int] = dict.fromkeys(content, 0)
        self.reads = 0
        self.watcher = Watcher(FileReader(self._stamp, self._fingerprint, self._list))
        self.watcher.follow(FileHashes(dict[str, str | None](content), {("*", ""): tuple(content)}))

    def _stamp(self, path: str) -> tuple[int, int, int, int] | None:
        if path not in self.content:
            return None
        return self.dates[path], 0, 0, len(self.content[path])

    def _fingerprint(self, path: str) -> str | None:
        self.reads += 1
        return self.content.get(path)

    def _list(self, _pattern: str, _directory: str) -> tuple[str, ...]:
        return tuple(self.content)

    def write(self, path: str, content: str) -> None:
        """Change a file, and its date with it."""
        self.content[path] = content
        self.dates[path] = self.dates.get(path, 0) + 1

    def look(self, times: int = 1) -> list[bool]:
        """Look some times in a row."""
        return [self.watcher.look() for _ in range(times)]


def test_a_change_counts_when_two_looks_agree_and_only_once() -> None:
    files = Files(main="old", more="x")
    assert files.look(2) == [False, False]
    files.write("main", "new")
    assert files.look(4) == [False, True, False, False]


def test_files_at_rest_are_not_read() -> None:
    files = Files(main="old")
    files.look()
    files.reads = 0
    assert files.look(10) == [False] * 10
    assert files.reads == 0


def test_a_touch_changes_nothing() -> None:
    files = Files(main="old")
    files.look()
    files.write("main", "old")
    assert files.look(3) == [False] * 3


def test_a_file_that_is_being_written_is_left_alone_until_it_rests() -> None:
    files = Files(main="old")
    seen = []
    for content in ("n", "ne", "new"):
        files.write("main", content)
        seen += files.look()
    assert [*seen, *files.look(2)] == [False, False, False, True, False]


def test_a_file_that_is_written_all_the_time_is_read_now_and_then() -> None:
    files = Files(main="old", more="x")
    seen = []
    for number in range(3 * (UNSETTLED + 1)):
        files.write("main", f"version {number}")
        seen += files.look()
    assert seen == 3 * ([False] * UNSETTLED + [True])
    assert files.watcher.differing == {"main"}


def test_a_file_that_is_away_again_and_again_is_not_read_while_it_is() -> None:
    files = Files(main="old", more="x")
    for number in range(3 * UNSETTLED):
        files.write("more", f"version {number}")
        files.content.pop("main", None)
        assert files.look() == [False]
    files.write("main", "new")
    assert files.look() == [True]


def test_a_file_that_is_away_for_a_moment_is_nothing() -> None:
    files = Files(main="old")
    files.look()
    del files.content["main"]
    seen = files.look()
    files.write("main", "old")
    assert seen + files.look(3) == [False] * 4


def test_a_file_that_stays_away_or_comes_to_a_pattern_is_noticed() -> None:
    files = Files(main="old", more="x")
    files.write("other", "y")
    assert files.look(3) == [False, True, False]
    del files.content["more"]
    assert files.look(3) == [False, True, False]


def test_content_that_was_rejected_is_not_tried_again_but_what_was_there_before_is() -> None:
    files = Files(main="old")
    files.write("main", "bad")
    assert files.look(3) == [False, True, False]
    files.write("main", "bad")
    assert files.look(3) == [False] * 3
    files.write("main", "old")
    assert files.look(3) == [False, True, False]


def test_the_swap_of_a_link_is_noticed(tmp_path: Path) -> None:
    for version in ("one", "two"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "prober.yaml").write_text(f"# {version}\nmonitors: []\n")
    (tmp_path / "..data").symlink_to("one")
    (tmp_path / "prober.yaml").symlink_to("..data/prober.yaml")
    reading = read(Source(path=str(tmp_path / "prober.yaml"), environment={}))
    assert reading.traces
    watcher = Watcher()
    watcher.follow(reading.traces)
    assert not watcher.look()
    (tmp_path / "new").symlink_to("two")
    (tmp_path / "new").rename(tmp_path / "..data")
    assert [watcher.look() for _ in range(3)] == [False, True, False]


def test_what_a_reading_looked_at_is_watched_whether_it_was_there_or_not(tmp_path: Path) -> None:
    main = tmp_path / "prober.yaml"
    main.write_text("include: [there.yaml, away.yaml, 'conf.d/*.yaml']\n")
    (tmp_path / "there.yaml").write_text(
        "monitors: [{name: a, type: HTTP, targets: ['h:80'], body: {file: secret}}]\n"
    )
    (tmp_path / "secret").write_text("hush")
    reading = read(Source(path=str(main), environment={}))
    assert reading.config is None
    assert "away.yaml" in reading.problems[0]
    watcher = Watcher()
    assert reading.traces
    watcher.follow(reading.traces)
    assert not watcher.look()
    (tmp_path / "away.yaml").write_text("pools: []\n")
    assert [watcher.look() for _ in range(2)] == [False, True]
    (tmp_path / "secret").write_text("hush!")
    assert [watcher.look() for _ in range(2)] == [False, True]
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "a.yaml").write_text("pools: []\n")
    assert [watcher.look() for _ in range(2)] == [False, True]


# What is read where

SECRET = "hush-hush"
WITH_SECRETS = """\
pools: [{name: web, backends: ["192.0.2.1:80", {address: h, port: 1, labels: {rack: r1}}]}]
monitors:
- {name: a, type: HTTP, pool: web, headers: {Authorization: {env: TOKEN}}, body_regex: "a+b"}
- {name: b, type: HTTPS, pool: web, tls: {expires_within: 7d}, body: {env: TOKEN}}
- {name: c, type: TCP, pool: web, send: {hex: "00ff"}, expect: {text: x}, labels: {a: b}}
- {name: d, type: UDP_CONNECT, targets: ["192.0.2.2:53"]}
- {name: e, type: GRPC, pool: web, service: x, tls: {}}
- {name: f, type: TLS, pool: web, slow: 1s, port: 443}
"""


@pytest.fixture
def written(tmp_path: Path) -> Source:
    """A configuration on disk with secrets out of the environment."""
    path = tmp_path / "prober.yaml"
    path.write_text(WITH_SECRETS)
    return Source(path=str(path), environment={"TOKEN": SECRET}, state_dir="/srv")


def test_a_configuration_survives_a_pipe(written: Source) -> None:
    config = written.load()
    again = pickle.loads(pickle.dumps(config))
    assert again == config
    assert hash(again.model) == hash(config.model)
    assert SECRET in str(again.model.monitors[0].probe.headers["Authorization"].content)
    assert not changes(config.model, again.model).changed
    assert SECRET not in repr(again)
    assert SECRET not in repr(written)


async def test_a_process_of_its_own_reads_the_same(written: Source) -> None:
    disk = Disk()
    assert await read_in_child(written) == Reading(written.load(disk), (), disk.traces)


async def test_a_large_configuration_is_read_in_a_process_and_a_small_one_is_not(
    written: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    async def instead(source: Source) -> Reading:
        asked.append(source)
        return Reading(None)

    monkeypatch.setattr("prober.daemon.loading.read_in_child", instead)
    assert (await read_aside(written)).config == written.load()
    assert not asked
    monkeypatch.setattr("prober.daemon.loading.SMALL", 100)
    assert await read_aside(written) == Reading(None)
    assert asked == [written]


async def test_what_is_wrong_is_said_by_the_process_as_well(tmp_path: Path) -> None:
    path = tmp_path / "prober.yaml"
    path.write_text("monitors: [{name: a}]\n")
    source = Source(path=str(path), environment={})
    assert await read_in_child(source) == read(source)
    assert f"{path}:1: monitors[0]: missing key 'type'" in read(source).problems


@contextmanager
def child_that(
    does: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], Any]]:
    """Put another program in place of the reader; yield what tells its arguments and so on."""
    program = folder / "child.py"
    told = folder / "told"
    program.write_text(f"import json, os, sys\ntold = {str(told)!r}\n{does}\n")
    start = asyncio.create_subprocess_exec

    async def instead(*_: str, **options: object) -> asyncio.subprocess.Process:
        return await start(sys.executable, str(program), **options)  # type: ignore[arg-type]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", instead)
    yield lambda: json.loads(told.read_text())


@pytest.mark.parametrize(
    ("does", "problem"),
    [
        ("sys.exit(3)", "the process that reads it ended with 3"),
        ("os.kill(os.getpid(), 9)", "the process that reads it ended with signal 9"),
        ("sys.stdout.write('x')", "the process that reads it returned nothing"),
    ],
)
async def test_a_process_that_fails_is_a_problem_and_no_more(
    written: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, does: str, problem: str
) -> None:
    with child_that(does, tmp_path, monkeypatch):
        assert await read_in_child(written) == Reading(None, (problem,))


async def test_a_process_that_takes_too_long_is_given_up(
    written: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with child_that("import signal; signal.pause()", tmp_path, monkeypatch):
        reading = await read_in_child(written, seconds=0.01)
    assert reading == Reading(None, ("reading took longer than 0.01 s and was cancelled",))


async def test_the_process_ends_with_the_task_that_waits_for_it(
    written: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "told")
    waits = "import signal\nwith open(told, 'w') as f: json.dump(os.getpid(), f)\nsignal.pause()"
    with child_that(waits, tmp_path, monkeypatch) as told:
        task = asyncio.create_task(read_in_child(written))
        pid = await asyncio.to_thread(told)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_no_secret_and_no_socket_reaches_the_process_but_by_its_pipe(
    written: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tells = (
        "links = [os.readlink(f'/proc/self/fd/{n}') for n in (0, 1, 2)]\n"
        "more = [n for n in os.listdir('/proc/self/fd') if int(n) > 2]\n"
        "own = [os.readlink(f'/proc/self/fd/{n}') for n in more"
        " if os.path.lexists(f'/proc/self/fd/{n}')]\n"
        "json.dump([*sys.argv, *os.environ.values(), *own], open(told, 'w'))\n"
        "sys.exit(1)"
    )
    monkeypatch.setenv("HARMLESS", "seen")
    with child_that(tells, tmp_path, monkeypatch) as told:
        await read_in_child(written)
        found = told()
    assert "seen" in found
    assert not [each for each in found if SECRET in each or "socket:" in each]


def test_a_bug_in_reading_is_a_problem_and_no_more(
    written: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> Config:
        raise RecursionError(SECRET)

    monkeypatch.setattr("prober.daemon.loading.load", fail)
    assert read(written).problems == ("internal error while reading: RecursionError",)


# One at a time, and all or nothing


class Live:
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
    live: Live, reads: Reads | None, notes: list[tuple[str, str]] | None = None, quiet: float = 0.0
) -> Reloader:
    kept: list[tuple[str, str]] = [] if notes is None else notes
    return Reloader(
        live,
        read=reads,
        guard=ShrinkGuard(allow=False),
        note=lambda kind, cause: kept.append((kind, cause)),
        quiet=quiet,
    )


async def test_a_reload_says_what_it_did() -> None:
    live, notes = Live(model_of("a", "b")), list[tuple[str, str]]()
    reloader = reloader_of(live, Reads(config_of("b", "c")), notes)
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
    assert notes == [("reload", "1 checks added, 1 removed, 0 changed")]
    assert live.vitals.config_ok
    assert live.vitals.config_hash == "next"
    assert live.vitals.config_loaded_at > 1.0


async def test_a_rejected_file_changes_nothing_and_is_said_everywhere() -> None:
    live, notes = Live(model_of("a")), list[tuple[str, str]]()
    problems = ("f:1: one", "f:2: two", "f:3: three", "f:4: four")
    reloader = reloader_of(live, Reads(Reading(None, problems), config_of("a")), notes)
    with capture_logs() as lines:
        assert await reloader.reload() == list(problems)
    rejected = {"event": "config_rejected", "log_level": "error"}
    assert lines == [{**rejected, "problem": problem} for problem in problems]
    assert notes == [("reload_rejected", "f:1: one; f:2: two; f:3: three; 1 more")]
    assert not live.applied
    assert not live.vitals.config_ok
    assert live.vitals.config_loaded_at == 1.0
    assert await reloader.reload() == []
    assert live.vitals.config_ok


async def test_without_a_file_there_is_nothing_to_reload() -> None:
    live = Live(model_of("a"))
    assert await reloader_of(live, None).reload() == [
        "there is no configuration file to read again"
    ]


async def test_keys_that_need_a_restart_are_named() -> None:
    live = Live(model_of("a"))
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
    reloader = reloader_of(live, Reads(Reading(config)))
    with capture_logs() as lines:
        await reloader.reload()
    await reloader.close()
    fixed = ("listen", "state_dir", "keep_history", "keep_fine_history")
    keys = [f"server.{key}" for key in fixed]
    assert {"event": "needs_restart", "log_level": "warning", "keys": keys} in lines


async def test_what_is_asked_during_a_reload_is_done_once_after_it() -> None:
    live, reads = Live(model_of("a")), Reads(config_of("a"))
    reads.let.clear()
    reloader = reloader_of(live, reads)
    first = asyncio.create_task(reloader.reload())
    await reads.has_begun.wait()
    for _ in range(1000):
        reloader.ask()
    others = [asyncio.create_task(reloader.reload()) for _ in range(100)]
    await asyncio.sleep(0)
    reads.let.set()
    assert await asyncio.gather(first, *others) == [[]] * 101
    assert reads.begun == 2


async def test_one_who_gives_up_waiting_does_not_end_it_for_the_others() -> None:
    live, reads = Live(model_of("a")), Reads(config_of("a"))
    reads.let.clear()
    reloader = reloader_of(live, reads)
    one, other = (asyncio.create_task(reloader.reload()) for _ in range(2))
    await reads.has_begun.wait()
    one.cancel()
    reads.let.set()
    assert await other == []


async def test_after_a_reload_signals_wait_but_who_waits_for_an_answer_does_not() -> None:
    live, reads = Live(model_of("a")), Reads(config_of("a"))
    reloader = reloader_of(live, reads, quiet=3600.0)
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
    live, reads = Live(model_of(*"abcd")), Reads(config_of("a"))
    reads.let.clear()
    reloader = reloader_of(live, reads)
    reloader.ask()
    await reads.has_begun.wait()
    reloader.ask()
    with capture_logs():
        reads.let.set()
        assert reloader._worker
        await reloader._worker
        assert reads.begun == 2
        assert not live.applied
        assert await reloader.reload() == []
    assert len(live.applied) == 1


async def test_a_change_that_is_noticed_is_reloaded_as_long_as_that_is_wanted() -> None:
    files, live = Files(main="old"), Live(model_of("a"))
    watching, alone = (
        Reading(Config(Server(watch_config=on), model_of("a"), (), str(on)), (), None)
        for on in (True, False)
    )
    live.config = watching.config or live.config
    reads = Reads(watching, alone)
    notes: asyncio.Queue[str] = asyncio.Queue()
    reloader = Reloader(
        live,
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
    files, live = Files(main="old"), Live(model_of(*"abcd"))
    config = Config(Server(watch_config=True), model_of("a"), (), "short")
    live.config = replace(live.config, server=config.server)
    notes: asyncio.Queue[str] = asyncio.Queue()
    now = NOW
    reloader = Reloader(
        live,
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
    assert not live.applied
    now += SHRINK_WINDOW
    assert await asyncio.wait_for(notes.get(), 30) == "reload"
    assert len(live.applied) == 1
    await reloader.close()


# What is left alone

FIRST = """\
pools:
- {name: web, backends: ["192.0.2.1:80", "192.0.2.2:80"]}
- {name: api, backends: ["192.0.2.3:80"]}
monitors:
- {name: a, type: TCP, pool: web, interval: 1h, fast_interval: 1h}
- {name: b, type: HTTP, pool: api, interval: 1h, fast_interval: 1h}
- {name: c, type: TCP, targets: ["192.0.2.4:80"], interval: 1h, fast_interval: 1h}
"""
LINES = FIRST.splitlines()
MOVED = FIRST.replace('.2:80"]', '.2:80", "192.0.2.9:80"]')


class World:
    """The probing half of a daemon, whose probes never start and whose files exist only here."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "prober.yaml"
        loop = asyncio.get_running_loop()
        self.prober = Prober(self.read(FIRST), loop=loop, limit=0)

    def read(self, text: str) -> Config:
        """Read a configuration."""
        self._path.write_text(text)
        return Source(path=str(self._path), environment={}).load()

    async def reload(self, text: str) -> Changes:
        """Apply another configuration."""
        config = self.read(text)
        difference = changes(self.prober.config.model, config.model)
        await self.prober.apply(config, difference)
        return difference

    def state(self, monitor: str, host: int) -> CheckState:
        """Return the state of a check."""
        state = self.prober.store.get((monitor, f"192.0.2.{host}:80"))
        assert state
        return state

    def remembered(self, state: CheckState) -> tuple[object, ...]:
        """Return what must not change of a check that is left alone."""
        watch = self.prober._scheduler._watches[state.check.key]
        return (
            *(state, state.health, state.status, state.since, state.last, state.conclusive_at),
            *(state.next_due, state.counters, state.counters.probes, list(state.recent._rows)),
            *(watch, watch.due, watch.job, watch.interval),
        )


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A world in which every check has had a good result and a bad one."""
    made = World(tmp_path)
    with made.prober.probing(made.prober.config), capture_logs():
        made.prober._ticker.stop()  # a slow machine would find checks due and waiting for a slot
        for state in made.prober.store:
            for reason in (Reason.OK, Reason.OK, Reason.REFUSED):
                outcome = Outcome(reason, "as told", None, 1.0, 0.1)
                made.prober.store.record(state, outcome)
        yield made


@pytest.mark.parametrize(
    ("text", "alone"),
    [
        ("# only a comment\n" + FIRST, "a1 a2 b3 c4"),
        (FIRST.replace("- {name: a,", "- {name: z, type: TCP, pool: api}\n- {name: a,"), "a1 b3"),
        ("monitors:" + FIRST.partition("monitors:")[2] + FIRST.partition("monitors:")[0], "a1 b3"),
        ("\n".join([*LINES[:4], *reversed(LINES[4:])]), "a1 a2 b3 c4"),
        (MOVED, "a1 a2 b3 c4"),
        (FIRST.replace('"192.0.2.1:80", ', ""), "a2 b3 c4"),
        (FIRST.replace('["192.0.2.3:80"]', '["192.0.2.5:80"]'), "a1 a2 c4"),
        (FIRST.replace("name: b", "name: renamed"), "a1 a2 c4"),
        (FIRST.replace("type: HTTP", "type: HTTP, url_path: /x"), "a1 a2 c4"),
        (FIRST.replace("name: api", "name: api, load_balancer: lb"), "a1 a2 c4"),
    ],
)
async def test_what_a_reload_does_not_change_does_not_notice_it(
    world: World, text: str, alone: str
) -> None:
    states = [world.state(name[0], int(name[1])) for name in alone.split()]
    before = [world.remembered(state) for state in states]
    await world.reload(text)
    assert [world.remembered(world.state(name[0], int(name[1]))) for name in alone.split()] == (
        before
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("type: HTTP, pool: api", "type: HTTP, pool: api, labels: {x: y}"),
        ("type: HTTP, pool: api, interval: 1h", "type: HTTP, pool: api, interval: 2h"),
        ("type: HTTP", "type: TCP"),
        ("name: api", "name: api, load_balancer: lb"),
    ],
)
async def test_a_check_that_changes_keeps_its_health_and_is_scheduled_anew(
    world: World, old: str, new: str
) -> None:
    state = world.state("b", 3)
    health, counters = state.health, state.counters
    watch = world.prober._scheduler._watches[state.check.key]
    difference = await world.reload(FIRST.replace(old, new, 1))
    assert [check.key for _, check in difference.changed] == [("b", "192.0.2.3:80")]
    assert world.state("b", 3) is state
    assert (state.health, state.counters, state.status) == (health, counters, Status.WARNING)
    assert state.check is difference.changed[0][1]
    assert watch.removed
    assert world.prober._scheduler._watches[state.check.key] is not watch


async def test_a_check_that_moves_to_another_pool_keeps_its_streak(world: World) -> None:
    state = world.state("c", 4)
    moved = FIRST.replace('targets: ["192.0.2.4:80"]', "pool: api").replace(
        '["192.0.2.3:80"]', '["192.0.2.3:80", "192.0.2.4:80"]'
    )
    await world.reload(moved)
    assert world.state("c", 4) is state
    assert state.check.pool.name == "api"
    assert state.health.streak == -1
    assert world.prober.store.statuses().pools.keys() == {"web", "api"}


async def test_a_rename_is_a_new_check_and_leaves_nothing_of_the_old(world: World) -> None:
    await world.reload(FIRST.replace("name: b", "name: renamed"))
    store = world.prober.store
    assert store.get(("b", "192.0.2.3:80")) is None
    assert "b" not in store.counters
    assert world.state("renamed", 3).status is Status.UNKNOWN
    assert store.counters["renamed"].probes == 0


async def test_a_monitor_whose_only_check_is_replaced_keeps_its_counters(world: World) -> None:
    await world.reload(FIRST.replace("192.0.2.4:80", "192.0.2.8:80"))
    assert world.prober.store.counters["c"].probes == 3
    assert world.prober.store.counters["c"].checks == 1


async def test_aggregates_are_right_at_once(world: World) -> None:
    await world.reload(FIRST.replace('"192.0.2.1:80", ', "").replace("192.0.2.3", "192.0.2.5"))
    statuses = world.prober.store.statuses()
    assert statuses.pools == {
        "web": Status.WARNING,
        "api": Status.UNKNOWN,
        "c": Status.WARNING,
    }
    assert set(statuses.backends) == {
        ("web", "192.0.2.2:80"),
        ("api", "192.0.2.5:80"),
        ("c", "192.0.2.4:80"),
    }


async def test_no_check_keeps_a_pool_of_an_older_configuration(world: World) -> None:
    await world.reload(MOVED)
    pools = {id(pool) for pool in world.prober.store.model.pools}
    for state in world.prober.store:
        assert id(state.check.pool) in pools
        assert id(world.prober._scheduler._watches[state.check.key].check.pool) in pools


def check_watches() -> list[CheckWatch[CheckState]]:
    return [each for each in gc.get_objects() if type(each) is CheckWatch]


async def test_what_left_the_schedule_is_freed_without_the_collector(world: World) -> None:
    watches = world.prober._scheduler._watches
    old = len(watches)
    gc.collect()
    gc.disable()
    try:
        others = [each for each in check_watches() if each not in watches.values()]
        await world.reload(FIRST.replace("interval: 1h,", "interval: 2h,").replace(".4:", ".5:"))
        left = [each for each in check_watches() if each not in others]
        assert len(left) == len(watches) == old
        assert all(each in watches.values() for each in left)
    finally:
        gc.enable()


def test_checks_that_are_added_one_by_one_are_spread_as_if_they_came_together() -> None:
    spans = []
    for one_by_one in (False, True):
        simulation = Simulation()
        model = model_of(*(f"192.0.2.{i}" for i in range(250)))
        simulation.store.adopt(model)
        states = [simulation.store.add(check) for check in model.checks()]
        batch = [(state.check, state, state.health) for state in states]
        if one_by_one:
            for each in batch:
                simulation.scheduler.add([each], among=len(batch))
        else:
            simulation.scheduler.add(batch)
        spans.append([state.next_due for state in states])
    assert spans[0] == spans[1]


async def test_a_check_switched_off_and_on_goes_off_and_on_the_schedule(world: World) -> None:
    watches = world.prober._scheduler._watches
    await world.reload(FIRST.replace("name: b", "name: b, enabled: false"))
    assert ("b", "192.0.2.3:80") not in watches
    assert world.state("b", 3).status is Status.UNKNOWN
    await world.reload(FIRST)
    assert ("b", "192.0.2.3:80") in watches


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
