"""What describes the configuration agrees with what is read: schema, tables, effective options."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from prober.config.cluster_section import ClusterSection, EtcdSection, EtcdTls
from prober.config.configuration import Config
from prober.config.monitors import NO_DEFAULT, keys_of, types_by_key
from prober.config.reader import load
from prober.config.reference import SECTIONS, table, with_tables
from prober.config.schema import json_schema
from prober.config.search import PLACES, find_config
from prober.config.sections import KEYS
from prober.config.settings import Server
from prober.model.kinds import integer, text
from prober.model.monitor import Monitor
from prober.model.option import option, options_of, schema_of, show_options
from prober.model.pool import Backend, Pool
from prober.model.tls_settings import TlsSettings
from prober.probes import PROBE_TYPES
from tests import ROOT
from tests.config.judging import judge_of_all, judge_of_monitors

Read = Callable[..., Config]
Said = Callable[..., list[str]]

EXAMPLE = ROOT / "config/prober.yaml"
PIN = f"sha256/{'A' * 43}="
FULL: dict[str, dict[str, object]] = {
    "TCP": {"send": {"hex": "00ff"}, "expect": {"text": "ok"}, "send_proxy": "v2"},
    "UDP_CONNECT": {"send": {"base64": "aGk="}},
    "HTTP": {
        "http_method": "POST",
        "http_version": "1.0",
        "url_path": "/a?b",
        "expected_codes": "200-204, 301",
        "domain_name": "a.example",
        "headers": {"X": "y"},
        "body": "z",
        "body_regex": "a+",
        "body_limit": 5,
        "reject_body_regex": "b+",
        "expect_headers": {"X-Up": "^1$"},
        "reject_headers": {"x-down": "."},
        "expect_json": [
            {"path": "$.a", "equals": None},
            {"path": "$.b[*]", "in": [1, True, "x"], "at_least": 0.5, "at_most": 2},
            {"path": "$..c", "matches": "d", "exists": True},
        ],
        "follow_redirects": 3,
        "basic_auth": {"username": "u", "password": "<secret>"},
    },
    "HTTPS": {
        "bearer": "<secret>",
        "tls": {"verify": True, "min_version": "1.3", "alpn": ["h2"]},
        "proxy": "http://127.0.0.1:3128",
        "proxy_auth": {"username": "u", "password": "<secret>"},
    },
    "TLS": {
        "domain_name": "a.example",
        "tls": {"expires_within": "14d", "pin": [PIN], "expect_issuer": "a"},
        "steps": [
            {"expect_regex": r"^\S+ (?P<name>a)\r\n"},
            {"send": {"text": "${name} ${1} $${1}\r\n"}},
            {"expect": {"base64": "aGk="}},
        ],
    },
    "GRPC": {
        "service": "a.B",
        "authority": "c:1",
        "expected_codes": 5,
        "tls": {},
        "metadata": {"a": "b"},
    },
    "HTTP2_PING": {"domain_name": "a.example", "tls": {"verify": True}},
    "DNS": {
        "query_name": "a.example",
        "query_type": "TYPE65280",
        "query_class": "CH",
        "transport": "tls",
        "recursion_desired": False,
        "expected_rcodes": ["NXDOMAIN", "REFUSED"],
        "expect_answers": {"any": ["a"], "all": ["b"], "none": ["c"]},
        "min_answers": 3,
        "authoritative": True,
        "authenticated": True,
        "dnssec_ok": True,
        "tls": {"verify": True},
    },
}
ALONE: dict[str, object] = {"preset": "imap"}
"""Keys that exclude those of FULL."""
COMMON: dict[str, object] = {
    "name": "m",
    "targets": ["192.0.2.1:80", {"address": "h", "port": 1, "name": "n", "labels": {"a": "b"}}],
    "interval": "300ms",
    "fast_interval": "0.2s",
    "down_interval": "1m",
    "timeout": 0.05,
    "rise": 1,
    "fall": 100,
    "port": 81,
    "addresses": "first",
    "slow": "1ms",
    "enabled": False,
    "labels": {"c": "d"},
    "id": "11111111-1111-1111-1111-111111111111",
}


def shown(monitor: Monitor) -> dict[str, object]:
    return {**show_options(monitor), **show_options(monitor.probe)}


@pytest.mark.parametrize("type_name", PROBE_TYPES)
@pytest.mark.parametrize("common", [{"name": "m", "targets": ["h:1"]}, COMMON])
def test_the_effective_options_read_again_give_the_same_monitor(
    read: Read, type_name: str, common: dict[str, object]
) -> None:
    probe = PROBE_TYPES[type_name]
    required = {key: probe.example[key] for key in schema_of(probe)["required"]}  # type: ignore[attr-defined]  # a list
    alone = {key: ALONE[key] for key in options_of(probe).keys() & ALONE.keys()}
    for own in (
        required,
        probe.example,
        {**required, **alone},
        FULL.get(type_name, {**probe.example}),
    ):
        written = {**common, "type": type_name, **own}
        [monitor] = read(json.dumps({"monitors": [written]})).model.monitors
        again = read(json.dumps({"monitors": [shown(monitor)]})).model.monitors
        assert again == (monitor,)
        judge_of_monitors(type_name).validate(written)
        judge_of_monitors(type_name).validate(shown(monitor))


def test_effective_pools_read_again_are_the_same(read: Read) -> None:
    config = load(str(EXAMPLE), environment={})
    for pool in config.model.pools:
        assert read(json.dumps({"pools": [show_options(pool)]})).model.pools == (pool,)


def test_the_full_examples_hold_every_key_of_their_type() -> None:
    for type_name, full in FULL.items():
        others = {key for other in ("TCP", "HTTP", "HTTPS", "TLS") for key in FULL[other]}
        assert options_of(PROBE_TYPES[type_name]).keys() <= {*full, *others, *ALONE}


@pytest.mark.parametrize("name", ["prober.yaml", "minimal.yaml"])
def test_the_example_files_are_valid_and_fit_the_schema(name: str) -> None:
    file = ROOT / "config" / name
    config = load(str(file), environment={})
    assert config.model.checks()
    judge_of_all().validate(yaml.safe_load(file.read_text(encoding="utf-8")))


def test_the_annotated_example_shows_every_type_and_every_key() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    types = {monitor.type for monitor in load(str(EXAMPLE), environment={}).model.monitors}
    assert types == set(PROBE_TYPES)
    keys = {*KEYS, *types_by_key()}
    for cls in (Server, ClusterSection, EtcdSection, EtcdTls, Monitor, Pool, Backend, TlsSettings):
        keys |= options_of(cls).keys()
    missing = {key for key in keys if not re.search(rf"\b{key}\b", text)}
    assert not missing


def test_the_tables_of_the_documentation_are_those_of_the_options() -> None:
    page = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    command = "python -m prober.config.reference docs/configuration.md"
    assert with_tables(page) == page, f"the tables are out of date, run: {command}"
    documented = set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))
    for type_name in PROBE_TYPES:
        assert documented >= set(keys_of(type_name))


def test_only_keys_of_server_and_cluster_need_a_restart() -> None:
    page = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    assert "All other sections take effect on reload." in page
    for name, section in SECTIONS.items():
        fixed = [key for key, option in options_of(section).items() if not option.live]
        assert not fixed or name in ("server", "cluster", "etcd"), name
    for probe in PROBE_TYPES.values():
        assert all(option.live for option in options_of(probe).values())


def test_a_table_says_since_when_a_key_exists_its_unit_and_that_it_is_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @dataclass(frozen=True)
    class Section:
        size: int = option(integer(1, 9), default=5, doc="how large", unit="bytes", since="0.2.0")
        key: str = option(text(), default="", doc="what opens it", secret=True, live=False)

    monkeypatch.setitem(SECTIONS, "made up", Section)
    assert table("made up").splitlines()[2:] == [
        "| `size` | 1 to 9 bytes | `5` | how large; since 0.2.0 | on reload |",
        "| `key` | text |  | what opens it; never shown | on restart |",
    ]


def test_an_outdated_table_is_replaced() -> None:
    page = "a\n<!-- keys: target_group -->\nold\n<!-- end -->\nb"
    assert with_tables(page) == (
        "a\n<!-- keys: target_group -->\n| key | values | default | meaning |\n"
        "| --- | --- | --- | --- |\n"
        "| `targets` | list of text | required | host:port of each backend, or host |\n"
        "| `labels` | mapping |  | labels of these backends |\n<!-- end -->\nb"
    )


@pytest.mark.parametrize(
    "broken",
    [
        {"monitor": []},
        {"monitors": [{"name": "a", "type": "TCP", "targets": ["h:1"], "url_path": "/"}]},
        {"monitors": [{"name": "a", "type": "TCP"}]},
        {"monitors": [{"name": "a", "type": "TCP", "pool": "p", "targets": ["h:1"]}]},
        {"monitors": [{"name": "a", "type": "TPC", "pool": "p"}]},
        {"server": {"auth": {}}},
        {"defaults": {"name": "a"}},
        {"pools": [{}]},
    ],
)
def test_the_schema_refuses_what_the_reader_refuses(broken: object, problems: Said) -> None:
    assert problems(json.dumps(broken))
    assert not judge_of_all().is_valid(broken)


def test_the_schema_lets_every_default_stand() -> None:
    properties: Any = json_schema()["properties"]
    assert properties["defaults"]["properties"].keys() == {
        *options_of(Monitor),
        *types_by_key(),
    } - set(NO_DEFAULT)


@pytest.mark.parametrize(
    ("given", "environment", "there", "found"),
    [
        ("a", {"PROBER_CONFIG": "b"}, PLACES, "a"),
        (None, {"PROBER_CONFIG": "b"}, PLACES, "b"),
        (None, {"PROBER_CONFIG": ""}, PLACES, "prober.yaml"),
        (None, {}, PLACES[1:], "config/prober.yaml"),
        (None, {}, PLACES[2:], "/etc/prober/prober.yaml"),
        (None, {}, (), None),
    ],
)
def test_the_configuration_is_looked_for_in_this_order(
    given: str | None, environment: dict[str, str], there: tuple[str, ...], found: str | None
) -> None:
    assert find_config(given, environment, there.__contains__) == found
