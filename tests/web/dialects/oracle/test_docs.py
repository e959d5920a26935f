"""Oracle's words stand in the documents as in the code, and in the clients' own models."""

import re
from typing import Any

import pytest

from prober.model.status import Reason
from prober.probes import PROBE_TYPES
from prober.web.dialects.oracle import load_balancer, network_load_balancer
from prober.web.dialects.oracle.backend_health import LB_WORDS, NLB_WORDS
from prober.web.dialects.oracle.checker import (
    LB_CHECKER,
    NLB_CHECKER,
    PAYLOAD_LIMIT,
    lb_protocol,
    nlb_protocol,
)
from prober.web.dialects.oracle.ledger import KEPT, TOKEN_SECONDS
from prober.web.dialects.oracle.requests import CODES, PAGE
from prober.web.server.signatures import ORACLE_SKEW
from tests import ROOT
from tests.web.world import monitor

TEXT = (ROOT / "docs/clouds/oracle.md").read_text()


def rows(heading: str) -> list[tuple[str, ...]]:
    """Return the cells of the table under this heading row, without their backquotes."""
    lines = TEXT.split(f"| {heading} |\n", 1)[1].splitlines()[1:]
    table = lines[: next(i for i, line in enumerate(lines) if not line.startswith("|"))]
    return [tuple(cell.strip(" `") for cell in line.strip("|").split(" | ")) for line in table]


def test_every_reason_has_its_word_in_each_service() -> None:
    documented = rows("reason | result | Load Balancer | Network Load Balancer")
    assert documented == [
        (str(each), str(each.result), LB_WORDS[each], NLB_WORDS[each]) for each in Reason
    ]


def test_every_probe_type_has_its_protocol_in_each_service() -> None:
    documented = rows("type | Load Balancer | Network Load Balancer")
    protocols = {}
    for name in PROBE_TYPES:
        each = monitor("m", "10.0.0.1:80", type=name)
        protocols[name] = lb_protocol(each), nlb_protocol(each)
    assert documented == [(name, *protocols[name]) for name, *_ in documented]
    for name in protocols.keys() - {name for name, *_ in documented}:
        nearest = PROBE_TYPES[name].nearest  # as the text below the table says
        assert protocols[name] == (nearest, nearest)


def test_every_member_of_a_health_checker_stands_in_the_table() -> None:
    documented = {
        name: (key, accepted)
        for names, key, accepted, _ in rows("member | key of the monitor | accepted | remarks")
        for name in re.findall(r"\w+", names)
    }
    members = {**NLB_CHECKER.members, **LB_CHECKER.members}
    assert documented.keys() == members.keys()
    for name, member in members.items():
        key, accepted = documented[name]
        assert key == (member.key or ("type" if name == "protocol" else "none"))
        schema: Any = member.kind.schema
        if "minimum" in schema:
            assert accepted == f"{schema['minimum']} to {schema['maximum']}"


def test_every_route_stands_in_the_table_of_operations() -> None:
    def names(path: str) -> str:
        return re.sub(r"\{\w+\}", "{}", path)

    documented = {
        (method, names(path))
        for _, lb, nlb in rows("operation | Load Balancer | Network Load Balancer")
        for method, path in re.findall(r"(GET|PUT|POST|DELETE) (\S+?)(?:`|$)", f"{lb}`{nlb}")
    }
    served = {
        (route.method, names(route.path.removeprefix(root)))
        for root, dialect in (
            ("/20170115", load_balancer.DIALECT),
            ("/20200501", network_load_balancer.DIALECT),
        )
        for route in dialect.routes
        if not route.handler.__module__.endswith(".unoffered")
    }
    assert documented == served


def test_what_is_not_offered_is_named() -> None:
    for dialect in (load_balancer.DIALECT, network_load_balancer.DIALECT):
        for route in dialect.routes:
            if route.handler.__module__.endswith(".unoffered"):
                *_, noun = re.sub(r"/\{id\}$", "", route.path).split("/")
                assert f"`{noun}`" in TEXT, noun


def test_every_error_stands_in_the_table() -> None:
    documented = rows("status | code | when")
    assert {(int(status), code) for status, code, _ in documented} >= set(CODES.items()) - {
        (429, "TooManyRequests"),
        (503, "ServiceUnavailable"),
    }


def test_the_numbers_in_the_text_are_those_of_the_code() -> None:
    assert f"last {KEPT} edits" in TEXT
    assert TOKEN_SECONDS == 24 * 3600
    assert "within 24 hours" in TEXT
    assert f"at most {PAGE} items" in TEXT
    assert f"{PAYLOAD_LIMIT} bytes" in TEXT
    assert f"{ORACLE_SKEW / 60:g} minutes" in TEXT


@pytest.mark.parametrize(
    ("service", "words"), [("load_balancer", LB_WORDS), ("network_load_balancer", NLB_WORDS)]
)
def test_oracles_own_models_know_every_word(service: str, words: dict[Reason, str]) -> None:
    models = pytest.importorskip(f"oci.{service}.models", reason="the SDK oci is not installed")
    known = models.HealthCheckResult(health_check_status="?").health_check_status
    assert known == "UNKNOWN_ENUM_VALUE"
    for word in words.values():
        assert models.HealthCheckResult(health_check_status=word).health_check_status == word
