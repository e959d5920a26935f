"""Edits laid over a configuration: what they change, what survives, and when the file wins."""

from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prober.config.configuration import Config
from prober.config.reader import parse
from prober.edits.edit import Edit
from prober.edits.overlay import Edited, overlay
from prober.edits.patches import created_monitor, created_pool, hidden, patched, unknown_secrets
from prober.model.definition import MONITOR, POOL, Origin
from prober.model.monitor import Monitor
from prober.model.option import ReadContext, Rejected, dotted, show_options
from prober.model.pool import Pool, derived_id
from prober.model.reach import TargetRules
from prober.probes.http import HttpProbe
from tests.config.conftest import Read

FILE = """\
defaults: {fall: 4, url_path: /health}
pools:
- {name: web, backends: ["192.0.2.1:80", "192.0.2.2:80"]}
- {name: api, load_balancer: lb, backends: ["192.0.2.3:80"]}
monitors:
- {name: a, type: TCP, pool: web, interval: 10s}
- name: b
  type: HTTPS
  pool: api
  down_interval: 5s
  expected_codes: 200-299
  headers: {X-Key: {env: KEY}, X-Plain: plain}
  body: {file: body.txt}
  tls: {verify: true, ca_file: ca.pem}
- {name: c, type: TCP, targets: ["192.0.2.4:80"], send: {text: hello}}
"""
FILES = {"body.txt": "hush\n", "ca.pem": "-----BEGIN CERTIFICATE-----"}


@pytest.fixture
def file(read: Read) -> Config:
    return read_file(read)


@cache
def parsed() -> Config:
    """Read the file once for many examples."""
    outside = ReadContext("", FILES.__getitem__, {"KEY": "secret"})
    return parse(FILE, source="prober.yaml", outside=outside)


def read_file(read: Read, old: str = "", new: str = "") -> Config:
    """Read the file, with a change."""
    assert old in FILE
    return read(FILE.replace(old, new, 1), files=FILES, environment={"KEY": "secret"})


def monitor_of(config: Config, name: str) -> Monitor:
    return next(each for each in config.model.monitors if each.name == name)


def pool_of(config: Config, name: str) -> Pool:
    return next(each for each in config.model.pools if each.name == name)


def patch(config: Config, name: str, /, kind: str = MONITOR, **content: Any) -> Edit:
    """Return an edit of something in the file."""
    item = monitor_of(config, name) if kind == MONITOR else pool_of(config, name)
    return Edit(kind, item.id, content, config.written[kind, item.id].digest, 1.0)


def deletion(config: Config, name: str, kind: str = MONITOR) -> Edit:
    return patch(config, name, kind)._replace(content=None)


def creation(name: str, /, kind: str = MONITOR, **content: Any) -> Edit:
    return Edit(kind, derived_id(kind, name), {"name": name, **content}, None, 1.0)


def edited(config: Config, *edits: Edit) -> Config:
    """Return what edits make of a configuration; all must be in force."""
    result = overlay(config, edits)
    assert not result.idle
    assert not result.superseded
    return result.config


def idle(result: Edited) -> dict[str, str]:
    """Return why edits are idle, by the name of what they are of."""
    names = result.names()
    return {names[named]: str(Rejected(*why)) for named, why in result.idle.items()}


# What a patch changes, and what survives it


def test_what_a_patch_does_not_name_survives_secrets_included(file: Config) -> None:
    before = monitor_of(file, "b")
    after = monitor_of(edited(file, patch(file, "b", rise=9)), "b")
    assert after.rise == 9
    assert after.probe == before.probe
    assert after.origin is Origin.EDITED
    assert not after.under_policy
    assert show_options(after) == {**show_options(before), "rise": 9}


@pytest.mark.parametrize(
    ("name", "content", "intervals"),
    [
        ("a", {"interval": "20s"}, (20.0, 1.0, 20.0)),
        ("a", {"interval": "500ms"}, (0.5, 0.5, 0.5)),
        ("a", {"interval": None}, (5.0, 1.0, 5.0)),
        ("a", {"fast_interval": 3}, (10.0, 3.0, 10.0)),
        ("b", {"interval": 7}, (7.0, 1.0, 5.0)),
        ("b", {"interval": 7, "down_interval": None}, (7.0, 1.0, 7.0)),
    ],
)
def test_intervals_that_follow_from_another_keep_following_it(
    file: Config, name: str, content: dict[str, Any], intervals: tuple[float, ...]
) -> None:
    after = monitor_of(edited(file, patch(file, name, **content)), name)
    assert (after.interval, after.fast_interval, after.down_interval) == intervals


