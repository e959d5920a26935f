"""Files of blackbox_exporter modules: what is read, what is a mistake, what is refused and why."""

import json
from pathlib import Path
from typing import Any

import pytest
import regex
import yaml

from prober.config.blackbox.modules import HttpModule, Module
from prober.config.blackbox.re2 import RE2, Pattern
from prober.config.configuration import Config
from prober.config.problem import ConfigError
from prober.config.reader import load
from prober.model.option import ReadContext, Rejected, show_options

NOTHING = ReadContext("", str, {})


def read(folder: Path, modules: object) -> Config:
    """Return the configuration that names a file of these modules."""
    (folder / "modules.yml").write_text(yaml.safe_dump({"modules": modules}))
    return read_text(folder)


def read_text(folder: Path) -> Config:
    path = folder / "prober.json"
    path.write_text(json.dumps({"server": {"blackbox_modules": "modules.yml"}}))
    return load(str(path), environment={})


def usable(folder: Path, **module: Any) -> Module:
    modules = read(folder, {"m": module}).modules
    assert modules is not None
    return modules.usable["m"]


def refusal(folder: Path, **module: Any) -> str:
    modules = read(folder, {"m": module, "other": {"prober": "tcp"}}).modules
    assert modules is not None
    assert "other" in modules.usable
    return modules.refused["m"].removeprefix(f"{folder}/modules.yml:")


def mistakes(folder: Path, modules: object) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(folder, modules)
    return [str(each).removeprefix(f"{folder}/modules.yml:") for each in caught.value.problems]


def test_without_the_key_there_are_no_modules(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text("{}")
    assert load(str(tmp_path / "p.json"), environment={}).modules is None


def test_a_module_without_its_section_has_the_defaults_of_that_exporter(tmp_path: Path) -> None:
    module = usable(tmp_path, prober="http")
    assert module.http == HttpModule()
    assert module.family == ("ip6", True)
    assert module.http.follows
    assert module.http.tls_config.settings().verify
    assert module.timeout is None


@pytest.mark.parametrize(
    ("written", "seconds"), [("5s", 5.0), ("1m30s", 90.0), ("500ms", 0.5), ("1.5h", 5400.0)]
)
def test_durations_are_those_of_go(tmp_path: Path, written: str, seconds: float) -> None:
    assert usable(tmp_path, prober="tcp", timeout=written).timeout == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("written", "size"), [("10B", 10), ("1KB", 1024), ("2KiB", 2048), ("3MB", 3 << 20), (7, 7)]
)
def test_sizes_are_powers_of_two(tmp_path: Path, written: str, size: int) -> None:
    module = usable(tmp_path, prober="http", http={"body_size_limit": written})
    assert module.http.body_size_limit == size


def test_files_are_read_from_where_the_module_file_is(tmp_path: Path) -> None:
    (tmp_path / "body").write_text("a=1\n")
    (tmp_path / "token").write_text("abc\n")
    http = usable(
        tmp_path, prober="http", http={"body_file": "body", "bearer_token_file": "token"}
    ).http
    credentials = http.credentials()
    assert http.body_file == "a=1\n"
    assert credentials is not None
    assert credentials.content == "Bearer abc"


def test_secrets_are_never_shown(tmp_path: Path) -> None:
    section = {
        "basic_auth": {"username": "user", "password": "hush"},
        "headers": {"X-Api-Key": "hush", "X-Plain": "seen"},
    }
    http = usable(tmp_path, prober="http", http=section).http
    shown = json.dumps(show_options(http))
    assert "hush" not in shown + repr(http.basic_auth)
    assert "seen" in shown


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        ({"prober": "unix"}, "3: modules.m.prober: prober does not support unix"),
        (
            {"prober": "dns", "dns": {"query_name": "a", "query_type": "AXFR"}},
            "dns.query_type: prober does not know the record type AXFR",
        ),
        (
            {"prober": "dns", "dns": {"query_name": "a", "query_type": "IXFR"}},
            "dns.query_type: prober does not know the record type IXFR",
        ),
        ({"prober": "websocket"}, "prober does not support websocket"),
        ({"prober": "http", "http": {"proxy_url": "socks5://p"}}, "proxies over socks5"),
        ({"prober": "http", "http": {"proxy_from_environment": True}}, "from its environment"),
        (
            {"prober": "http", "http": {"proxy_url": "http://p", "no_proxy": "a"}},
            "prober always goes by proxy_url",
        ),
        ({"prober": "http", "http": {"enable_http3": True}}, "does not support HTTP/3"),
        ({"prober": "http", "http": {"oauth2": {"client_id": "a"}}}, "does not support OAuth 2"),
        (
            {"prober": "http", "http": {"valid_http_versions": ["HTTP/2.0"]}},
            "http.valid_http_versions: prober uses HTTP/1.1",
        ),
        ({"prober": "http", "http": {"compression": "br"}}, "does not support brotli"),
        ({"prober": "http", "http": {"method": "CONNECT"}}, "CONNECT requests a tunnel"),
        (
            {"prober": "http", "http": {"headers": {"content-Length": "0"}}},
            "headers.content-Length: prober sets the headers that frame the request's body",
        ),
        (
            {"prober": "http", "http": {"fail_if_body_json_matches_cel": "body.a"}},
            "does not support CEL expressions",
        ),
        (
            {"prober": "http", "http": {"fail_if_body_matches_regexp": [r"\pL"]}},
            "fail_if_body_matches_regexp[0]: prober cannot translate Unicode classes",
        ),
        ({"prober": "grpc", "grpc": {"tls_config": {"ca": "-----"}}}, "use a file, with ca_file"),
    ],
)
def test_what_cannot_be_done_the_same_way_refuses_its_module_alone(
    tmp_path: Path, module: dict[str, Any], reason: str
) -> None:
    assert reason in refusal(tmp_path, **module)


