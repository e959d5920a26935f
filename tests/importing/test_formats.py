"""Importing what other tools are told: whole files of theirs, and what becomes of each."""

import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from prober.cli import main as cli
from prober.importing.draft import Draft, Fate
from prober.importing.formats import FORMATS, import_from
from prober.importing.source import UnreadableSource
from prober.importing.writer import keep_the_valid, written

PEERS = Path(__file__).parent / "peers"
FILES = {
    "blackbox": ["blackbox.yml", "prometheus.yml"],
    "cloudprober": ["cloudprober.yaml"],
    "gatus": ["gatus.yaml"],
    "kubernetes": ["kubernetes.yaml"],
    "uptime-kuma": ["uptime-kuma.json"],
}


def imported(tool: str) -> Draft:
    """Return what the files of a tool say."""
    draft = import_from(tool, [(name, (PEERS / name).read_text()) for name in FILES[tool]])
    keep_the_valid(draft, lambda path: Path(path).read_text())
    return draft


@pytest.mark.parametrize("tool", FILES)
def test_the_files_of_a_tool_become_this_configuration(tool: str) -> None:
    draft = imported(tool)
    report = "".join(f"# {each.origin}: {each.fate}: {each.text}\n" for each in draft.notes)
    content = written(draft, version="1", sources=FILES[tool]) + report
    expected = PEERS / f"{tool}.expected"
    assert content == expected.read_text(), f"if this is right, write it to {expected}"


