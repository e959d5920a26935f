"""The configuration as a whole: sections, defaults, pools, includes, target lists, secrets."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from prober.config.configuration import Config
from prober.config.problem import ConfigError, Problem
from prober.config.reader import load
from prober.model.monitor import Monitor
from prober.model.option import Complaint, show_options
from prober.model.probe import Target
from prober.probes import PROBE_TYPES
from prober.probes.http import HttpProbe
from tests import ROOT

Read = Callable[..., Config]
Said = Callable[..., list[str]]
Write = Callable[..., None]

WEB = "{name: web, type: HTTP, targets: ['192.0.2.1:80']}"
HOST_PORT = "host:port, with an IPv6 address in brackets"
ONE_TYPE = f"one of {', '.join(PROBE_TYPES)}"
CODES = "codes from 100 to 599 such as 200, 200,202 or 200-204,301"


def test_six_mistakes_give_six_problems_in_the_order_of_their_lines(problems: Said) -> None:
    text = """\
server: {listen: ["127.0.0.1:7762"], writeable: true}
defaults: {timeout: 10ms}
monitors:
  - name: a
    type: HTTP
    pool: wbe
    intervall: 5s
  - type: TCP
    targets: ["192.0.2.1:"]
pools:
  - {name: web, backends: ["192.0.2.1:99999"]}
"""
    assert problems(text) == [
        "1: server.writeable: unknown key; did you mean 'writable'?",
        "2: defaults.timeout: expected a duration from 50ms to 1h, got '10ms'",
        "6: monitors[0].pool: unknown pool 'wbe'; did you mean 'web'?",
        "7: monitors[0].intervall: unknown key; did you mean 'interval'?",
        "8: monitors[1]: missing key 'name'",
        f"9: monitors[1].targets[0]: expected {HOST_PORT}, got '192.0.2.1:'",
        "11: pools[0].backends[0]: expected a port from 1 to 65535, got 99999",
    ]


def test_a_misspelt_type_does_not_hide_what_else_is_wrong(problems: Said) -> None:
    text = """\
monitors:
  - name: a
    type: https
    targets: ["192.0.2.1:443"]
    expected_codes: 2xx
    service: b