def test_a_key_goes_back_to_the_default_of_the_file(file: Config) -> None:
    after = monitor_of(edited(file, patch(file, "a", fall=9)), "a")
    assert after.fall == 9
    after = monitor_of(edited(file, patch(file, "a", fall=None, interval=None)), "a")
    assert (after.fall, after.interval) == (4, 5.0)


@pytest.mark.parametrize(
    ("new", "kept"),
    [
        ("HTTP", {"expected_codes": "200-299", "headers": {"X-Key": "<secret>"}}),
        ("TLS", {"tls": {"verify": True, "ca_file": "ca.pem"}}),
        ("GRPC", {"tls": {"verify": True, "ca_file": "ca.pem"}, "expected_codes": "0"}),
        ("TCP", {}),
    ],
)
def test_another_type_keeps_the_keys_that_mean_the_same_in_it(
    file: Config, new: str, kept: dict[str, Any]
) -> None:
    rules = TargetRules(move_secrets=("b",))  # or HTTP would send them in plain text
    file = replace(file, server=replace(file.server, api_targets=rules))
    after = monitor_of(edited(file, patch(file, "b", type=new)), "b")
    shown = show_options(after.probe)
    assert after.type == new
    for key, value in kept.items():
        found = shown[key]
        if isinstance(value, dict):
            assert isinstance(found, dict)
            assert value.items() <= found.items()
        else:
            assert found == value
    if new == "TCP":
        assert not shown


def test_a_secret_that_is_shown_masked_can_be_given_back(file: Config) -> None:
    headers = {"X-Key": "<secret>", "X-More": "more"}
    after = monitor_of(edited(file, patch(file, "b", headers=headers, body="<secret>")), "b").probe
    assert isinstance(after, HttpProbe)
    assert {name: value.content for name, value in after.headers.items()} == {
        "X-Key": "secret",
        "X-More": "more",
    }
    assert after.headers["X-Key"].masked
    assert after.body
    assert after.body.content == "hush"
    assert not unknown_secrets(after)


def test_a_secret_that_does_not_exist_cannot_be_kept(file: Config) -> None:
    headers = {"X-New": "<secret>"}
    after = monitor_of(edited(file, patch(file, "b", headers=headers)), "b")
    assert [complaint.path for complaint in unknown_secrets(after.probe)] == [("headers", "X-New")]


@pytest.mark.parametrize(
    ("old", "new", "under_policy", "backends"),
    [
        ("a", {"rise": 3}, False, []),
        ("a", {"port": 22}, True, []),
        ("a", {"pool": "api"}, True, []),
        ("a", {"pool": None, "targets": ["192.0.2.9:80"]}, True, ["192.0.2.9:80"]),
        ("c", {"targets": ["192.0.2.4:80", "192.0.2.9:80"]}, False, ["192.0.2.9:80"]),
    ],
)
def test_what_the_api_points_elsewhere_is_under_the_target_policy(
    file: Config, old: str, new: dict[str, Any], under_policy: bool, backends: list[str]
) -> None:
    config = edited(file, patch(file, old, **new))
    after = monitor_of(config, old)
    assert after.under_policy is under_policy
    pool = pool_of(config, after.pool_name)
    assert [each.key for each in pool.backends if each.under_policy] == backends


def test_backends_that_the_file_does_not_have_are_under_the_target_policy(file: Config) -> None:
    config = edited(file, patch(file, "web", POOL, backends=["192.0.2.1:80", "192.0.2.9:80"]))
    web = pool_of(config, "web")
    assert [backend.under_policy for backend in web.backends] == [False, True]
    assert web.origin is Origin.EDITED
    assert [check.under_policy for check in config.model.checks()][:2] == [False, True]


def test_a_patch_after_a_patch(file: Config) -> None:
    c = monitor_of(file, "c")
    first = patched({}, {"rise": 3, "send": {"text": "x"}}, c)
    assert patched(first, {"rise": None, "fall": 2}, c) == {
        "rise": None,
        "fall": 2,
        "send": {"text": "x"},
    }
    moved = patched(first, {"pool": "web"}, c)
    assert (moved["pool"], moved["targets"]) == ("web", None)
    assert "send" not in patched(first, {"type": "HTTP"}, c)
    b = monitor_of(file, "b")
    assert patched({"headers": {"A": "1"}}, {"headers": {"A": "<secret>", "B": "2"}}, b) == {
        "headers": {"A": "1", "B": "2"}
    }


