"""Where a configuration is read: in this process or in one of its own."""

import asyncio
import json
import os
import pickle
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from prober.config.changes import changes
from prober.config.configuration import Config
from prober.config.disk import Disk
from prober.daemon.loading import Reading, Source, read, read_aside, read_in_child

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
