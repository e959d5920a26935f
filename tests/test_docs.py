"""What the documents say is what the code does."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from prober.blackbox import exchange
from prober.cli.help_page import with_help
from prober.config.reader import parse
from prober.config.reference import with_tables
from prober.daemon.probing import MOST_ON_DEMAND
from prober.engine.resolver import USABLE
from prober.engine.scheduler import REFUSAL_HOLD
from prober.model.kinds import Frozen
from prober.model.monitor import UDP_PACE, Check, Monitor
from prober.model.option import ReadContext
from prober.model.pool import Backend, Pool
from prober.model.status import Reason
from prober.probes.tcp import TcpProbe
from prober.state.recent import CAPACITY
from prober.web.api.service_discovery import meta_labels
from prober.web.server.auth import OPEN_PATHS
from prober.web.server.client_limits import Limits
from prober.web.server.login_limits import BURST, REFILL
from prober.web.server.request_body import BODY_LIMIT
from tests import ROOT
from tests.running import prober

STATUSES = (ROOT / "docs/statuses.md").read_text()
README = (ROOT / "README.md").read_text()


def test_every_reason_is_documented_with_its_result() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.+) \|$", STATUSES, re.MULTILINE)
    assert rows == [(str(each), str(each.result), each.sentence) for each in Reason]


def test_the_figures_in_prose_are_those_of_the_code() -> None:
    assert f"kept {UDP_PACE} s apart" in STATUSES
    assert f"within {REFUSAL_HOLD} s of a refusal" in STATUSES
    assert USABLE == 10 * 60
    assert f"last {CAPACITY} results" in (ROOT / "docs/api.md").read_text()


def test_the_configuration_in_the_readme_is_valid() -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    outside = ReadContext("", lambda name: Path(name).read_text(), {})
    config = parse(text, source="README.md", outside=outside)
    assert len(config.model.checks()) == 2
    assert yaml.safe_load(text)["monitors"][0]["name"] in README


@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / "docs").glob("*.md")))
def test_the_tables_of_what_is_declared_are_up_to_date(name: str) -> None:
    page = (ROOT / "docs" / name).read_text()
    command = f"python -m prober.config.reference docs/{name}"
    assert with_tables(page) == page, f"the tables are out of date, run: {command}"


def test_the_limits_of_modules_stand_in_the_page_on_migration() -> None:
    page = (ROOT / "docs/migrating-from-blackbox_exporter.md").read_text()
    assert f"{MOST_ON_DEMAND} such probes are in flight" in page
    assert f"{exchange.BODY_LIMIT // 2**20} MiB of a body" in page


@pytest.mark.parametrize(
    "name", ["configuration.md", "migrating-from-blackbox_exporter.md", "prometheus.md"]
)
def test_the_monitors_in_the_pages_on_prometheus_are_valid(name: str) -> None:
    texts = re.findall(r"```yaml\n(monitors:.*?)```", (ROOT / "docs" / name).read_text(), re.DOTALL)
    assert texts
    for text in texts:
        outside = ReadContext("", lambda _: "secret", {})
        assert parse(text, source=name, outside=outside).model.monitors


def test_the_labels_of_sd_stand_in_the_page_on_prometheus() -> None:
    page = (ROOT / "docs/prometheus.md").read_text()
    backend = Backend(address="10.0.0.1", port=80, labels=Frozen(NAME="x"))
    monitor = Monitor(name="m", type="TCP", targets=(backend,), probe=TcpProbe())
    labels = meta_labels(Check(monitor, Pool(name="m", backends=(backend,)), backend))
    documented = re.findall(r"^\| `(__meta_\w+)` \|", page, re.MULTILINE)
    assert documented == [name for name, _ in labels]


def test_the_commands_in_the_readme_exist() -> None:
    commands = set(re.findall(r"^ {4}(?:\$ )?prober (\w+)", README, re.MULTILINE))
    shown = prober("--help").stdout
    assert commands >= {"check", "run", "status", "probe"}
    assert all(re.search(rf"^ +{command} ", shown, re.MULTILINE) for command in commands)


def test_links_between_documents_lead_somewhere() -> None:
    for document in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        for link in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text()):
            assert (document.parent / link).exists(), f"{document.name}: {link}"


def test_the_limits_in_the_text_on_security_are_those_of_the_code() -> None:
    limits, text = Limits(), (ROOT / "docs/security.md").read_text()
    limited = text.partition("## Attacks and tests")[0]
    rows = dict(re.findall(r"^\| ([a-z].*?) \| (\d+)", limited, re.MULTILINE))
    assert {name.partition(",")[0]: int(number) for name, number in rows.items()} == {
        "connections": limits.connections,
        "connections of one peer": limits.per_peer,
        "time to send the headers": limits.headers,
        "time between two requests": limits.idle,
        "time to send the body": limits.body,
        "time without reading any of a response": limits.stall,
        "body": BODY_LIMIT >> 20,
    }
    assert f"proxies meet, {limits.of_peer('::1')} |" in text
    assert f"may send {BURST} wrong credentials, then one a second" in text
    assert REFILL == 1.0
    for path in OPEN_PATHS:
        assert f"`GET {path}`" in text


def test_the_tests_that_the_table_of_attacks_names_are_there() -> None:
    table = (ROOT / "docs/security.md").read_text().partition("## Attacks and tests")[2]
    named = re.findall(r"tests/[\w/]+\.py", table)
    assert len(named) > 15
    assert not [path for path in named if not (ROOT / path).exists()]


LEVELS = {"debug", "info", "warning", "error", "critical", "exception"}


def logged_events(source: str) -> Iterator[str]:
    """Yield the names of the events that a module logs."""
    for call in ast.walk(ast.parse(source)):
        match call:
            case ast.Call(
                func=ast.Attribute(value=ast.Name("log" | "_log") | ast.Call(), attr=level),
                args=[ast.Constant(str(event)), *_],
            ) if level in LEVELS:
                yield event
            case ast.Call(
                func=ast.Attribute(attr="_tell" | "_tell_warning"),
                args=[ast.Constant(str(event)), *_],
            ):
                yield event


def test_the_page_on_the_log_names_every_event() -> None:
    modules = (ROOT / "prober").rglob("*.py")
    logged = {event for each in modules for event in logged_events(each.read_text())}
    page = (ROOT / "docs/log.md").read_text()
    documented = re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
    assert sorted(documented) == sorted(logged)


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="argparse formats in other ways")
def test_the_page_on_the_command_line_shows_the_help_of_every_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "")  # restored at the end
    page = (ROOT / "docs/command-line.md").read_text()
    assert page == with_help(page)