@pytest.mark.parametrize(
    ("name", "content", "path", "message"),
    [
        ("a", {"id": derived_id(MONITOR, "z")}, "id", "cannot be changed"),
        ("a", {"no_such": None}, "no_such", "unknown key"),
    ],
)
def test_what_no_patch_can_say(
    file: Config, name: str, content: dict[str, Any], path: str, message: str
) -> None:
    with pytest.raises(Rejected, match=message) as caught:
        patched({}, content, monitor_of(file, name))
    assert dotted(caught.value.complaints[0].path) == path


def test_a_pool_keeps_its_name(file: Config) -> None:
    with pytest.raises(Rejected, match="cannot be changed"):
        patched({}, {"name": "other"}, pool_of(file, "web"))


# What is made


def test_a_created_monitor_has_the_defaults_of_the_file(file: Config) -> None:
    config = edited(file, creation("n", type="HTTP", pool="web"))
    made = monitor_of(config, "n")
    assert (made.fall, made.origin, made.under_policy) == (4, Origin.API, True)
    assert isinstance(made.probe, HttpProbe)
    assert made.probe.url_path == "/health"
    assert len(config.model.checks()) == 6


@pytest.mark.parametrize(
    ("content", "paths"),
    [
        ({"type": "HTTP", "headers": {"A": {"env": "KEY"}}}, ["headers.A"]),
        ({"type": "HTTP", "headers": {"A": {"file": "body.txt"}}}, ["headers.A.file"]),
        ({"type": "HTTP", "body": {"file": "/etc/passwd"}}, ["body.file"]),
        ({"type": "TLS", "tls": {"verify": True, "ca_file": "ca.pem"}}, ["tls.ca_file"]),
        (
            {"type": "TLS", "tls": {"cert_file": "ca.pem", "key_file": "ca.pem"}},
            ["tls.cert_file", "tls.key_file"],
        ),
    ],
)
def test_the_api_names_nothing_that_is_read_on_this_machine(
    file: Config, content: dict[str, Any], paths: list[str]
) -> None:
    with pytest.raises(Rejected) as caught:
        created_monitor({"name": "n", "pool": "web", **content}, file.defaults)
    assert [dotted(complaint.path) for complaint in caught.value.complaints] == paths
    for complaint in caught.value.complaints:
        assert complaint.message.endswith(
            "not allowed over the API: it would be read on prober's host"
        )


def test_a_list_of_targets_is_read_on_this_machine_as_well(file: Config) -> None:
    content = {"name": "n", "type": "TCP", "targets_from": {"file": "list.json"}}
    with pytest.raises(Rejected, match="not allowed over the API"):
        created_monitor(content, file.defaults)


def test_a_label_may_be_called_env_or_file(file: Config) -> None:
    labels = {"env": "prod", "file": "x"}
    made = created_monitor(
        {"name": "n", "type": "TCP", "pool": "p", "labels": labels}, file.defaults
    )
    assert made.labels == labels


def test_files_that_the_file_names_may_stay(file: Config) -> None:
    tls = {"verify": True, "ca_file": "ca.pem", "min_version": "1.3"}
    after = monitor_of(edited(file, patch(file, "b", tls=tls)), "b")
    assert after.tls
    assert (after.tls.ca_file, after.tls.min_version) == ("ca.pem", "1.3")
    other = overlay(file, [patch(file, "b", tls={**tls, "ca_file": "/etc/passwd"})])
    assert "not allowed over the API" in idle(other)["b"]


def test_a_created_pool_is_wholly_under_the_target_policy() -> None:
    pool = created_pool({"name": "p", "backends": ["h:80", {"address": "i", "port": 1}]})
    assert all(backend.under_policy for backend in pool.backends)
    with pytest.raises(Rejected, match="unknown key"):
        created_pool({"name": "p", "backend": []})


def test_secrets_of_an_edit_are_masked_as_they_are_in_its_monitor() -> None:
    content = {"headers": {"Authorization": "Bearer x", "X-A": "a"}, "body": "b", "rise": 3}
    shown = {"headers": {"Authorization": "<secret>", "X-A": "a"}, "body": "b"}
    assert hidden(content, shown) == {**content, **shown}
    assert hidden(content, {})["headers"] == {"Authorization": "<secret>", "X-A": "<secret>"}
    assert hidden(content, {})["body"] == "<secret>"


