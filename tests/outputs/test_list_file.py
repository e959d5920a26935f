"""Files: what each format says, and when a file is written."""

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from prober.model.known_status import ServedBackend, ServedPool
from prober.model.pool import Backend
from prober.outputs.list_file import FORMATS, FileOutput, replace_content
from tests.outputs.serving import WORDS, World, pool, until

SHOWN = {"web": {each.key: each for each in pool("ok", "critical", "slow", "ok+drain").backends}}


@asynccontextmanager
async def written(path: Path, format_name: str, *pools: ServedPool) -> AsyncIterator[World]:
    settings = FileOutput(format=format_name, path=str(path), keep=0.0)
    world = World(settings, *pools)
    async with settings.run(world.desk()):
        yield world


def test_lines_are_what_is_in_service() -> None:
    assert FORMATS["lines"](SHOWN) == "10.0.0.0:80\n10.0.0.2:80\n"


def test_a_haproxy_map_has_a_word_for_every_backend() -> None:
    assert FORMATS["haproxy_map"](SHOWN).splitlines() == [
        "web/10.0.0.0:80 up",
        "web/10.0.0.1:80 down",
        "web/10.0.0.2:80 up",
        "web/10.0.0.3:80 drain",
    ]


LOCAL = ServedBackend(Backend(address="unix:/run/app.sock", port=0), WORDS["ok"], None)


def test_a_unix_socket_is_a_key_of_a_haproxy_map_and_no_target_of_prometheus() -> None:
    shown = {"a b": {LOCAL.key: LOCAL}}
    assert FORMATS["haproxy_map"](shown) == "a_b/unix:/run/app.sock up\n"
    assert json.loads(FORMATS["file_sd"](shown)) == []


def test_file_sd_has_a_group_for_what_is_in_service() -> None:
    assert json.loads(FORMATS["file_sd"](SHOWN)) == [
        {"targets": ["10.0.0.0:80"], "labels": {"pool": "web"}},
        {"targets": ["10.0.0.2:80"], "labels": {"pool": "web"}},
    ]


def test_json_says_everything() -> None:
    (shown,) = json.loads(FORMATS["json"](SHOWN))["pools"]
    assert [each["in_service"] for each in shown["backends"]] == [True, False, True, False]
    assert [each["admin"] for each in shown["backends"]] == [None, None, None, "drain"]


@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")
@pytest.mark.parametrize("name", ["web", "a pool; of {nginx}'s"])
@pytest.mark.parametrize("words", [("ok", "critical"), ("critical",), ()])
@pytest.mark.parametrize("skipped", [0, 1], ids=["backups", "only backups"])
def test_nginx_takes_the_upstreams(
    tmp_path: Path, name: str, words: tuple[str, ...], skipped: int
) -> None:
    shown = dict(list(weighted(pool(*words)).items())[skipped:])
    (tmp_path / "up.conf").write_text(FORMATS["nginx_upstream"]({name: shown}))
    (tmp_path / "nginx.conf").write_text(
        f"pid {tmp_path}/pid; error_log stderr; events {{}}\n"
        f"http {{ access_log off; include {tmp_path}/up.conf; }}\n"
    )
    command = ["nginx", "-t", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_nginx_is_told_weights_and_backups() -> None:
    served = weighted(pool("ok", "critical", "ok"))
    assert FORMATS["nginx_upstream"]({"web": served}) == (
        "upstream web {\n"
        "    server 10.0.0.0:80;\n"
        "    server 10.0.0.1:80 weight=2 backup down;\n"
        "    server 10.0.0.2:80 weight=3 backup;\n"
        "}\n"
    )


def weighted(found: ServedPool) -> dict[str, ServedBackend]:
    """Return the backends of a pool with weights from 1 on; all but the first are backups."""
    return {
        each.key: each._replace(backend=replace(each.backend, weight=1 + place, backup=place > 0))
        for place, each in enumerate(found.backends)
    }


async def test_a_file_is_written_when_all_is_known_and_again_when_it_changes(
    tmp_path: Path,
) -> None:
    path = tmp_path / "list"
    path.write_text("as before\n")
    async with written(path, "lines", pool("ok", "unknown")) as world:
        for _ in range(50):
            await asyncio.sleep(0)
        assert path.read_text() == "as before\n"
        world.source.put(pool("ok", "ok"))
        await until(lambda: world.counters.sent == 1)
        assert path.read_text() == "10.0.0.0:80\n10.0.0.1:80\n"
        world.source.put(pool("critical", "unknown"))
        await until(lambda: world.counters.sent == 2)
        assert path.read_text() == "10.0.0.1:80\n"


async def test_a_file_that_cannot_be_written_is_said_and_stops_nothing(tmp_path: Path) -> None:
    async with written(tmp_path / "absent/list", "lines", pool("ok")) as world:
        await until(lambda: bool(world.said))
    assert world.said[0][1] == "output_failed"
    assert world.counters.errors == {"write": 1}


def test_a_file_is_replaced_in_one_step_and_only_if_it_differs(tmp_path: Path) -> None:
    path = tmp_path / "list"
    assert replace_content(path, "a")
    first = path.stat()
    assert not replace_content(path, "a")
    assert path.stat().st_ino == first.st_ino
    assert replace_content(path, "b")
    assert path.stat().st_ino != first.st_ino
    assert path.stat().st_mode & 0o777 == 0o644
    assert [each.name for each in tmp_path.iterdir()] == ["list"]
