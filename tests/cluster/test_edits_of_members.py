"""Edits through any member's API: real members, a real etcd, the native API and the dialects."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from email.message import Message
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from structlog.testing import capture_logs

from prober.daemon import edit_sharing
from prober.daemon.edit_sharing import EditSharing
from tests.cluster.etcd_server import Etcd, etcd, needs_etcd
from tests.running import PATIENCE, Daemon, daemon, until

pytestmark = pytest.mark.xdist_group("members")
CHECKER = "/20170115/loadBalancers/default/backendSets/web/healthChecker"
MONITOR = {
    "name": "slow",
    "type": "TCP",
    "targets": ["127.0.0.1:9"],
    "interval": "1h",
    "fast_interval": "1h",
}


class Answer(NamedTuple):
    """An answer of the API."""

    status: int
    headers: Message
    body: str


def ask(
    member: Daemon,
    method: str,
    path: str,
    body: object = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    content = None if body is None else json.dumps(body).encode()
    more = {"Content-Type": "application/json", **(headers or {})}
    request = Request(member.url + path, method=method, data=content, headers=more)
    try:
        with urlopen(request, timeout=PATIENCE) as answer:
            return Answer(answer.status, answer.headers, answer.read().decode())
    except HTTPError as error:
        with error:
            return Answer(error.code, error.headers, error.read().decode())


def configuration(server: Etcd | None, name: str, **section: Any) -> dict[str, Any]:
    cluster = {
        "name": "test",
        "etcd": {"endpoints": [server.url]} if server else {},
        "member": name,
        "ttl": "3s",
    }
    return {
        "server": {"writable": True, **section},
        **({"cluster": cluster} if server else {}),
        "pools": [{"name": "web", "backends": ["127.0.0.1:9"]}],
        "monitors": [{"name": "web", "type": "HTTP", "pool": "web", "interval": "1h"}],
    }


@contextmanager
def member(folder: Path, server: Etcd | None, name: str, **section: Any) -> Iterator[Daemon]:
    """Run a member, or a prober alone; `section` is added to its server section."""
    place = folder / name
    place.mkdir(exist_ok=True)
    with daemon(configuration(server, name, **section), place) as running:
        running.wait_for("ready")
        yield running


@contextmanager
def two(folder: Path, server: Etcd) -> Iterator[tuple[Daemon, Daemon]]:
    with ExitStack() as stack:
        one, other = (stack.enter_context(member(folder, server, name)) for name in "ab")
        yield one, other


def interval_of(running: Daemon, name: str = "slow") -> float | None:
    status, body = running.get(f"/api/v1/monitors/{name}")
    return json.loads(body)["interval"] if status == 200 else None


@needs_etcd
def test_an_edit_through_any_member_is_in_force_on_all_and_survives_all(tmp_path: Path) -> None:
    with etcd(tmp_path) as server:
        with two(tmp_path, server) as (one, other):
            assert ask(one, "PUT", "/api/v1/monitors/slow", MONITOR).status == 201
            until(lambda: interval_of(other) == 3600)
            patch = {"interval": "2h"}
            assert ask(other, "PATCH", "/api/v1/monitors/slow", patch).status == 200
            until(lambda: interval_of(one) == 7200)
            shown = [each.json("/api/v1/edits")["edits"] for each in (one, other)]
            assert shown[0] == shown[1]
            said = [event["cause"] for event in one.json("/api/v1/events?kind=edit")["events"]]
            assert said == [
                "monitor 'slow' created through another member",
                "monitor 'slow' created",
            ]
            last = ask(one, "PATCH", "/api/v1/monitors/slow", {"interval": "3h"})
            one.process.kill()
            other.process.kill()
            assert (last.status, "Warning" in last.headers) == (200, False)
        with member(tmp_path, server, "c") as new:
            assert interval_of(new) == 10800


@needs_etcd
def test_etags_are_equal_and_of_two_edits_that_carry_one_one_is_refused(tmp_path: Path) -> None:
    with etcd(tmp_path) as server, two(tmp_path, server) as members:
        for _ in range(5):

            def etags() -> set[str]:
                return {ask(each, "GET", CHECKER).headers["etag"] for each in members}

            until(lambda: len(etags()) == 1)
            [etag] = etags()
            shown = json.loads(ask(members[0], "GET", CHECKER).body)
            bodies = [{**shown, "retries": shown["retries"] % 7 + n} for n in (1, 2)]
            with ThreadPoolExecutor() as both:
                answers = [
                    both.submit(ask, each, "PUT", CHECKER, body, {"if-match": etag})
                    for each, body in zip(members, bodies, strict=True)
                ]
            statuses = sorted(answer.result().status for answer in answers)
            assert statuses[0] == 204
            assert statuses[1] in (409, 412)


@needs_etcd
@pytest.mark.parametrize("fault", ["killed", "stopped"])
def test_edits_are_refused_in_the_words_of_each_api_while_etcd_is_away(
    tmp_path: Path, fault: str
) -> None:
    with etcd(tmp_path) as server, member(tmp_path, server, "a") as running:
        shown = json.loads(ask(running, "GET", CHECKER).body)
        [monitor] = json.loads(ask(running, "GET", "/v2.0/lbaas/healthmonitors").body)[
            "healthmonitors"
        ]
        one = f"healthmonitors/{monitor['id']}"
        if fault == "killed":
            server.kill()
        else:
            server.pause()
        new = ask(running, "PUT", "/api/v1/monitors/slow", MONITOR)
        assert new.status == 503
        assert json.loads(new.body)["message"].startswith("the edit is refused, because etcd")
        oracle = ask(running, "PUT", CHECKER, {**shown, "retries": 5})
        assert (oracle.status, json.loads(oracle.body)["code"]) == (503, "ServiceUnavailable")
        lbaas = ask(running, "PUT", f"/v2.0/lbaas/{one}", {"healthmonitor": {"delay": 9}})
        assert (lbaas.status, "etcd" in lbaas.body) == (503, True)
        huawei = ask(running, "PUT", f"/v3/default/elb/{one}", {"healthmonitor": {"delay": 9}})
        assert (huawei.status, "etcd" in huawei.body) == (503, True)
        assert interval_of(running) is None
        server.go_on() if fault == "stopped" else server.start()
        until(lambda: ask(running, "PUT", "/api/v1/monitors/slow", MONITOR).status in (200, 201))


@needs_etcd
def test_edits_from_before_the_cluster_are_taken_along_once_and_reported(tmp_path: Path) -> None:
    kept = {"state_dir": str(tmp_path / "state")}
    with member(tmp_path, None, "a", **kept) as alone:
        assert ask(alone, "PUT", "/api/v1/monitors/slow", MONITOR).status == 201
        assert alone.stop(signal.SIGTERM) == 0
    with etcd(tmp_path) as server, member(tmp_path, server, "b") as other:
        with member(tmp_path, server, "a", **kept) as joining:
            assert joining.wait_for_any("edits_taken_along")["edits"] == 1
            until(lambda: interval_of(other) == 3600)
            assert ask(other, "DELETE", "/api/v1/monitors/slow").status == 204
            joining.process.kill()
        with member(tmp_path, server, "a", **kept) as again:
            until(lambda: interval_of(again) is None)
            assert interval_of(other) is None
            assert again.stop(signal.SIGTERM) == 0
            events = {line["event"] for line in [*again.lines, *again.rest()]}
            assert "edits_taken_along" not in events


def test_without_a_cluster_nothing_of_it_is_imported() -> None:
    code = """
