"""The command line: flags and variables, exit codes, what is printed."""

import json
import os
import re
import socket
import subprocess
import sys
import threading
from argparse import ArgumentTypeError, Namespace
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # it ships no types
import pytest
import yaml

from prober import __version__
from prober.cli import flags
from prober.cli import main as cli
from prober.cli.flags import Flag
from prober.cli.probe_command import SET
from prober.cli.run_command import LISTEN, LOG_LEVEL
from prober.cli.status_command import WATCH
from prober.model.build import BUILD
from prober.model.status import Reason, Verdict
from tests.commands import run
from tests.running import PATIENCE, prober

# Flags and variables


def read(flag: Flag, given: object, environment: Mapping[str, str]) -> object:
    options = Namespace(**{flag.key: given})
    flags.complete(options, [flag], environment)
    return getattr(options, flag.key)


@pytest.mark.parametrize(
    ("given", "environment", "value"),
    [
        (None, {}, "info"),
        (None, {"PROBER_LOG_LEVEL": ""}, "info"),
        (None, {"PROBER_LOG_LEVEL": "debug"}, "debug"),
        ("error", {"PROBER_LOG_LEVEL": "debug"}, "error"),
    ],
)
def test_a_flag_beats_its_variable_and_the_variable_the_default(
    given: str | None, environment: Mapping[str, str], value: str
) -> None:
    assert read(LOG_LEVEL, given, environment) == value


def test_a_variable_may_hold_several_values() -> None:
    found: Any = read(LISTEN, None, {"PROBER_LISTEN": "127.0.0.1:1, [::1]:2,"})
    assert [str(each) for each in found] == ["127.0.0.1:1", "[::1]:2"]
    pairs = read(SET, None, {"PROBER_SET": "expected_codes=200,204\ntls.verify=true"})
    assert pairs == ["expected_codes=200,204", "tls.verify=true"]


@pytest.mark.parametrize(
    ("text", "value"), [("1", True), ("TRUE", True), ("on", True), ("0", False), ("No", False)]
)
def test_a_switch_is_set_by_a_word(text: str, value: bool) -> None:
    assert read(WATCH, None, {"PROBER_WATCH": text}) is value


def test_a_switch_on_the_command_line_beats_one_in_the_environment() -> None:
    assert read(WATCH, False, {"PROBER_WATCH": "1"}) is False


@pytest.mark.parametrize(
    ("arguments", "variable", "text"),
    [
        (["run"], "PROBER_LISTEN", "7762"),
        (["run"], "PROBER_LOG_FORMAT", "xml"),
        (["run"], "PROBER_LOG_LEVEL", "loud"),
        (["run"], "PROBER_ALLOW_SHRINK", "maybe"),
        (["run"], "PROBER_SHARD", "3/3"),
        (["status"], "PROBER_INTERVAL", "nan"),
        (["health"], "PROBER_URL", "ftp://a"),
    ],
)
def test_a_wrong_variable_is_bad_usage_that_names_it(
    arguments: list[str], variable: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments, {variable: text})
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert variable in error
    assert repr(text) in error


def test_a_variable_of_another_command_does_not_matter(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["health", "--url", "http://127.0.0.1:1"], {"PROBER_INTERVAL": "nan"}) == 1
    assert "refused" in capsys.readouterr().err