# When the file wins


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("pool: web, interval: 10s", "pool: web, interval: 11s", "its definition in the file has"),
        ("- {name: a, type: TCP, pool: web, interval: 10s}\n", "", "no longer defines it"),
        ("name: a, type", "name: renamed, type", "no longer defines it"),
    ],
)
def test_the_file_wins_where_its_own_definition_changes(
    read: Read, file: Config, old: str, new: str, why: str
) -> None:
    later = read_file(read, old, new)
    result = overlay(later, [patch(file, "a", rise=9)], overlay(file, [patch(file, "a", rise=9)]))
    assert result.config.model == later.model
    ((edit, _, said),) = result.superseded
    assert edit.kind == MONITOR
    assert why in said
    assert not result.edits


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("name: c", "name: d"),
        ("{name: a, type: TCP, pool: web", "{type: TCP, name: a, pool: web"),
        ("fall: 4", "fall: 5"),
        ("defaults:", "# a comment\ndefaults:"),
        ("192.0.2.2:80", "192.0.2.8:80"),
    ],
)
def test_an_edit_stands_whatever_else_changes(read: Read, file: Config, old: str, new: str) -> None:
    later = read_file(read, old, new)
    result = overlay(later, [patch(file, "a", rise=9)], overlay(file, [patch(file, "a", rise=9)]))
    after = monitor_of(result.config, "a")
    assert after.rise == 9
    assert after.fall == monitor_of(later, "a").fall
    assert not result.superseded


@pytest.mark.parametrize(
    "edit",
    [
        creation("c", type="TCP", pool="web"),
        creation("z", type="TCP", pool="web")._replace(id=derived_id(MONITOR, "c")),
        creation("c", type="TCP", pool="web")._replace(id=derived_id(MONITOR, "z")),
        creation("web", POOL),
        creation("c", POOL),
    ],
)
def test_the_file_wins_where_it_begins_to_define_what_was_made(file: Config, edit: Edit) -> None:
    result = overlay(file, [edit])
    assert [each.why for each in result.superseded] == ["the file now defines it"]
    assert result.config.model == file.model


def test_the_file_wins_a_name_that_an_edit_gave_to_another_monitor(
    read: Read, file: Config
) -> None:
    rename = patch(file, "a", name="d")
    assert monitor_of(edited(file, rename), "d").id == monitor_of(file, "a").id
    later = read_file(read, "name: c", "name: d")
    (lost,) = overlay(later, [rename]).superseded
    assert "another monitor with this name" in lost.why


# What cannot be for the moment


def test_an_edit_without_its_pool_is_idle_until_the_pool_is_there(read: Read, file: Config) -> None:
    edits = (
        creation("n", type="TCP", pool="api"),
        patch(file, "a", pool="api"),
    )
    assert len(edited(file, *edits).model.monitors) == 4
    bare = FILE.replace("- {name: api, load", "- {name: other, load").replace(
        "pool: api", "pool: web"
    )
    without = read(bare, files=FILES, environment={"KEY": "secret"})
    result = overlay(without, edits)
    assert idle(result) == {"n": "unknown pool 'api'", "a": "unknown pool 'api'"}
    assert result.config.model == without.model
    assert set(result.edits) == {edit.named for edit in edits}
    assert len(overlay(file, result.edits.values(), result).config.model.monitors) == 4


def test_a_pool_that_is_used_cannot_be_deleted(file: Config) -> None:
    result = overlay(file, [deletion(file, "web", POOL)])
    assert idle(result) == {"web": "monitor 'a' uses pool 'web'"}
    assert result.config.model == file.model
    both = edited(file, deletion(file, "web", POOL), deletion(file, "a"))
    assert [pool.name for pool in both.model.pools] == ["api", "c"]


def test_names_are_taken_once(file: Config) -> None:
    two = (creation("n", type="TCP", pool="web"), creation("n", type="TCP", pool="web"))
    result = overlay(file, [two[0], two[1]._replace(id=derived_id(MONITOR, "m"))])
    assert idle(result) == {"n": "the name 'n' is taken"}
    result = overlay(file, [creation("n", POOL), creation("n", type="TCP", targets=["h:1"])])
    assert list(idle(result).values()) == ["the name 'n' is taken"]