"""
    said = problems(text)
    assert [line.partition(": expected")[0] for line in said] == [
        "3: monitors[0].type",
        "5: monitors[0].expected_codes",
        "6: monitors[0].service: belongs to GRPC monitors, not to HTTPS",
    ]
    assert said[0].endswith("got 'https'; did you mean 'HTTPS'?")


def test_a_monitor_of_no_known_type_has_its_other_keys_checked(problems: Said) -> None:
    text = "monitors:\n- {name: a, type: HTPP, targets: ['192.0.2.1:80'],\n   url_pth: /, rise: 0}"
    assert problems(text) == [
        f"2: monitors[0].type: expected {ONE_TYPE}, got 'HTPP'; did you mean 'HTTP'?",
        "3: monitors[0].rise: expected a whole number from 1 to 100, got 0",
        "3: monitors[0].url_pth: unknown key; did you mean 'url_path'?",
    ]


def test_an_empty_mapping_is_a_configuration_without_monitors(read: Read) -> None:
    config = read("{}")
    assert config.model.monitors == ()
    assert config.server.listen == (Target("127.0.0.1", 7762),)


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("0.0.0.0:0", Target("0.0.0.0", 0)),
        ("[::]:7762", Target("::", 7762)),
        ("localhost:65535", Target("localhost", 65535)),
    ],
)
def test_the_server_listens_on_host_and_port(read: Read, written: str, address: Target) -> None:
    assert read(json.dumps({"server": {"listen": [written]}})).server.listen == (address,)


@pytest.mark.parametrize(
    "written",
    ["[::1:80", "::1:80", "[127.0.0.1]:80", "a b:80", ":80", "h:65536", "h:", 80, "[fe80::1%e]:1"],
)
def test_other_listen_addresses_are_refused(problems: Said, written: str) -> None:
    [said] = problems(json.dumps({"server": {"listen": [written]}}))
    assert said.startswith("1: server.listen[0]: ")


def test_the_state_directory_starts_at_the_file(tmp_path: Path) -> None:
    file = tmp_path / "prober.yaml"
    file.write_text("server: {state_dir: state}")
    assert load(str(file), environment={}).server.state_dir == str(tmp_path / "state")


def test_a_file_that_is_not_there_is_a_problem_without_a_line() -> None:
    with pytest.raises(ConfigError, match=r"^no/such.yaml: cannot read the file: No such file"):
        load("no/such.yaml", environment={})


def test_a_file_that_is_not_utf_8_is_a_problem_of_its_line(tmp_path: Path) -> None:
    file = tmp_path / "prober.yaml"
    file.write_bytes(b"monitors: []\n# caf\xe9\n")
    with pytest.raises(ConfigError, match=r"prober.yaml:2: the file is not UTF-8 text$"):
        load(str(file), environment={})


def test_a_byte_order_mark_is_passed_over(read: Read) -> None:
    assert read("\ufeff{}").model == read("\ufeffmonitors: []").model


def test_a_problem_writes_strange_keys_so_that_they_cannot_break_a_line() -> None:
    problem = Problem("f", 3, ("monitors", 0, "labels", "a\nb"), "no")
    assert str(problem) == r"f:3: monitors[0].labels['a\nb']: no"


# defaults


def test_defaults_stand_in_for_what_a_monitor_leaves_out(read: Read) -> None:
    defaults = "defaults: {interval: 7s, rise: 4, labels: {a: b}, url_path: /up}"
    config = read(
        f"{defaults}\nmonitors:\n- {WEB}\n"
        "- {name: b, type: TCP, targets: ['192.0.2.1:80'], rise: 1, labels: {c: d}}"
    )
    web, tcp = config.model.monitors
    assert (web.interval, web.rise, web.labels) == (7.0, 4, {"a": "b"})
    assert isinstance(web.probe, HttpProbe)
    assert web.probe.url_path == "/up"
    assert (tcp.interval, tcp.rise, tcp.labels) == (7.0, 1, {"c": "d"})


def test_a_default_goes_to_the_types_that_allow_its_value(read: Read) -> None:
    config = read(
        f"defaults: {{expected_codes: 200-204}}\nmonitors:\n- {WEB}\n"
        "- {name: b, type: GRPC, targets: ['192.0.2.1:80']}"
    )
    shown = [show_options(monitor.probe)["expected_codes"] for monitor in config.model.monitors]
    assert shown == ["200-204", "0"]


def test_a_bad_default_is_named_once(problems: Said) -> None:
    monitors = "".join(f"- {WEB.replace('web', f'web-{i}')}\n" for i in range(5))
    assert problems(f"monitors:\n{monitors}defaults: {{expected_codes: 900}}") == [
        f"7: defaults.expected_codes: expected {CODES}, got 900"
    ]


@pytest.mark.parametrize("key", ["name", "id", "type", "pool", "targets", "targets_from"])
def test_what_is_a_monitors_own_has_no_default(problems: Said, key: str) -> None:
    assert problems(f"defaults: {{{key}: x}}") == [
        f"1: defaults.{key}: cannot have a default; set it in each monitor"
    ]


def test_a_default_that_does_not_fit_a_monitor_is_named_there(problems: Said) -> None:
    text = f"defaults: {{body_regex: ok}}\nmonitors:\n- {WEB[:-1]}, http_method: HEAD}}"
    assert problems(text) == ["3: monitors[0].body_regex: the reply to HEAD has no body"]


# pools, names and ids


def test_targets_make_a_pool_of_the_monitors_own_name(read: Read) -> None:
    model = read(f"monitors: [{WEB}]").model
    assert [(pool.name, pool.load_balancer) for pool in model.pools] == [("web", "default")]
    assert [check.key for check in model.checks()] == [("web", "192.0.2.1:80")]


def test_a_pool_with_a_mistake_is_not_also_unknown(problems: Said) -> None:
    text = "pools: [{name: web, backends: 5}]\nmonitors: [{name: m, type: TCP, pool: web}]"
    assert problems(text) == ["1: pools[0].backends: expected a list, got 5"]


def test_a_pool_and_a_monitor_may_have_one_name_if_it_is_not_two_pools(read: Read) -> None:
    text = "pools: [{name: web}]\nmonitors: [{name: web, type: TCP, pool: web}]"
    assert len(read(text).model.pools) == 1


def test_an_id_that_another_name_stands_for_is_taken(read: Read, problems: Said) -> None:
    taken = read("pools: [{name: a}]").model.pools[0].id
    assert problems(f"pools:\n- name: a\n- name: b\n  id: {taken}") == [
        f"4: pools[1].id: duplicate '{taken}'; first defined on line 2"
    ]


def test_only_some_unknown_pools_are_compared_with_all_names(problems: Said) -> None:
    monitors = "".join(f"- {{name: m{i}, type: TCP, pool: wbe}}\n" for i in range(30))
    said = problems(f"pools: [{{name: web}}]\nmonitors:\n{monitors}")
    assert [each.endswith("did you mean 'web'?") for each in said] == [True] * 20 + [False] * 10


# check_monitor


def test_the_caller_may_add_complaints_about_a_monitor(problems: Said) -> None:
    def check_monitor(monitor: Monitor) -> Iterator[Complaint]:
        yield Complaint(("type",), f"no {monitor.type} here")

    assert problems(f"monitors:\n- {WEB}", check_monitor=check_monitor) == [
        "2: monitors[0].type: no HTTP here"
    ]


# include


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Make files in an empty current directory."""
    monkeypatch.chdir(tmp_path)

    def write(**files: str) -> None:
        for name, content in files.items():
            path = tmp_path / name.replace("__", "/").replace("_", ".")
            path.parent.mkdir(exist_ok=True)
            path.write_text(content)

    return write