PEM = Path(__file__).parent / "pem"
EXAMPLES = Path(__file__).parent / "blackbox_examples.yml"


def test_modules_as_in_the_examples_of_that_exporter_can_be_used(tmp_path: Path) -> None:
    """All but those that need what the page on migrating says that prober does not do."""
    (tmp_path / "body.txt").write_text("hello")
    (tmp_path / "ca.pem").write_text((Path(__file__).parent / "pem" / "ca.pem").read_text())
    text = EXAMPLES.read_text().replace("FOLDER", str(tmp_path))
    (tmp_path / "modules.yml").write_text(text)
    modules = read_text(tmp_path).modules
    assert modules is not None
    assert modules.usable.keys() | modules.refused.keys() == yaml.safe_load(text)["modules"].keys()
    assert modules.refused.keys() == {"http_oauth2", "http_json_cel"}


@pytest.mark.parametrize(
    "path",
    [
        "/etc/prometheus/blackbox.yml",
        "/usr/share/doc/prometheus-blackbox-exporter/examples/example.yml",
        "/usr/share/doc/prometheus-blackbox-exporter/examples/blackbox.yml",
    ],
)
def test_the_files_that_come_with_that_exporter_are_used_whole(tmp_path: Path, path: str) -> None:
    if not Path(path).exists():
        pytest.skip(f"{path} is not installed")
    text = Path(path).read_text()
    for named in regex.findall(r"_file: \"?(/[^\s\"]+)", text):
        (tmp_path / Path(named).name).write_text((PEM / "ca.pem").read_text())
        text = text.replace(named, str(tmp_path / Path(named).name))
    (tmp_path / "modules.yml").write_text(text)
    modules = read_text(tmp_path).modules
    assert modules is not None
    assert not modules.refused
    assert modules.usable.keys() == yaml.safe_load(text)["modules"].keys()


@pytest.mark.parametrize(
    ("modules", "problems"),
    [
        ([], ["1: modules: expected a mapping, got a list"]),
        ({"m": {}}, ["2: modules.m: missing key 'prober'"]),
        (
            {
                "m": {
                    "prober": "tcp",
                    "tcp": {"query_response": [{"expect": "a", "expect_bytes": "b"}]},
                }
            },
            ["6: modules.m.tcp.query_response[0]: expected at most one of expect, expect_bytes"],
        ),
        (
            {"m": {"prober": "htp"}},
            [
                (
                    "3: modules.m.prober: expected one of http, tcp, grpc, dns, icmp, got 'htp'; "
                    "did you mean"
                )
            ],
        ),
        (
            {"m": {"http": {"metod": "GET"}, "prober": "http"}},
            ["4: modules.m.http.metod: unknown key; did you mean 'method'?"],
        ),
        (
            {"m": {"dns": {"query_type": "A"}, "prober": "dns"}},
            ["3: modules.m.dns: missing key 'query_name'"],
        ),
        (
            {"m": {"dns": {"query_name": "a", "valid_rcodes": ["NOPE"]}, "prober": "dns"}},
            ["6: modules.m.dns.valid_rcodes[0]: expected one of NOERROR"],
        ),
        (
            {"m": {"prober": "tcp", "timeout": 5}},
            ["4: modules.m.timeout: expected a duration such as 5s, 500ms or 1m30s, got 5"],
        ),
        (
            {"m": {"http": {"body": "a", "body_file": __file__}, "prober": "http"}},
            ["3: modules.m.http: expected at most one of body, body_file"],
        ),
        (
            {"m": {"http": {"bearer_token": "a", "basic_auth": {}}, "prober": "http"}},
            ["3: modules.m.http: expected at most one of basic_auth, authorization, "],
        ),
        (
            {
                "m": {
                    "http": {"tls_config": {"max_version": "TLS12", "min_version": "TLS13"}},
                    "prober": "http",
                }
            },
            ["5: modules.m.http.tls_config.max_version: is less than min_version"],
        ),
        (
            {"m": {"http": {"headers": {"X-A": "a\r\nX-B: b"}}, "prober": "http"}},
            ["5: modules.m.http.headers.X-A: a header value cannot contain line breaks"],
        ),
        (
            {"m": {"http": {"proxy_url": "http://a b:3128"}, "prober": "http"}},
            ["4: modules.m.http.proxy_url: expected the URL of a proxy, such as http://"],
        ),
        (
            {"m": {"http": {"fail_if_body_matches_regexp": ["("]}, "prober": "http"}},
            ["5: modules.m.http.fail_if_body_matches_regexp[0]: not a regular expression: "],
        ),
    ],
)
def test_a_mistake_is_named_with_the_line_of_the_module_file(
    tmp_path: Path, modules: object, problems: list[str]
) -> None:
    said = mistakes(tmp_path, modules)
    assert len(said) == len(problems)
    assert all(one.startswith(other) for one, other in zip(said, problems, strict=True)), said