def test_a_file_without_its_flag_is_told_the_flag(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, hint in (
        (["check", "a.yaml"], "unrecognized arguments: a.yaml; did you mean --config a.yaml?\n"),
        (["check", "--a"], "unrecognized arguments: --a\n"),
        (["health", "a.yaml"], "unrecognized arguments: a.yaml\n"),
        (["probe", "tcp", "a:1", "b:1"], "unrecognized arguments: b:1\n"),
    ):
        with pytest.raises(SystemExit) as stop:
            cli.main(arguments, {})
        assert stop.value.code == 2
        shown = capsys.readouterr().err
        assert shown.startswith(f"usage: prober {arguments[0]} [")
        assert shown.endswith(hint)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["unknown"],
        ["run", "--listen", "7762"],
        ["run", "--listen", "::1:7762"],
        ["run", "--listen", "a:65536"],
        ["run", "--log", "json"],
        ["run", "--shard", "3/3"],
        ["run", "--shard", "1"],
        ["run", "--shard", "0/0"],
        ["run", "--shard", "-1/3"],
        ["status", "--interval", "0"],
        ["status", "--url", "http://a b"],
        ["probe"],
        ["probe", "TCP"],
        ["probe", "TCP", "a:1", "--monitor", "m"],
        ["probe", "--monitor", "m", "--set", "a=b"],
    ],
)
def test_bad_usage_exits_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments, {})
    assert stop.value.code == 2
    assert "usage: prober" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("word", "hint"),
    [("statsu", "; did you mean 'status'?"), ("version", "; did you mean '--version'?"), ("x", "")],
)
def test_an_unknown_command_names_the_nearest_one(
    word: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        cli.main([word], {})
    assert capsys.readouterr().err.endswith(f"error: there is no command {word!r}{hint}\n")


def test_without_a_command_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main([], {})
    assert "check whether a running daemon is healthy" in capsys.readouterr().err


def test_the_monitor_of_the_environment_gives_way_to_a_target() -> None:
    _, options = cli._parse(["probe", "tcp", "a:1"], {"PROBER_MONITOR": "m"})
    assert (options.type, options.target) == ("TCP", "a:1")
    _, options = cli._parse(["probe"], {"PROBER_MONITOR": "m"})
    assert (options.type, options.monitor) == (None, "m")


COMMANDS = {
    "run": "--config --listen --state-dir --log-format --log-level --allow-shrink --shard",
    "demo": "--listen --log-format --log-level",
    "check": "--config --without-secrets --json --quiet",
    "plan": "--config --url --json --quiet",
    "schema": "",
    "import": "--output --quiet",
    "probe": "--set --monitor --config --json --quiet",
    "status": "--url --json --quiet --watch --interval --pool --monitor",
    "explain": "--url --token-file --json",
    "members": "--url --token-file --json",
    "admin": "--until --reason --by --url --token-file --json",
    "health": "--url",
    "doctor": "--listen --json --quiet",
    "completion": "",
}


@pytest.mark.parametrize(("name", "names"), COMMANDS.items())
def test_the_help_of_a_command_names_its_flags_and_their_variables(
    name: str, names: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main([name, "--help"], {})
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    for flag in names.split():
        assert flag in shown
        assert f"PROBER_{flag[2:].replace('-', '_').upper()}]" in shown


def test_the_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--help"], {})
    shown = capsys.readouterr().out
    assert [command.name for command in cli.COMMANDS] == list(COMMANDS)
    assert all(
        re.search(rf"^    {command.name}\b", shown, re.MULTILINE) for command in cli.COMMANDS
    )


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("127.0.0.1:7762", "http://127.0.0.1:7762"),
        ("https://prober.example/base/", "https://prober.example/base"),
        ("[::1]:7762", "http://[::1]:7762"),
    ],
)
def test_a_url_may_leave_out_its_scheme(text: str, url: str) -> None:
    assert flags.daemon_url(text) == url


@pytest.mark.parametrize("text", ["", "http://", "a:b:c", "http://a:99999", "file:///etc/passwd"])
def test_what_is_no_url_is_refused(text: str) -> None:
    with pytest.raises(ArgumentTypeError):
        flags.daemon_url(text)


# The process


def python(code: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE, check=False
    )


@pytest.mark.parametrize(
    "arguments", [["--version"], ["--help"], ["health", "--url", "http://127.0.0.1:1"]]
)
def test_what_must_start_fast_loads_nothing_but_the_standard_library(arguments: list[str]) -> None:
    done = python(f"""
import sys
before = set(sys.modules)
from prober.cli.main import main
try:
    main({arguments!r}, {{}})
except SystemExit:
    pass
loaded = {{name for name in set(sys.modules) - before if not name.startswith("_")}}
own = {{name for name in loaded if name.split(".")[0] in ("prober", "prober__mypyc")}}
strange = {{name.split(".")[0] for name in loaded - own}} - sys.stdlib_module_names
print(sorted(strange), sorted(own), file=sys.stderr)
""")
    strange, own = done.stderr.splitlines()[-1].split("] [")
    assert strange == "["
    allowed = {"", ".cli", ".cli.main", ".cli.command", ".cli.client", ".cli.flags"}
    allowed |= {".model", ".model.build", "__mypyc"}  # the last in the compiled build
    allowed |= {f".cli.{command.name}_command" for command in cli.COMMANDS}
    allowed |= {".model", ".model.kernel_view", ".model.status", ".model.wording"}
    assert {f"prober{name}" for name in allowed} >= set(own.strip("]").replace("'", "").split(", "))