def load_here() -> Config:
    return load("prober.yaml", environment={})


def said_here() -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_here()
    return [str(problem) for problem in caught.value.problems]


def test_included_files_add_pools_and_monitors_in_the_order_of_their_names(folder: Write) -> None:
    folder(
        prober_yaml="include: ['conf.d/*.yaml']\ndefaults: {rise: 7}\npools: [{name: p}]",
        conf_d__b_yaml="monitors: [{name: b, type: TCP, pool: q}]",
        conf_d__a_yaml="pools: [{name: q}]\nmonitors: [{name: a, type: TCP, pool: p}]",
    )
    config = load_here()
    assert [(each.name, each.rise) for each in config.model.monitors] == [("a", 7), ("b", 7)]
    assert config.files == ("prober.yaml", "conf.d/a.yaml", "conf.d/b.yaml")


def test_problems_name_the_included_file_and_come_after_those_of_the_main_file(
    folder: Write,
) -> None:
    folder(
        prober_yaml="include:\n- conf.d/*\npools:\n- {name: q}\nserver: {x: 1}",
        conf_d__a_yaml="server: {}\npools:\n- name: q\nmonitor: []",
        conf_d__b_yaml="pools: [",
    )
    assert said_here() == [
        "prober.yaml:5: server.x: unknown key",
        "conf.d/a.yaml:1: server: belongs in the main file",
        "conf.d/a.yaml:3: pools[0].name: duplicate 'q'; first defined in prober.yaml:4",
        "conf.d/a.yaml:4: monitor: unknown key; did you mean 'monitors'?",
        "conf.d/b.yaml:1: not valid YAML: did not find expected node content",
    ]


def test_a_pattern_without_matches_is_fine_and_the_file_itself_is_not_read_twice(
    folder: Write,
) -> None:
    folder(prober_yaml="include: ['*.yaml', 'none/*']\npools: [{name: p}]")
    assert load_here().files == ("prober.yaml",)


def test_paths_in_an_included_file_start_at_its_directory(folder: Write) -> None:
    folder(
        prober_yaml="include: [d/a.yaml]",
        d__a_yaml="monitors:\n- {name: a, type: TCP, targets_from: {file: t.json}}",
        d__t_json='[{"targets": ["192.0.2.1:80"]}]',
    )
    assert len(load_here().model.checks()) == 1
    assert load_here().files == ("prober.yaml", "d/a.yaml", "d/t.json")


