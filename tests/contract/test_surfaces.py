"""Every probe type on every surface that shows it, with every fact that it declares.

The state is real and fed by hand, so that every fact of every type is there.
"""

import re
from collections.abc import AsyncIterator, Mapping
from csv import DictReader
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as read_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as read_plain

from prober.config.type_tables import TYPE_TABLES
from prober.model.fact import INTEGER, NUMBER, TEXT, TIME, Fact, FactKind, said
from prober.model.monitor import Monitor
from prober.model.probe import Probe
from prober.model.status import PHASES, FactValue, Reason
from prober.model.wording import time_text
from prober.state.database import Database
from prober.state.journal import read_saved
from prober.state.store import Store
from prober.web.dialects import DIALECTS
from prober.web.dialects.lbaas.project_view import LoadBalancer, member_id
from tests.contract.made_up import TYPES
from tests.web.api.test_openapi import ROUTES, validator
from tests.web.conftest import Client
from tests.web.dialects.editing import FakeEditor
from tests.web.reading import Reading
from tests.web.world import CLUSTER, World

GOOD, BAD, SILENT = "10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"
SAMPLES: Mapping[FactKind, FactValue] = {
    TEXT: 'a "text" <b>',
    INTEGER: 201,
    NUMBER: 12.5,
    TIME: 1_900_000_000.0,
}
NAME = "the monitor"


class Case(NamedTuple):
    """A probe type, and its monitor in a world of its own."""

    type_name: str
    cls: type[Probe]
    world: World
    editor: FakeEditor
    client: Client

    @property
    def facts(self) -> dict[str, FactValue]:
        """Every fact that the type declares."""
        return {fact.name: SAMPLES[fact.kind] for fact in self.cls.facts}

    @property
    def monitor(self) -> Monitor:
        return self.world.store.monitors[NAME]

    async def json(self, path: str) -> Any:
        async with self.client.get(path) as response:
            assert response.status == 200, await response.text()
            return await response.json()

    async def text(self, path: str, **headers: str) -> str:
        async with self.client.get(path, headers=headers) as response:
            assert response.status == 200, await response.text()
            return await response.text()


@pytest.fixture(params=TYPES)
async def case(
    request: pytest.FixtureRequest, known: None, kept_world: World
) -> AsyncIterator[Case]:
    """Yield each type with three checks: one is good, one has a wrong code, one is silent."""
    cls = TYPES[request.param]
    monitor = {"name": NAME, "type": request.param, "pool": "p", **cls.example}
    pool = {"name": "p", "load_balancer": "lb", "backends": [GOOD, BAD, SILENT]}
    editor = FakeEditor(kept_world, {"monitors": [monitor], "pools": [pool]})
    kept_world.vitals.cluster = lambda: CLUSTER
    async with TestClient(TestServer(kept_world.app(editor=editor))) as client:
        case = Case(request.param, cls, kept_world, editor, client)
        phases = tuple(0.001 for _ in PHASES)
        facts = case.facts or None
        kept_world.record(NAME, GOOD, facts=facts, phases=phases, times=3)
        kept_world.record(NAME, BAD, Reason.UNEXPECTED_STATUS, facts=facts, times=3)
        kept_world.record(NAME, SILENT, Reason.TIMEOUT, times=3)
        yield case


# The native API

DESCRIBED: dict[str, Any] = {}
"""The description of the API, which is the same in every world."""


async def described(case: Case) -> dict[str, Any]:
    if not DESCRIBED:
        DESCRIBED.update(await case.json("/api/v1/openapi.json"))
    return DESCRIBED


async def test_the_answers_are_as_the_api_describes_them(case: Case) -> None:
    description = await described(case)
    for path in ROUTES:
        named = NAME if "monitors" in path else "p"
        real = path.format(monitor=NAME, backend=GOOD, name=named, pool="p")
        async with case.client.get(real) as response:
            answer = await response.json()
            assert response.status == 200, (path, answer)
            validator(description, path, response.status).validate(answer)


async def test_a_check_in_full_is_as_described_and_has_every_fact(case: Case) -> None:
    description = await described(case)
    as_described = validator(description, "/api/v1/checks/{monitor}/{backend}", 200)
    shown = {fact.name: as_json(fact) for fact in case.cls.facts}
    for backend, facts in ((GOOD, shown), (BAD, shown), (SILENT, {})):
        check = await case.json(f"/api/v1/checks/{NAME}/{backend}")
        as_described.validate(check)
        found = {name: check["last"][name] for name in check["last"].keys() & declared()}
        assert found == facts, backend


def as_json(fact: Fact) -> FactValue:
    sample = SAMPLES[fact.kind]
    return time_text(float(sample)) if fact.kind is TIME else sample


def declared() -> set[str]:
    return {fact.name for cls in TYPES.values() for fact in cls.facts}