def test_the_daemon_loads_nothing_for_what_is_not_configured() -> None:
    done = python("""
import sys
before = set(sys.modules)  # coverage imports modules of its own
import prober.cli.main, prober.daemon.serve, prober.demo.embedded
from prober.config.reader import parse
from prober.model.option import ReadContext
from prober.web.app import make_app
content = "monitors: [{name: m, type: TCP, targets: ['127.0.0.1:1']}]"
parse(content, source="prober.yaml", outside=ReadContext("", str, {}))
optional = ("prober.outputs", "prober.config.blackbox", "zoneinfo", "cryptography", "uvloop")
optional += ("prober.web.dialects.", "prober.web.page.frame", "prober.web.page.overview")
optional += ("prober.web.api.native", "prober.web.api.check_shapes", "prober.web.page.view")
optional += ("prober.config.cluster_section", "prober.model.maintenance")
optional += ("sqlite3", "prometheus_client", "prober.probes.dns", "prober.probes.icmp")
optional += ("prober.probes.http_chain", "prober.probes.grpc", "prober.probes.udp")
print([name for name in sys.modules if name.startswith(optional) and name not in before])
""")
    assert done.stdout == "[]\n", done.stderr


def test_the_daemon_starts_without_the_authorities_of_this_system() -> None:
    done = python("""
import os
os.environ["SSL_CERT_FILE"] = "/somewhere"
before = dict(os.environ)
from prober.cli import main as cli
assert cli.main(["run", "--config", "/nowhere"], {}) == 2
assert os.environ == before
from aiohttp import connector
print(connector._SSL_CONTEXT_VERIFIED.cert_store_stats()["x509_ca"])
""")
    assert done.stdout == "0\n", done.stderr


def test_the_version_is_printed() -> None:
    module = "runpy.run_module('prober', run_name='__main__')"
    done = python(f"import runpy, sys; sys.argv[1:] = ['--version']; {module}")
    assert done.stdout == f"prober {__version__} ({BUILD})\n"