# targets_from

LISTED = "monitors:\n- name: a\n  type: TCP\n  targets_from: {file: t.json}"


def test_a_file_sd_list_gives_targets_with_labels(read: Read) -> None:
    groups = [
        {"targets": ["192.0.2.1:80", "web.example:80"], "labels": {"r": "1", "__meta_x": "y"}},
        {"targets": ["[2001:db8::1]:80"]},
    ]
    for text in (json.dumps(groups), yaml.safe_dump(groups)):
        checks = read(LISTED, files={"t.json": text}).model.checks()
        assert [(check.key[1], check.labels) for check in checks] == [
            ("192.0.2.1:80", {"r": "1"}),
            ("web.example:80", {"r": "1"}),
            ("[2001:db8::1]:80", {}),
        ]


def test_an_empty_list_of_targets_leaves_a_monitor_without_checks(read: Read) -> None:
    config = read(LISTED, files={"t.json": "[]"})
    assert [pool.name for pool in config.model.pools] == ["a"]
    assert config.model.checks() == []


def test_mistakes_in_a_list_name_its_own_file_once_for_all_that_use_it(problems: Said) -> None:
    listed = '[\n{"targets": ["192.0.2.1:80", "x:"]},\n{"targets": [],\n"labels": {"r": 1}},\n{}\n]'
    text = LISTED + "\n- name: b\n  type: TCP\n  targets_from: {file: t.json}"
    assert problems(text, files={"t.json": listed}) == [
        f"t.json:2: [0].targets[1]: expected {HOST_PORT}, got 'x:'",
        "t.json:4: [1].labels.r: expected text, got 1",
        "t.json:5: [2]: missing key 'targets'",
    ]


def test_a_target_of_a_list_needs_a_port_unless_it_is_pinged(read: Read, problems: Said) -> None:
    files = {"t.json": '[{"targets": ["192.0.2.1", "[2001:DB8::1]", "web.example:80"]}]'}
    assert problems(LISTED, files=files) == [
        "4: monitors[0].targets_from.file: backend '192.0.2.1' has no port, which TCP monitors need"
    ]
    pinged = read(LISTED.replace("TCP", "ICMP"), files=files).model.checks()
    assert [check.key[1] for check in pinged] == ["192.0.2.1", "[2001:db8::1]", "web.example:80"]
    assert [check.target.port for check in pinged] == [0, 0, 0]


def test_a_pool_without_ports_can_only_be_pinged(read: Read, problems: Said) -> None:
    text = """\
pools: [{name: hosts, backends: [192.0.2.1, {address: h, probe_port: 81}]}]
monitors:
- {name: ping, type: ICMP, pool: hosts}
- {name: web, type: HTTP, pool: hosts}
"""
    assert problems(text) == [
        "4: monitors[1].pool: backend '192.0.2.1' has no port, which HTTP monitors need"
    ]
    checks = read(text.replace("name: web,", "name: web, port: 80,")).model.checks()
    assert [(each.monitor.name, str(each.target)) for each in checks] == [
        *(("ping", "192.0.2.1"), ("ping", "h")),
        *(("web", "192.0.2.1:80"), ("web", "h:81")),
    ]


def test_a_probe_needs_a_timeout_that_is_longer_than_it_takes(problems: Said) -> None:
    text = """\
monitors:
- {name: ping, type: ICMP, targets: [192.0.2.1], count: 11, timeout: 2s}
"""
    assert problems(text) == [
        "2: monitors[0].timeout: expected more than 2s, which a good probe takes at least"
    ]


def test_the_first_of_duplicate_targets_in_a_list_counts(read: Read) -> None:
    """Prometheus drops identical ones."""
    listed = """[{"targets": ["192.0.2.1:80", "192.0.2.2:80"], "labels": {"a": "1"}},
    {"targets": ["192.0.2.1:80", "192.0.2.3:80"], "labels": {"a": "2"}}]"""
    [pool] = read(LISTED, files={"t.json": listed}).model.pools
    assert [(each.key, each.labels["a"]) for each in pool.backends] == [
        ("192.0.2.1:80", "1"),
        ("192.0.2.2:80", "1"),
        ("192.0.2.3:80", "2"),
    ]