@pytest.mark.parametrize("tool", FILES)
def test_what_is_imported_is_valid(
    tool: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command writes a file that `prober check` accepts."""
    path = tmp_path / "prober.yaml"
    (tmp_path / "pop.yml").write_text("[]")
    names = [str(PEERS / name) for name in FILES[tool]]
    assert cli.main(["import", tool, *names, "--output", str(path)], {}) == 0
    assert capsys.readouterr().err.splitlines()[-1].endswith("left out")
    assert cli.main(["check", "--without-secrets", "--config", str(path)], {}) == 0


@pytest.mark.parametrize("tool", ["blackbox", "cloudprober", "gatus"])
def test_no_secret_is_copied(tool: str) -> None:
    content = written(imported(tool), version="1", sources=[])
    assert "in-the-clear" not in content
    assert "env: " in content


def test_every_format_is_a_word_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["import"], {})
    assert capsys.readouterr().err.endswith(f"FORMAT is one of {', '.join(FORMATS)}\n")


@pytest.mark.parametrize(
    ("tool", "text", "why"),
    [
        ("gatus", "endpoints: [", "a:1: not valid YAML: "),
        ("uptime-kuma", '{"a": ', "a:1: "),
        ("kubernetes", "a: 1\n---\nb: [\n", "a:3: not valid YAML: "),
        ("haproxy", "backend b\n  option 'x\n", "a: line 2: the quote ' is not closed"),
        ("cloudprober", "probe {\n  name: }\n", "a:2: expected a value, got '}'"),
        ("cloudprober", "probe {\n  name 'x'\n}", "a:2: expected : or {, got \"'x'\""),
        ("cloudprober", "probe {\n  name: 'x'\n", "a:2: the file ends inside of a message"),
        ("cloudprober", "probe {\n  name: 'x\n}\n", "a:2: not valid textproto: \"'x"),
        ("cloudprober", "probe {\n  name: '{{env 'X'}}'\n}\n", "a:2: a template; import what "),
        ("gatus", "endpoints: " + "[" * 2000, "a: it is nested too deeply"),
        ("cloudprober", "probe {\n" * 60, "a:52: fields are nested too deeply"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_the_line(tool: str, text: str, why: str) -> None:
    with pytest.raises(UnreadableSource) as caught:
        import_from(tool, [("a", text)])
    assert str(caught.value).startswith(why)


@pytest.mark.parametrize("tool", FORMATS)
@pytest.mark.parametrize("text", ["a: 1\n", "[]\n", "endpoints: 1\nscrape_configs: {a: b}\n"])
def test_a_file_of_something_else_gives_nothing(tool: str, text: str) -> None:
    draft = import_from(tool, [("a", text), ("b", text)])
    assert draft.monitors == []


ODD = [None, True, -1, "", "x: ", [], {}, [None], {"a": [1]}]


def places(value: Any, *steps: Any) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value that a value contains."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, each in pairs:
        yield *steps, key
        if isinstance(each, dict | list):
            yield from places(each, *steps, key)


def replaced(documents: list[Any], place: tuple[Any, ...], odd: Any) -> str:
    """Return documents with another value at a place, as JSON, which YAML includes."""
    changed = deepcopy(documents)
    holder = changed
    for step in place[:-1]:
        holder = holder[step]
    holder[place[-1]] = odd
    return "\n---\n".join(json.dumps(each, default=str) for each in changed)


@pytest.mark.parametrize("tool", FILES)
def test_odd_values_are_left_out_and_break_nothing(tool: str) -> None:
    texts = {name: (PEERS / name).read_text() for name in FILES[tool]}
    for name, text in texts.items():
        documents = [*yaml.safe_load_all(text)]
        inside = [place for place in places(documents) if len(place) > 1]
        for number, place in enumerate(inside):
            odd = replaced(documents, place, ODD[number % len(ODD)])
            draft = import_from(tool, [*(texts | {name: odd}).items()])
            content = yaml.load(written(draft, version="1", sources=[]), yaml.CSafeLoader)
            assert content.keys() <= {"pools", "monitors"}


@pytest.mark.parametrize(
    "line",
    [
        "http-check expect status x",
        "http-check expect rstatus (",
        "server two 127.0.0.1:81 check port x",
        "server two 127.0.0.1 check",
    ],
)
def test_a_line_of_haproxy_that_makes_no_sense_leaves_the_rest(line: str) -> None:
    lines = ("backend a", "  option httpchk", f"  {line}", "  server s 127.0.0.1:80 check")
    other = ("backend b", "  server s 127.0.0.1:80 check")
    draft = import_from("haproxy", [("a", "\n".join([*lines, *other]))])
    keep_the_valid(draft, lambda path: Path(path).read_text())
    assert "b" in [each.keys["name"] for each in draft.monitors]


def test_nothing_to_import_is_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "haproxy.cfg"
    path.write_text("global\n  daemon\n")
    assert cli.main(["import", "haproxy", str(path)], {}) == 1
    assert "0 monitors imported" in capsys.readouterr().err
    assert cli.main(["import", "haproxy", str(tmp_path / "absent")], {}) == 2
    assert "No such file" in capsys.readouterr().err


def test_notes_and_names_cannot_break_the_file() -> None:
    lines = (
        "backend a",
        "  option httpchk",
        '  http-check "x\\nmonitors:"',
        "  server s b:80 check",
    )
    draft = import_from("haproxy", [("a\nb", "\n".join(lines))])
    content = written(draft, version="1", sources=["a\nb"])
    assert [each["type"] for each in yaml.safe_load(content)["monitors"]] == ["HTTP"]
    assert [each.fate for each in draft.notes] == [Fate.LEFT_OUT, Fate.TAKEN]


def test_where_checks_of_haproxy_start_is_taken_over() -> None:
    written_server = "  server s 127.0.0.1:80 check source 127.0.0.2:0 interface lo"
    draft = import_from("haproxy", [("a", f"backend b\n{written_server}\n")])
    (monitor,) = draft.monitors
    assert (monitor.keys["source"], monitor.keys["interface"]) == ("127.0.0.2", "lo")


def of_module(prober: str, section: dict[str, Any], **listed: object) -> dict[str, Any]:
    """Return the keys of the monitor of a job with one module of blackbox_exporter."""
    modules = {"modules": {"m": {"prober": prober, prober: section}}}
    job = {
        "metrics_path": "/probe",
        "params": {"module": ["m"]},
        "relabel_configs": [
            {"source_labels": ["__address__"], "target_label": "__param_target"},
        ],
        **(listed or {"static_configs": [{"targets": ["localhost"]}]}),
    }
    sources = [("m.yml", json.dumps(modules)), ("p.yml", json.dumps({"scrape_configs": [job]}))]
    (monitor,) = import_from("blackbox", sources).monitors
    return monitor.keys


@pytest.mark.parametrize(
    ("options", "family"),
    [
        ({"preferred_ip_protocol": "ip4", "ip_protocol_fallback": False}, "4"),
        ({"preferred_ip_protocol": "ip4"}, "4-then-6"),
        ({"preferred_ip_protocol": "ip6"}, "6-then-4"),
        ({}, None),
    ],
)
def test_the_ip_version_of_a_module_is_taken_over(
    options: dict[str, Any], family: str | None
) -> None:
    keys = of_module("icmp", {**options, "source_ip_address": "127.0.0.2", "payload_size": 100})
    assert keys.get("ip_family") == family
    assert (keys["source"], keys["size"]) == ("127.0.0.2", 100)


USER = {"username": "u"}


@pytest.mark.parametrize(
    ("options", "keys"),
    [
        ({"proxy_url": "http://p.example"}, {"proxy": "http://p.example:80"}),
        (
            {"proxy_url": "http://u:x@p.example:3128"},
            {
                "proxy": "http://p.example:3128",
                "proxy_auth": {**USER, "password": {"env": "M_PROXY_PASSWORD"}},
            },
        ),
        (
            {"basic_auth": {**USER, "password": "x"}},
            {"basic_auth": {**USER, "password": {"env": "M_PASSWORD"}}},
        ),
        (
            {"basic_auth": {**USER, "password_file": "/f"}},
            {"basic_auth": {**USER, "password": {"file": "/f"}}},
        ),
        ({"bearer_token_file": "/f"}, {"bearer": {"file": "/f"}}),
        ({"bearer_token": "x"}, {"headers": {"Authorization": {"env": "M_AUTHORIZATION"}}}),
    ],
)
def test_the_credentials_of_a_module_become_files_or_variables(
    options: dict[str, Any], keys: dict[str, Any]
) -> None:
    found = of_module("http", options)
    assert {key: found.get(key) for key in keys} == keys


@pytest.mark.parametrize(
    ("listed", "key"),
    [
        ({"file_sd_configs": [{"files": ["a.json"]}]}, {"file": "a.json"}),
        ({"http_sd_configs": [{"url": "http://a.example/sd"}]}, {"url": "http://a.example/sd"}),
    ],
)
def test_a_list_of_targets_is_followed(listed: dict[str, Any], key: dict[str, str]) -> None:
    assert of_module("tcp", {}, **listed)["targets_from"] == key
