"""A secret of the file goes only where the file sends it, whatever edits there are."""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from prober.config.configuration import Config
from prober.edits.edit import Edit
from prober.edits.overlay import Edited, overlay
from prober.model.definition import MONITOR, POOL
from prober.model.monitor import Monitor
from prober.model.option import Rejected
from prober.model.pool import derived_id
from prober.model.reach import TargetRules
from prober.model.secret import secrets_of
from tests.config.conftest import Read
from tests.edits.test_editor import asked
from tests.edits.test_overlay import creation, deletion, idle, monitor_of, pool_of
from tests.edits.test_overlay import patch as plain_patch
from tests.running import daemon

FILE = """\
defaults: {headers: {X-Default-Token: {env: DEFAULT}}}
pools:
- {name: web, backends: ["192.0.2.1:80", "192.0.2.2:80"]}
- {name: other, backends: ["192.0.2.9:80"]}
monitors:
- name: plain
  type: HTTP
  pool: web
  headers: {X-Api-Key: {file: key}, Authorization: Bearer inline, X-Plain: plain}
- name: posts
  type: HTTP
  targets: ["192.0.2.5:80"]
  headers: {}
  body: {file: key}
- name: sure
  type: HTTPS
  targets: ["192.0.2.6:443"]
  domain_name: shop.example
  headers: {Cookie: {env: COOKIE}}
  tls: {verify: true, ca_file: ca.pem, server_name: shop.example}
- name: loose
  type: HTTPS
  targets: ["192.0.2.7:443"]
  headers: {Cookie: {env: COOKIE}}
- name: pinned
  type: HTTPS
  targets: ["192.0.2.10:443"]
  headers: {Cookie: {env: COOKIE}}
  tls: {pin: ["sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="]}
- name: basic
  type: HTTP
  targets: ["192.0.2.11:80"]
  headers: {}
  basic_auth: {username: u, password: {file: key}}
- {name: token, type: HTTP, targets: ["192.0.2.12:80"], headers: {}, bearer: {env: COOKIE}}
- name: by-proxy
  type: HTTP
  targets: ["192.0.2.13:80"]
  headers: {}
  proxy: http://192.0.2.20:3128
  proxy_auth: {username: u, password: {env: COOKIE}}
- {name: by-default, type: HTTP, targets: ["192.0.2.8:80"]}
- {name: without, type: HTTP, pool: web, headers: {X-Plain: plain}}
"""
FILES = {"key": "hush\n", "ca.pem": "-----BEGIN CERTIFICATE-----"}
ENVIRONMENT = {"COOKIE": "session=hush", "DEFAULT": "default-hush"}
ELSEWHERE = ["203.0.113.1:80"]


@pytest.fixture
def file(read: Read) -> Config:
    return read(FILE, files=FILES, environment=ENVIRONMENT)


def patch(config: Config, name: str, /, kind: str = MONITOR, **content: Any) -> Edit:
    """Return an edit, which takes a monitor from its pool if it gives it targets."""
    if kind == MONITOR and "targets" in content:
        content = {"pool": None, **content}
    return plain_patch(config, name, kind, **content)


def contents(monitor: Monitor) -> set[str]:
    return {leaf.content for _, _, leaf in secrets_of(monitor.probe)}


def sent(config: Config) -> set[tuple[str, str]]:
    """Return what of the file's secrets is sent to which address."""
    pools = {each.name: each for each in config.model.pools}
    return {
        (content, str(backend.target(monitor.port)))
        for monitor in config.model.monitors
        for content in contents(monitor)
        if "hush" in content or "inline" in content
        for backend in pools[monitor.pool_name].backends
    }


def refused(config: Config, *edits: Edit) -> str:
    """Return why the last of some edits is idle; nothing may leak."""
    result = overlay(config, edits)
    assert sent(result.config) <= sent(config)
    assert edits[-1].named in result.idle
    return str(Rejected(*result.idle[edits[-1].named]))


def taken(config: Config, *edits: Edit) -> Edited:
    result = overlay(config, edits)
    assert not result.idle, idle(result)
    return result