UNUSABLE = [None, "no list", '[{"targets": ["x"]}]', '[{"targets": ["h:1"], "labels": {"a": [1]}}]']


def test_an_included_file_in_which_all_is_a_comment_says_nothing(read: Read) -> None:
    files = {"a.yaml": "# monitors: []\n", "b.yaml": "", "c.yaml": "---\n# nothing\n"}
    config = read(f"include: {list(files)}\nmonitors: []", files=files)
    assert config.files == ("prober.yaml", *files)


@pytest.mark.parametrize("content", UNUSABLE)
def test_a_start_is_content_without_a_list(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "prober.yaml"
    static = '{name: static, type: TCP, targets: ["192.0.2.9:80"]}'
    listed = "{name: listed, type: TCP, targets_from: {file: t.json}}"
    file.write_text(f"monitors: [{static}, {listed}]")
    if content is not None:
        (tmp_path / "t.json").write_text(content)
    with pytest.raises(ConfigError):
        load(str(file), environment={})
    config = load(str(file), environment={}, without_lists=True)
    assert [check.monitor.name for check in config.model.checks()] == ["static"]
    assert config.unread_lists == {str(tmp_path / "t.json")}


# secrets

SECRET = "monitors:\n- {name: a, type: HTTP, targets: ['h:80'], headers: {X: {%s}}}"


@pytest.mark.parametrize("how", ["file: f", "env: E"])
def test_a_secret_is_used_and_never_shown(read: Read, how: str) -> None:
    config = read(SECRET % how, files={"f": "geheim\n"}, environment={"E": "geheim"})
    [monitor] = config.model.monitors
    assert isinstance(monitor.probe, HttpProbe)
    assert monitor.probe.headers["X"].content == "geheim"
    assert "geheim" not in f"{config!r} {config} {show_options(monitor.probe)}"


def test_a_secret_that_is_not_text_is_refused_without_being_shown(problems: Said) -> None:
    assert problems(SECRET % "env: E", environment={"E": "gehe\udcffim"}) == [
        "2: monitors[0].headers.X.env: environment variable 'E' is not UTF-8 text"
    ]
    assert problems(SECRET % "env: E", environment={"E": "ge\nheim"}) == [
        "2: monitors[0].headers.X: a header value cannot contain line breaks"
    ]


def test_a_secret_file_is_among_the_files_but_not_in_the_digest(read: Read) -> None:
    one, other = (read(SECRET % "file: f", files={"f": secret}) for secret in ("a", "b"))
    assert one.files == ("prober.yaml", "f")
    assert one.digest == other.digest


def test_the_digest_tells_contents_apart_but_not_those_of_lists(read: Read) -> None:
    digests = {read(LISTED, files={"t.json": text}).digest for text in ("[]", "[ ]")}
    assert len(digests) == 1
    digests.add(read(LISTED + "\n", files={"t.json": "[]"}).digest)
    assert len(digests) == 2
    assert all(len(digest) >= 12 for digest in digests)


# JSON and YAML


def test_json_and_yaml_of_one_configuration_give_equal_models(read: Read) -> None:
    text = (ROOT / "config/prober.yaml").read_text(encoding="utf-8")
    as_json = json.dumps(yaml.safe_load(text))
    assert read(text).model == read(as_json).model
    assert read(text).model.monitors


@pytest.mark.parametrize("written", ["1.2", "'1.2'"])
def test_a_version_need_not_be_quoted(read: Read, written: str) -> None:
    text = "monitors: [{name: a, type: TLS, targets: ['h:1'], tls: {min_version: %s}}]"
    [monitor] = read(text % written).model.monitors
    assert monitor.tls is not None
    assert monitor.tls.min_version == "1.2"


def test_a_file_name_that_no_system_has_is_a_file_that_is_not_there(folder: Write) -> None:
    folder(prober_yaml=(SECRET % r'file: "a\0b"'))
    [said] = said_here()
    assert said.endswith(r"headers.X.file: cannot read 'a\x00b': No such file or directory")