def test_a_reader_that_leaves_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    code = "import sys; from prober.cli.main import main; sys.exit(main(['--help']))"
    try:
        done = subprocess.run(
            [sys.executable, "-c", code],
            stdout=writing,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONUNBUFFERED": ""},
            timeout=PATIENCE,
            check=False,
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_stream_changes_no_exit_code_and_becomes_no_socket(closed: str) -> None:
    code = """
import os, sys
from prober.cli.main import main
code = main(["check", "--config", "/nowhere"])
sys.exit(code if os.open(os.devnull, os.O_RDONLY) > 2 else 1)
"""
    shell = ["sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "-c", code]
    done = subprocess.run(shell, capture_output=True, timeout=PATIENCE, check=False)
    assert (done.returncode, b"Traceback" in done.stderr) == (2, False)


def test_what_an_encoding_does_not_know_is_printed_in_escapes(tmp_path: Path) -> None:
    path = tmp_path / "prober.yaml"
    path.write_text("monitors:\n  - {name: a, type: TCP, pool: w\u00ebb}\n", "utf-8")
    done = prober("check", "--config", str(path), PYTHONIOENCODING="ascii")
    assert done.returncode == 2
    assert done.stdout == f"{path}:2: monitors[0].pool: unknown pool 'w\\xebb'\n"
    assert done.stderr == ""


# Commands that read a configuration


GOOD = """\
server: {state_dir: /var/lib/prober}
monitors:
  - {name: web, type: TCP, targets: ["10.0.0.3:80", "10.0.0.4:80"], interval: 4s, timeout: 5s}
"""
BAD = """\
monitors:
  - name: web
    type: TPC
    targets: ["10.0.0.3:80"]
  - {name: web2, type: TCP, targets: ["10.0.0.3:80"], intervall: 5s}
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], str]:
    def write(text: str) -> str:
        file = tmp_path / "prober.yaml"
        file.write_text(text, encoding="utf-8")
        return str(file)

    return write


def test_check_prints_every_problem(
    write: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(BAD)
    assert cli.main(["check", "--config", path], {}) == 2
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{path}:3: monitors[0].type: ")
    assert second.startswith(f"{path}:5: monitors[1].intervall: unknown key")


def test_check_sums_up_and_warns(
    write: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(GOOD)
    assert cli.main(["check"], {"PROBER_CONFIG": path}) == 0
    warning, summary = capsys.readouterr().out.splitlines()
    assert warning.startswith(
        f"{path}:3: warning: monitor 'web': timeout 5s is longer than interval 4s"
    )
    assert summary == f"{path}: 1 monitor, 1 pool, 2 checks, 0.5 probes per second"


SECRETS = """\
server:
  auth:
    tokens: [{name: a, role: read, token: {file: token}}, {name: b, role: read, token: {env: B}}]
    oracle_keys: [{key_id: a/b/c, role: read, public_key: key.pem}]
  web_config_file: web.yml
  blackbox_modules: modules.yml
monitors:
  - name: web
    type: HTTPS
    targets: ["127.0.0.1:80"]
    headers: {Authorization: {file: absent}}
    body: {env: BODY}
    http_method: POST
    tls: {cert_file: cert.pem, key_file: key.pem, verify: true, ca_file: ca.pem}
  - {name: listed, type: TCP, targets_from: {url: "http://127.0.0.1:1", token: {file: absent}}}
outputs:
  - {name: hook, type: webhook, url: "http://127.0.0.1:1/", secret: {file: absent}}
"""
WEB_FILE = "tls_server_config: {cert_file: cert.pem, key_file: key.pem}"
MODULES = "modules: {m: {prober: http, http: {bearer_token_file: absent}}}"


@pytest.fixture
def with_secrets(write: Callable[[str], str], tmp_path: Path) -> str:
    """A configuration with secrets in every place, none of which is here."""
    (tmp_path / "web.yml").write_text(WEB_FILE)
    (tmp_path / "modules.yml").write_text(MODULES)
    return write(SECRETS)


def test_check_without_secrets_is_content_with_their_places(
    with_secrets: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["check", "--config", with_secrets], {}) == 2
    problems = capsys.readouterr().out.splitlines()
    assert len(problems) == 12
    assert all("cannot read" in each or "is not set" in each for each in problems), problems
    assert cli.main(["check", "--config", with_secrets, "--without-secrets"], {}) == 0
    assert "2 monitors" in capsys.readouterr().out
    variables = {"PROBER_CONFIG": with_secrets, "PROBER_WITHOUT_SECRETS": "yes"}
    assert cli.main(["check"], variables) == 0


@pytest.mark.parametrize("name", ["key.pem", "cert.pem"])
def test_check_without_secrets_judges_those_that_are_there(
    with_secrets: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (tmp_path / name).write_text("nothing of the sort")
    assert cli.main(["check", "--config", with_secrets, "--without-secrets"], {}) == 2
    assert "PEM" in capsys.readouterr().out


def test_check_without_secrets_still_finds_everything_else(
    with_secrets: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "modules.yml").unlink()
    Path(with_secrets).write_text(SECRETS.replace("POST", "PST"))
    assert cli.main(["check", "--config", with_secrets, "--without-secrets"], {}) == 2
    first, second = capsys.readouterr().out.splitlines()
    assert ":6: server.blackbox_modules: cannot read" in first
    assert ":13: monitors[0].http_method: " in second


def test_check_warns_of_a_host_without_root_certificates(
    write: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "nothing"))
    monitors = [
        {"name": f"web{i}", "type": "TLS", "targets": ["10.0.0.3:443"], "tls": {"verify": i > 0}}
        for i in range(12)
    ]
    modules = tmp_path / "modules.yml"
    modules.write_text("modules: {page: {prober: http}}")
    server = {"blackbox_modules": str(modules)}
    path = write(json.dumps({"server": server, "monitors": monitors}))
    assert cli.main(["check", "--config", path], {}) == 0
    warning, _ = capsys.readouterr().out.splitlines()
    assert warning.startswith("warning: monitor 'web1', monitor 'web2', ")
    assert " and 2 more: this host has no root certificates to verify by, " in warning


def test_check_warns_of_modules_that_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    modules, path = tmp_path / "modules.yml", tmp_path / "prober.yaml"
    modules.write_text("modules:\n  ws: {prober: websocket}\n  tcp: {prober: tcp}\n")
    path.write_text(f"server: {{blackbox_modules: {modules}}}\n")
    assert cli.main(["check", "--config", str(path)], {}) == 0
    warning, _ = capsys.readouterr().out.splitlines()
    place = f"{modules}:2: modules.ws.prober: "
    assert warning.startswith(f"warning: requests for module 'ws' are refused: {place}")


def test_check_warns_of_what_this_user_may_not_do(
    write: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    verdict = Verdict(Reason.NOT_PERMITTED, "no right")
    monkeypatch.setattr("prober.daemon.local_checks.why_not_opened", lambda *_: verdict)
    path = write("""\
monitors:
- {name: ping, type: ICMP, targets: [192.0.2.1]}
""")
    assert cli.main(["check", "--config", path], {}) == 0
    warning, _ = capsys.readouterr().out.splitlines()
    assert warning == (
        f"{path}:2: warning: monitor 'ping': results would be UNKNOWN (not_permitted): no right"
    )


def test_without_a_configuration_it_says_where_one_is_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.path.exists", lambda _: False)
    assert cli.main(["check"], {}) == 2
    shown = capsys.readouterr().out
    assert "config/prober.yaml" in shown
    assert "/etc/prober/prober.yaml" in shown
    assert "--config" in shown


def test_a_configuration_that_was_not_written_here_is_pointed_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config/prober.yaml").write_text("monitors: []\n")
    monkeypatch.chdir(tmp_path)
    done = run("prober run", {"HOME": str(tmp_path)})
    lines = [json.loads(line) for line in done.out.splitlines()]
    assert lines[0]["event"] == "no_config_here"
    assert lines[1]["config"] == "config/prober.yaml"
    (tmp_path / "prober.yaml").write_text("monitors: []\n")
    assert "no_config_here" not in run("prober run", {"HOME": str(tmp_path)}).out


def test_a_credential_that_is_not_there_yet_is_explained(
    write: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    headers = {"A": {"file": "/run/credentials/prober.service/none"}}
    monitor = {"name": "m", "type": "HTTP", "targets": ["127.0.0.1:80"], "headers": headers}
    assert cli.main(["check", "--config", write(json.dumps({"monitors": [monitor]}))], {}) == 2
    assert "when the service starts: start it, or --without-secrets" in capsys.readouterr().out


def test_run_logs_each_problem_and_exits_with_2(write: Callable[[str], str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "prober", "run", "--config", write(BAD)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert (done.returncode, done.stdout) == (2, "")
    assert [line["event"] for line in lines] == ["config_rejected", "config_rejected"]
    assert "prober.yaml:3: monitors[0].type: " in lines[0]["problem"]


def test_the_schema_tells_an_editor_what_check_would(
    write: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["schema"], {}) == 0
    schema = json.loads(capsys.readouterr().out)
    wrong = GOOD.replace("interval", "intervall")
    jsonschema.validate(yaml.safe_load(GOOD), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(wrong), schema)
    assert cli.main(["check", "--config", write(GOOD)], {}) == 0
    assert cli.main(["check", "--config", write(wrong)], {}) == 2


class FakeDaemon:
    """Stands for prober.daemon.serve, and remembers how it was run."""

    def __init__(self) -> None:
        self.config: Any = None
        self.options: dict[str, Any] = {}

    async def run(self, config: object, **options: object) -> int:
        """Remember, and end at once."""
        self.config, self.options = config, options
        return 7


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch) -> FakeDaemon:
    fake = FakeDaemon()
    monkeypatch.setitem(sys.modules, "prober.daemon.serve", fake)
    monkeypatch.setattr("prober.daemon.serve", fake, raising=False)
    monkeypatch.setattr("prober.logs.setup.configure", lambda **_: None)
    return fake


def test_run_hands_its_flags_to_the_daemon(write: Callable[[str], str], daemon: FakeDaemon) -> None:
    flags_given = ["--listen", "127.0.0.1:0", "--listen", "[::1]:0", "--allow-shrink"]
    arguments = ["run", "--config", write(GOOD), "--state-dir", "/srv/state", *flags_given]
    assert cli.main(arguments, {}) == 7
    assert list(daemon.options["listen"]) == [("127.0.0.1", 0), ("::1", 0)]
    assert daemon.options["allow_shrink"] is True
    assert daemon.config.server.state_dir == "/srv/state"
    assert daemon.options["source"].load() == daemon.config


def test_a_thread_of_somebody_else_is_left_alone(
    write: Callable[[str], str], daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prober.daemon.launch.LAST_WAIT", 0.0)
    ends = threading.Event()
    other = threading.Thread(target=ends.wait)
    other.start()
    try:
        assert cli.main(["run", "--config", write(GOOD)], {}) == 7
    finally:
        ends.set()
        other.join()
    assert daemon.config is not None


def test_run_without_flags_leaves_it_to_the_file(
    write: Callable[[str], str], daemon: FakeDaemon
) -> None:
    assert cli.main(["run", "--config", write(GOOD)], {}) == 7
    assert not daemon.options["listen"]
    assert daemon.options["allow_shrink"] is False
    assert daemon.config.server.state_dir == "/var/lib/prober"


def test_the_demonstration_needs_no_file(daemon: FakeDaemon) -> None:
    assert cli.main(["demo", "--listen", "127.0.0.1:0"], {"PROBER_CONFIG": "/nowhere"}) == 7
    assert list(daemon.options["listen"]) == [("127.0.0.1", 0)]
    assert len(daemon.config.model.checks()) > 10


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["TPC", "10.0.0.3:80"], 2, "TYPE: expected one of TCP"),
        (["HTTP", "10.0.0.3"], 2, "TARGET: '10.0.0.3' has no port"),
        (
            ["TCP", "10.0.0.3:1", "--set", "expect.text=400"],
            2,
            "expected text, got 400; for text, write --set 'expect.text=\"...\"'",
        ),
        (["TCP", "10.0.0.3:80", "--set", "rise=0"], 2, "--set rise: expected a whole number"),
        (["TCP", "10.0.0.3:80", "--set", "tls.verify=true"], 2, "--set tls: has no effect without"),
        (
            ["HTTP", "10.0.0.3:80", "--set", "tls.verify=true"],
            2,
            "--set tls: belongs to TCP",
        ),
        (["TLS", "a:1", "--set", "tls.verfy=true"], 2, "--set tls.verfy: unknown key; did you"),
        (["--monitor", "wed"], 2, "there is no monitor 'wed'; did you mean 'web'?"),
        (["--monitor", "web", "--config", "/nowhere"], 3, "/nowhere: cannot read"),
    ],
)
def test_what_cannot_be_probed_is_said(
    arguments: list[str],
    code: int,
    words: str,
    write: Callable[[str], str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["probe", *arguments], {"PROBER_CONFIG": write(GOOD)}) == code
    shown = capsys.readouterr()
    assert words in shown.err
    assert shown.out == ""


def test_probe_probes(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        target = f"127.0.0.1:{server.getsockname()[1]}"
        assert cli.main(["probe", "tcp", target], {}) == 2
        assert "\nCRITICAL  CONNECT_FAILED (refused): " in capsys.readouterr().out
        server.listen()
        assert cli.main(["probe", "tcp", target], {}) == 0
        *steps, verdict = capsys.readouterr().out.splitlines()
    assert any(" ms  connect " in step for step in steps)
    assert verdict.startswith("OK  connected, in ")