PLAIN = {"address": "192.0.2.1", "port": 80}
MOVES: list[tuple[str, dict[str, Any]]] = [
    ("plain", {"targets": ELSEWHERE}),
    ("plain", {"targets": ["192.0.2.1:80", *ELSEWHERE]}),
    ("plain", {"pool": "other"}),
    ("plain", {"targets": [{**PLAIN, "probe_address": "192.0.2.66"}]}),
    ("plain", {"targets": [{**PLAIN, "probe_port": 81}]}),
    ("plain", {"port": 81}),
    ("plain", {"domain_name": "other.example"}),
    ("plain", {"http_method": "TRACE"}),
    ("plain", {"targets": ELSEWHERE, "headers": {"X-Api-Key": "<secret>"}}),
    ("plain", {"targets": ELSEWHERE, "headers": {"X-Api-Key": "new", "Authorization": "<secret>"}}),
    ("posts", {"targets": ELSEWHERE}),
    ("posts", {"targets": ELSEWHERE, "body": "<secret>"}),
    ("by-default", {"targets": ELSEWHERE}),
    ("sure", {"type": "HTTP"}),
    ("sure", {"type": "HTTP", "port": 80}),
    ("sure", {"tls": {"verify": False}}),
    ("sure", {"tls": {"verify": True}}),
    ("sure", {"tls": {"verify": True, "ca_file": "ca.pem", "server_name": "evil.example"}}),
    ("sure", {"domain_name": None}),
    ("loose", {"type": "HTTP"}),
    ("pinned", {"tls": {}}),
    ("pinned", {"tls": {"pin": [f"sha256/{'B' * 43}="]}}),
    ("pinned", {"tls": {"verify": True}}),
    ("basic", {"targets": ELSEWHERE}),
    ("basic", {"targets": ELSEWHERE, "basic_auth": {"username": "v", "password": "<secret>"}}),
    ("token", {"targets": ELSEWHERE}),
    ("plain", {"proxy": "http://203.0.113.1:3128"}),
    ("by-proxy", {"proxy": "http://203.0.113.1:3128"}),
    ("by-proxy", {"targets": ELSEWHERE}),
]
STAYS: list[tuple[str, dict[str, Any]]] = [
    ("plain", {"interval": 9, "rise": 5, "url_path": "/other", "enabled": False}),
    ("plain", {"targets": ["192.0.2.1:80"]}),
    ("plain", {"targets": ["192.0.2.2:80", "192.0.2.1:80"]}),
    ("plain", {"port": 80}),
    ("plain", {"name": "renamed"}),
    ("plain", {"type": "HTTPS", "tls": {"verify": True}}),
    ("plain", {"targets": ELSEWHERE, "headers": {"X-Api-Key": "new", "Authorization": "new"}}),
    ("plain", {"targets": ELSEWHERE, "headers": {"X-Plain": "plain"}}),
    ("plain", {"targets": ELSEWHERE, "type": "TCP"}),
    ("posts", {"targets": ELSEWHERE, "body": "new", "headers": {}}),
    ("posts", {"targets": ELSEWHERE, "body": None, "headers": {}}),
    ("sure", {"tls": {"verify": True, "ca_file": "ca.pem", "server_name": "shop.example"}}),
    ("loose", {"tls": {"verify": True}}),
    ("pinned", {"tls": {"pin": [f"sha256/{'A' * 43}="], "min_version": "1.3"}}),
    ("basic", {"follow_redirects": True}),
    ("basic", {"targets": ELSEWHERE, "basic_auth": None}),
    ("token", {"targets": ELSEWHERE, "bearer": None}),
    ("by-default", {"targets": ELSEWHERE, "headers": {}}),
    ("without", {"targets": ELSEWHERE}),
    ("without", {"proxy": "http://203.0.113.1:3128"}),
    ("by-proxy", {"interval": 9}),
    ("by-proxy", {"proxy": None, "proxy_auth": None}),
]


@pytest.mark.parametrize(("name", "content"), MOVES)
def test_an_edit_that_moves_a_secret_must_bring_its_own(
    file: Config, name: str, content: dict[str, Any]
) -> None:
    why = refused(file, patch(file, name, **content))
    assert "a secret of the configuration file" in why
    assert "server.api_targets.move_secrets" in why
    assert "hush" not in why


@pytest.mark.parametrize(("name", "content"), STAYS)
def test_an_edit_that_leaves_it_where_it_is_is_taken(
    file: Config, name: str, content: dict[str, Any]
) -> None:
    assert sent(taken(file, patch(file, name, **content)).config) <= sent(file)


@pytest.mark.parametrize(("name", "content"), MOVES)
def test_an_operator_opens_a_monitor_by_name(
    file: Config, name: str, content: dict[str, Any]
) -> None:
    def opened(*names: str) -> Config:
        rules = TargetRules(move_secrets=names)
        return replace(file, server=replace(file.server, api_targets=rules))

    taken(opened(name), patch(file, name, **content))
    refused(opened("another"), patch(file, name, **content))


def test_another_name_opens_nothing(file: Config) -> None:
    rules = TargetRules(move_secrets=("opened",))
    config = replace(file, server=replace(file.server, api_targets=rules))
    refused(config, patch(config, "plain", name="opened", targets=ELSEWHERE))