@pytest.mark.parametrize("name", [".", ".."])
def test_an_edit_cannot_give_a_name_that_no_path_can_hold(file: Config, name: str) -> None:
    """A browser and most proxies drop such a segment from a path (RFC 3986, section 5.2.4)."""
    result = overlay(file, [creation(name, type="TCP", targets=["h:1"]), creation(name, POOL)])
    assert len(idle(result)) == 1
    assert "is not a usable name" in idle(result)[name]
    assert result.config.model == file.model
    with pytest.raises(Rejected, match="is not a usable name"):
        created_pool({"name": name})


# What is not touched stays the very same


def test_what_an_edit_does_not_touch_stays_the_same_object(read: Read, file: Config) -> None:
    made = creation("n", type="TCP", targets=["192.0.2.9:80"])
    first = overlay(file, [made])
    second = overlay(file, [made, patch(file, "a", rise=9)], first)
    for name in ("b", "c", "n"):
        assert monitor_of(second.config, name) is monitor_of(first.config, name)
        own = monitor_of(second.config, name).pool_name
        assert pool_of(second.config, own) is pool_of(first.config, own)
    later = overlay(read_file(read), [made], second)
    assert monitor_of(later.config, "n") is monitor_of(first.config, "n")
    other = overlay(read_file(read, "fall: 4", "fall: 5"), [made], second)
    assert monitor_of(other.config, "n").fall == 5


def test_an_edit_that_says_what_the_file_says_is_void(file: Config) -> None:
    result = overlay(file, [patch(file, "a", interval="10s"), patch(file, "b", rise=9)])
    named = (MONITOR, monitor_of(file, "a").id)
    assert {each: made.is_void for each, made in result.made.items()} == {
        named: True,
        (MONITOR, monitor_of(file, "b").id): False,
    }


PATCHES = st.fixed_dictionaries(
    {},
    optional={
        "rise": st.one_of(st.none(), st.integers(1, 100)),
        "interval": st.one_of(st.none(), st.integers(1, 100)),
        "pool": st.sampled_from(["web", "api", "made", "gone"]),
        "type": st.sampled_from(["TCP", "HTTP", "GRPC", "nonsense"]),
        "port": st.integers(0, 70000),
        "headers": st.just({"X-Key": "<secret>"}),
        "name": st.sampled_from(["a", "b", "z", ""]),
    },
)


@given(
    patches=st.dictionaries(st.sampled_from("abc"), st.one_of(st.none(), PATCHES)),
    pools=st.dictionaries(
        st.sampled_from(["web", "api"]),
        st.one_of(st.none(), st.fixed_dictionaries({"backends": st.just(["192.0.2.7:80"])})),
    ),
    made=st.lists(PATCHES, max_size=2),
)
def test_any_edits_leave_a_valid_model_and_no_edits_leave_that_of_the_files(
    patches: dict[str, dict[str, Any] | None],
    pools: dict[str, dict[str, Any] | None],
    made: list[dict[str, Any]],
) -> None:
    file = parsed()
    edits = [patch(file, name)._replace(content=content) for name, content in patches.items()]
    edits += [patch(file, name, POOL)._replace(content=each) for name, each in pools.items()]
    edits += [creation("made", POOL, backends=["192.0.2.8:80"])]
    edits += [creation(f"n{i}", **{"type": "TCP", **each}) for i, each in enumerate(made)]
    result = overlay(file, edits)
    model = result.config.model
    names = [each.name for each in model.monitors], [each.name for each in model.pools]
    assert all(len(set(each)) == len(each) for each in names)
    assert len({check.key for check in model.checks()}) == len(model.checks())
    assert overlay(file, result.edits.values(), result).config.model == model
    assert overlay(file, result.edits.values()).config.model == model
    assert overlay(file, (), result).config is file


# Monitors and pools that do not fit each other


def test_an_edit_cannot_take_the_ports_of_a_pool_that_needs_them(file: Config) -> None:
    portless = patch(file, "web", POOL, backends=["192.0.2.1:80", "192.0.2.9"])
    result = overlay(file, [portless])
    assert idle(result) == {"web": "backend '192.0.2.9' has no port, which TCP monitors need"}
    assert pool_of(result.config, "web").backends == pool_of(file, "web").backends


def test_of_two_edits_that_do_not_fit_the_later_is_idle(file: Config) -> None:
    hosts = creation("hosts", POOL, backends=["192.0.2.9"])
    for at, which in ((0.5, "hosts"), (1.5, "d")):
        tcp = creation("d", type="TCP", pool="hosts")._replace(at=at)
        assert which in idle(overlay(file, [hosts, tcp]))
    assert not idle(overlay(file, [hosts, creation("d", type="ICMP", pool="hosts")]))