async def test_recent_results_keep_the_fact_that_is_to_be_remembered(case: Case) -> None:
    recent = (await case.json(f"/api/v1/checks/{NAME}/{BAD}"))["recent"]
    first = [fact for fact in case.cls.facts if fact.remembered][:1]
    for result in recent:
        assert {name for name in result if name in declared()} == {fact.name for fact in first}
        for fact in first:
            assert result[fact.name] == SAMPLES[fact.kind]
            assert result["detail"] == (fact.said.format(SAMPLES[fact.kind]) or result["detail"])


async def test_the_type_is_described_with_its_options(case: Case) -> None:
    schemas = (await described(case))["components"]["schemas"]
    properties = schemas[f"Monitor_{case.type_name}"]["properties"]
    assert case.cls.example.keys() <= properties.keys()
    assert schemas["MonitorDefinition"]["discriminator"]["mapping"][case.type_name]


# Metrics


@pytest.mark.parametrize(
    ("accept", "read"),
    [("text/plain", read_plain), ("application/openmetrics-text", read_openmetrics)],
)
async def test_every_gauge_shows_its_fact(case: Case, accept: str, read: Any) -> None:
    families = {each.name: each for each in read(await case.text("/metrics", Accept=accept))}
    for fact in case.cls.facts:
        if fact.gauge is None:
            continue
        family = families[fact.gauge.name]
        assert (family.type, family.documentation) == ("gauge", fact.gauge.help)
        values = {each.labels["target"]: each.value for each in family.samples}
        assert {each.labels["kind"] for each in family.samples} == {case.type_name}
        silent, if_absent = case.world.store.get((NAME, SILENT)), fact.gauge_if_absent
        assert silent
        assert silent.last
        absent = {SILENT: if_absent.value(silent.last)} if if_absent else {}
        assert values == {**dict.fromkeys((GOOD, BAD), SAMPLES[fact.kind]), **absent}
    others = {fact.gauge.name for cls in TYPES.values() for fact in cls.facts if fact.gauge}
    for name in others - {fact.gauge.name for fact in case.cls.facts if fact.gauge}:
        assert not families[name].samples
    assert {each.labels["kind"] for each in families["probe_success"].samples} == {case.type_name}


# The page


async def test_the_page_has_its_checks_and_says_the_most_telling_fact(case: Case) -> None:
    words = said(case.cls.facts, case.facts)
    Reading(await case.text("/"))
    rows = {row["backend"]: row for row in DictReader(StringIO(await case.text("/status.csv")))}
    for backend, otherwise in ((GOOD, "ok"), (BAD, "unexpected status")):
        last = f"{words or otherwise} in 125 ms"
        page = Reading(await case.text(f"/checks/{NAME}/{backend}"))
        assert last in [each.text for each in page.all("dd")]
        assert last in rows[backend].values()


async def test_a_check_has_a_page_with_its_results(case: Case) -> None:
    remembered = [fact for fact in case.cls.facts if fact.remembered and fact.said][:1]
    for backend in (GOOD, BAD, SILENT):
        page = Reading(await case.text(f"/checks/{NAME}/{backend}"))
        if backend == BAD and remembered:
            (fact,) = remembered
            cells = [cell.text for cell in page.all("td", "what")]
            assert cells == [fact.said.format(SAMPLES[fact.kind])] * 3
        keys = {heading.text for heading in page.all("th", scope="row")}
        assert case.cls.example.keys() <= keys


async def test_the_table_for_spreadsheets_has_its_checks(case: Case) -> None:
    rows = list(DictReader(StringIO(await case.text("/status.csv"))))
    assert [row["type"] for row in rows] == [case.type_name] * 3


# What is stored


async def test_the_last_results_come_back_after_a_restart(case: Case, tmp_path: Path) -> None:
    before = {state.check.key: state for state in case.world.store}
    case.world.end()
    database = Database(str(tmp_path / "state"), report=lambda *_: None)
    store = Store(
        wall=lambda: case.world.wall, awake=lambda: case.world.clock, saved=read_saved(database)
    )
    database.close()
    store.adopt(case.world.store.model)
    for check in store.model.checks():
        state, old = store.add(check), before[check.key]
        assert (state.last, state.status, state.health) == (old.last, old.status, old.health)
        assert state.last


# The clouds


def real_path(path: str, world: World) -> str:
    """Return a path of a cloud's API with what there is in place of its names."""
    store = world.store
    pool, monitor = store.pools["p"], store.monitors[NAME]
    backend = pool.backends[1]
    by_segment = {
        "healthmonitors": monitor.id,
        "pools": pool.id,
        "members": member_id(pool, backend),
        "loadbalancers": LoadBalancer(pool.load_balancer, []).id,
        "providers": "prober",
        "workRequests": "none",
        "loadBalancerWorkRequests": "none",
    }
    names = {
        "{project_id}": pool.project_id,
        "{pool_id}": pool.id,
        "{balancer}": pool.load_balancer,
        "{pool}": pool.name,
        "{backend}": backend.key,
        "{project}": pool.project_id,
        "{l7policy_id}": "any",
    }
    segments = path.split("/")
    if "recycle-bin" in segments:  # nothing is in it
        by_segment.clear()
    for index, segment in enumerate(segments):
        if segment.startswith("{"):
            segments[index] = names.get(segment) or by_segment.get(segments[index - 1], "none")
    return "/".join(segments)