import sys
from prober.daemon import launch
launch.import_aiohttp()
import prober.daemon.serve, prober.cli.run_command, prober.config.reader, prober.web.app
print([name for name in sys.modules if name.startswith("prober.cluster")])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


async def test_a_bug_in_following_is_logged_and_edits_are_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edit_sharing, "AGAIN", 0.0)
    tried: list[str | None] = []

    class Broken:
        word: str | None = None

        def __init__(self, *_: object, **_named: object) -> None:
            pass

        async def run(self) -> None:
            tried.append(self.word)
            if len(tried) == 3:
                raise asyncio.CancelledError
            raise ZeroDivisionError

    monkeypatch.setattr(edit_sharing, "EtcdEdits", Broken)
    (tmp_path / edit_sharing.WORD_FILE).write_text("test w1\n")
    with capture_logs() as lines, pytest.raises(asyncio.CancelledError):
        await sharing(tmp_path, "test").run()
    assert tried == ["w1"] * 3
    assert [line["event"] for line in lines] == ["internal_error"] * 2


async def test_the_word_of_another_cluster_is_not_that_of_this_one(tmp_path: Path) -> None:
    assert await sharing(tmp_path, "test")._recall() is None
    await sharing(tmp_path, "test")._remember("w1")
    assert await sharing(tmp_path, "test")._recall() == "w1"
    assert await sharing(tmp_path, "other")._recall() is None
    with capture_logs() as lines:
        await sharing(tmp_path / "absent", "test")._remember("w1")
    assert [line["event"] for line in lines] == ["state_error"]


def sharing(folder: Path, cluster: str) -> EditSharing:
    unused: Any = SimpleNamespace(follow=None)
    return EditSharing(
        unused,
        cluster,
        unused,
        unused,
        state_dir=str(folder),
        agreed=lambda: True,
        tell=lambda _event, **_facts: None,
    )