def test_a_file_that_is_not_there_is_a_mistake_of_the_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"server\.blackbox_modules: cannot read .*modules\.yml"):
        read_text(tmp_path)


# Regular expressions


def pattern(written: str) -> Pattern:
    return RE2.read(written, NOTHING)


@pytest.mark.parametrize(
    ("written", "found", "not_found"),
    [
        ("end$", "the end", "the end\n"),
        ("(?m)end$", "end\nmore", "ends"),
        (r"end\z", "the end", "the end\n"),
        (r"\d", "7", "٧"),  # noqa: RUF001  (a digit, but not for Go)
        (r"\w+é", "aé", "éé"),
        (r"^\s$", " ", "\v"),
        (r"^\S$", "\v", " "),
        (r"[\s]x", " x", "\vx"),
        ("a{,2}", "a{,2}", "aa"),
        ("x{e}", "x{e}", "xe"),
        ("(?:foo){e<=1}", "foo{e<=1}", "fob"),
        ("a{2}", "aa", "a"),
        ("a{2,}?b", "aaab", "ab"),
        ("[a&&b]&", "&&", "c&"),
        ("[[a]", "[", "b"),
        ("[]a]", "]", "b"),
        ("[^]a]", "b", "]"),
        ("[[:digit:]]+", "12", "ab"),
        (r"\Qa.b\E+", "a.bb", "axb"),
        (r"\Qa.b", "a.b", "axb"),
        (r"\x{41}\x42", "AB", "ab"),
        ("(?i)hello", "HELLO", "help"),
        ("(?i:he)llo", "HEllo", "HELLO"),
        ("(?s)a.b", "a\nb", "ab"),
        ("a.b", "axb", "a\nb"),
        ("(?P<n>a)(?<m>b)", "ab", "ba"),
        (r"\$\{a\}", "${a}", "a"),
        ("[$]", "$", "a"),
    ],
)
def test_a_pattern_means_what_go_means_by_it(written: str, found: str, not_found: str) -> None:
    compiled = pattern(written).compiled()
    assert compiled.search(found), pattern(written).translated
    assert not compiled.search(not_found), pattern(written).translated


@pytest.mark.parametrize(
    "written",
    [
        "(?=a)",
        "(?!a)",
        "(?<=a)",
        "(?>a)",
        r"(a)\1",
        "a++",
        "a*+",
        "a{2}+",
        r"\Z",
        r"\K",
        r"\x{110000}",
        "[a",
        "(",
        "a\\",
        "(?U)a+",
        "(?i)ä",
        "a(?i)b",
        "(?m:a$)",
        "(?-s).",
        "a**",
        r"\pL",
        r"[\p{Greek}]",
    ],
)
def test_what_re2_does_not_know_or_cannot_be_translated_is_refused(written: str) -> None:
    with pytest.raises(Rejected, match=r"regular expression|cannot translate|at the beginning"):
        pattern(written)


def test_plain_patterns_stay_as_they_were_written() -> None:
    for written in ("^HTTP/1", "status: (ok|fine)", "[0-9]+ms", "a|b?"):
        assert pattern(written).translated == written
        assert regex.compile(written)