async def test_every_cloud_reads_it_everywhere(case: Case) -> None:
    for dialect in (entry.load() for entry in DIALECTS):
        for route in dialect.routes:
            if route.method != "GET":
                continue
            query = "?compartmentId=default" if dialect.name.startswith("oracle") else ""
            path = real_path(route.path, case.world) + query
            async with case.client.get(path) as response:
                body = await response.text()
                wanted = 404 if "none" in re.split("[/?]", path) else 200
                assert response.status == wanted, (path, body)


LBAAS = (
    "/v2.0/lbaas/healthmonitors/{id}",
    "/v2/lbaas/healthmonitors/{id}",
    "/v2/{project_id}/elb/healthmonitors/{id}",
    "/v3/{project_id}/elb/healthmonitors/{id}",
)
ORACLE = (
    "/20170115/loadBalancers/{balancer}/backendSets/{pool}/healthChecker",
    "/20200501/networkLoadBalancers/{balancer}/backendSets/{pool}/healthChecker",
)


@pytest.mark.parametrize("path", LBAAS)
async def test_clients_of_octavia_and_huawei_write_back_what_they_read(
    case: Case, path: str
) -> None:
    path, before = real_path(path, case.world), case.monitor
    shown = (await case.json(path))["healthmonitor"]
    assert shown["type"] in {"TCP", "UDP_CONNECT", "HTTP", "HTTPS", "TLS", "GRPC", "PING"}
    assert shown["type"] in (case.type_name, *case.cls.aliases) or case.cls.nearest in shown["type"]
    await written(case, path, {"healthmonitor": shown})
    assert case.editor.patches == []
    await written(case, path, {"healthmonitor": {**shown, "delay": 7}})
    assert case.editor.patches == [{"interval": 7}]
    assert (case.monitor.type, case.monitor.probe) == (before.type, before.probe)


@pytest.mark.parametrize("path", ORACLE)
async def test_clients_of_oracle_write_back_what_they_read(case: Case, path: str) -> None:
    path, before = real_path(path, case.world), case.monitor
    shown = await case.json(path)
    assert shown["protocol"] in (case.type_name, case.cls.nearest)
    await written(case, path, shown)
    assert case.editor.patches == []
    await written(case, path, {**shown, "intervalInMillis": 7000})
    assert case.editor.patches == [{"interval": 7.0}]
    assert (case.monitor.type, case.monitor.probe) == (before.type, before.probe)


async def written(case: Case, path: str, body: object) -> None:
    async with case.client.put(path, json=body) as response:
        assert response.status < 300, await response.text()


async def test_huawei_is_told_which_code_came_and_which_was_expected(case: Case) -> None:
    path = real_path("/v3/{project_id}/elb/pools/{pool_id}/members/{id}", case.world)
    reason = (await case.json(path))["member"]["reason"]
    assert reason["reason_code"] == "RESPONSE_MISMATCH"
    judged = [fact for fact in case.cls.facts if fact.expected_by]
    assert bool(reason["healthcheck_response"]) is bool(judged)
    assert bool(reason["expected_response"]) is bool(judged)


@pytest.mark.parametrize("path", LBAAS)
async def test_clients_may_ask_for_any_type(case: Case, path: str) -> None:
    """One that the cloud does not know, or that needs keys that it does not have, is refused."""
    path = real_path(path, case.world).rpartition("/")[0]
    await case.editor.delete_monitor(case.monitor)
    body = {
        "pool_id": case.world.store.pools["p"].id,
        "type": case.type_name,
        "delay": 5,
        "timeout": 3,
        "max_retries": 2,
    }
    async with case.client.post(path, json={"healthmonitor": body}) as response:
        answer = await response.text()
        assert response.status in (200, 201, 400), answer
        assert response.status != 400 or "type: expected one of" in answer


# The documents


def test_the_tables_of_the_documents_know_the_type(case: Case) -> None:
    types, facts, gauges = (TYPE_TABLES[name]() for name in ("types", "facts", "gauges"))
    assert f"`{case.type_name}`" in {row[0] for row in types}
    assert {f"`{fact.name}`" for fact in case.cls.facts} <= {row[0] for row in facts}
    shown = {f"`{fact.gauge.name}`" for fact in case.cls.facts if fact.gauge}
    assert shown <= {row[0] for row in gauges}
    assert all("|" not in cell for table in (types, facts, gauges) for row in table for cell in row)