def test_a_pool_does_not_get_backends_that_monitors_of_the_file_send_secrets_to(
    file: Config,
) -> None:
    added = patch(file, "web", POOL, backends=["192.0.2.1:80", *ELSEWHERE])
    assert "monitor 'plain'" in refused(file, added)
    taken(file, patch(file, "web", POOL, backends=["192.0.2.2:80"]))
    taken(file, deletion(file, "plain"), added)
    taken(file, patch(file, "plain", targets=["192.0.2.1:80"]), added)
    own = patch(file, "plain", headers={"X-Api-Key": "new"})
    taken(file, own, added)


def test_the_pool_is_blamed_where_the_monitor_is_not_at_fault(file: Config) -> None:
    benign = patch(file, "plain", interval=9)
    added = patch(file, "web", POOL, backends=ELSEWHERE)
    result = overlay(file, [benign, added])
    assert set(result.idle) == {added.named}
    assert monitor_of(result.config, "plain").interval == 9
    assert pool_of(result.config, "web").backends == pool_of(file, "web").backends


def test_both_are_out_of_force_where_both_are_at_fault(file: Config) -> None:
    moved = patch(file, "plain", pool="other")
    added = patch(file, "other", POOL, backends=ELSEWHERE)
    result = overlay(file, [added, moved])
    assert moved.named in result.idle
    assert sent(result.config) <= sent(file)


def test_a_deleted_monitor_that_comes_back_brings_no_secret_elsewhere(file: Config) -> None:
    again = patch(file, "plain", headers={"X-Api-Key": "<secret>"}, type="HTTP", targets=ELSEWHERE)
    refused(file, again)


@pytest.mark.parametrize("more", [{}, {"type": "HTTPS"}, {"body": "own"}])
def test_what_is_made_over_the_api_gets_no_secret_of_the_defaults(
    file: Config, more: dict[str, Any]
) -> None:
    content = {"type": "HTTP", "targets": ELSEWHERE, **more}
    assert "headers.X-Default-Token" in refused(file, creation("new", **content))
    taken(file, creation("new", **content, headers={}))
    taken(file, creation("new", **{**content, "targets": ["192.0.2.8:80"]}))  # it is sent there


def test_a_new_pool_is_no_way_round(file: Config) -> None:
    pool = creation("mine", POOL, backends=ELSEWHERE)
    refused(file, pool, patch(file, "plain", pool="mine"))


def test_secrets_that_came_with_an_edit_are_its_own(file: Config) -> None:
    """Even with the same content: refusing it would tell that the guess was right."""
    same = {"X-Api-Key": "hush", "Authorization": "Bearer inline"}
    result = overlay(file, [patch(file, "plain", targets=ELSEWHERE, headers=same)])
    assert not result.idle


def test_an_edit_of_before_that_moves_a_secret_is_not_in_force_after_a_restart(
    file: Config,
) -> None:
    edits: Iterable[Edit] = [patch(file, "plain", targets=ELSEWHERE)]
    first = overlay(file, edits)
    again = overlay(file, first.edits.values(), first)
    assert first.idle == again.idle
    assert first.edits
    assert sent(again.config) == sent(file)


def test_over_the_api_such_an_edit_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("hush")
    config = {
        "server": {"writable": True},
        "pools": [{"name": "web", "backends": ["127.0.0.1:1"]}],
        "monitors": [
            {
                "name": "sec",
                "type": "HTTP",
                "pool": "web",
                "headers": {"X-Api-Key": {"file": "key"}},
            }
        ],
    }
    with daemon(config, tmp_path) as running:
        before = running.json("/api/v1/monitors/sec")
        moved = {"pool": None, "targets": ["127.0.0.1:2"]}
        for method, path, body, key in (
            ("PATCH", "monitors/sec", {"targets": ["127.0.0.1:2"]}, "headers.X-Api-Key"),
            ("PATCH", "monitors/sec", {"port": 2}, "headers.X-Api-Key"),
            ("PUT", "monitors/sec", {**before, **moved}, "headers"),
            ("PATCH", "pools/web", {"backends": ["127.0.0.1:1", "127.0.0.1:2"]}, "backends"),
        ):
            status, answer, _ = asked(running, method, f"/api/v1/{path}", body)
            assert status == 400, (path, answer)
            assert answer["problems"][0]["path"].startswith(key)
            assert "hush" not in json.dumps(answer)
        monitor = derived_id(MONITOR, "sec")
        v2 = {"healthmonitor": {"http_method": "TRACE"}}
        status = asked(running, "PUT", f"/v2.0/lbaas/healthmonitors/{monitor}", v2)[0]
        assert status in (400, 409)
        assert running.json("/api/v1/monitors/sec") == before
        assert running.json("/api/v1/edits") == {"edits": []}
        assert running.stop() == 0
