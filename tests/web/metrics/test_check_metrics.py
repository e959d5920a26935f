"""The metrics: names, values, both formats."""

import asyncio
import gzip
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterable

import pytest
from prometheus_client import exposition as plain
from prometheus_client import parser as plain_parser
from prometheus_client.core import Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.utils import floatToGoString

from prober.model.build import BUILD
from prober.model.kinds import Frozen
from prober.model.monitor import Monitor
from prober.model.pool import Pool
from prober.model.status import FactValue, Reason
from prober.outputs.counters import OutputCounters
from prober.probes import declared_facts
from prober.state.vitals import ListHealth
from prober.web.metrics.check_metrics import Metrics
from prober.web.metrics.fact_gauges import phase_gauges
from prober.web.metrics.scrape import prefers_openmetrics
from tests.web.conftest import Client
from tests.web.world import CLUSTER, HOSTILE, WALL, World, backends, monitor

ONE = "10.0.0.1:80"
TWO = "10.0.0.2:80"
OPENMETRICS = {"Accept": "application/openmetrics-text; version=1.0.0"}
PHASES = (0.001, 0.25, None, None, 20.0, 0.0)

Read = Callable[[str], Iterable[Metric]]
read_plain: Read = plain_parser.text_string_to_metric_families
read_openmetrics: Read = openmetrics_parser.text_string_to_metric_families

CHECK = {"monitor", "pool", "target", "kind"}
CONTRACT = {
    "probe_success": ("gauge", CHECK),
    "probe_duration_seconds": ("gauge", CHECK),
    "probe_http_status_code": ("gauge", CHECK),
    "probe_dns_lookup_time_seconds": ("gauge", CHECK),
    "probe_http_duration_seconds": ("gauge", CHECK | {"phase"}),
    "probe_http_ssl": ("gauge", CHECK),
    "probe_http_version": ("gauge", CHECK),
    "probe_grpc_duration_seconds": ("gauge", CHECK | {"phase"}),
    "probe_grpc_ssl": ("gauge", CHECK),
    "probe_tls_version_info": ("gauge", CHECK | {"version"}),
    "probe_ssl_ocsp_status_info": ("gauge", CHECK | {"status"}),
    "probe_ssl_earliest_cert_expiry": ("gauge", CHECK),
    "probe_ssl_ocsp_next_update": ("gauge", CHECK),
    "probe_grpc_status_code": ("gauge", CHECK),
    "prober_check_status": ("gauge", CHECK),
    "prober_check_last_probe_timestamp_seconds": ("gauge", CHECK),
    "prober_monitor_worst_case_detection_seconds": ("gauge", {"monitor", "kind"}),
    "prober_backend_status": ("gauge", {"pool", "target"}),
    "prober_backend_admin_state": ("gauge", {"pool", "target"}),
    "prober_pool_status": ("gauge", {"pool"}),
    "prober_load_balancer_status": ("gauge", {"load_balancer"}),
    "prober_probes": ("counter", {"monitor", "kind"}),
    "prober_probe_failures": ("counter", {"monitor", "kind", "result", "reason"}),
    "prober_probe_latency_seconds": ("histogram", {"monitor", "kind", "phase"}),
    "prober_transitions": ("counter", {"monitor", "to"}),
    "prober_schedule_lag_seconds": ("histogram", set()),
    "prober_loop_lag_seconds": ("histogram", set()),
    "prober_probes_in_flight": ("gauge", set()),
    "prober_checks": ("gauge", set()),
    "prober_monitors": ("gauge", set()),
    "prober_overloaded": ("gauge", set()),
    "prober_state_writable": ("gauge", set()),
    "prober_probes_late": ("counter", {"reason"}),
    "prober_probes_skipped": ("counter", {"reason"}),
    "prober_local_errors": ("counter", {"reason"}),
    "prober_state_errors": ("counter", {"reason"}),
    "prober_config_last_reload_successful": ("gauge", set()),
    "prober_config_last_reload_success_timestamp_seconds": ("gauge", set()),
    "prober_target_list_last_refresh_successful": ("gauge", {"monitor"}),
    "prober_target_list_last_refresh_success_timestamp_seconds": ("gauge", {"monitor"}),
    "prober_output_sent": ("counter", {"output"}),
    "prober_output_errors": ("counter", {"output", "reason"}),
    "prober_output_dropped": ("counter", {"output"}),
    "prober_output_held": ("gauge", {"output"}),
    "prober_output_queue": ("gauge", {"output"}),
    "prober_output_last_success_timestamp_seconds": ("gauge", {"output"}),
    "prober_cluster_up": ("gauge", set()),
    "prober_cluster_members": ("gauge", set()),
    "prober_cluster_checks_owned": ("gauge", set()),
    "prober_cluster_configurations": ("gauge", set()),
    "prober_cluster_takeovers": ("counter", {"cause"}),
    "prober_cluster_errors": ("counter", {"reason"}),
    "prober_build_info": ("gauge", {"version", "build"}),
}


TLS: dict[str, FactValue] = {
    "tls_version": "TLSv1.3",
    "tls_not_after": 2e9,
    "tls_chain_not_after": 1.9e9,
    "ocsp_status": "good",
    "ocsp_next_update": 1.8e9,
}


def busy(world: World) -> None:
    """Let the world have something of everything, in names and numbers of every sort."""
    world.vitals.cluster = lambda: CLUSTER
    world.configure(
        monitor("web", ONE, TWO, labels=Frozen(team=HOSTILE, a="1", zone="ü")),
        monitor(HOSTILE, "[2001:db8::7]:80", type="GRPC"),
        monitor("tls", pool="p", type="TLS"),
        monitor("off", ONE, enabled=False),
        pools=(Pool(name="p", load_balancer="lb\\n", backends=backends(ONE)), Pool(name="empty")),
    )
    world.record("web", ONE, times=3, facts={"http_status_code": 200}, phases=PHASES)
    world.record("web", TWO, Reason.TIMEOUT, times=3, phases=PHASES)
    world.record(HOSTILE, "[2001:db8::7]:80", Reason.NOT_SERVING, facts={"grpc_status_code": 0})
    world.record("tls", ONE, facts=TLS)
    world.store.counters["web"].probes = 1_234_567
    world.vitals.saw_loop_lag(0.002)
    world.vitals.target_lists[HOSTILE] = ListHealth(ok=False, read_at=WALL)
    world.vitals.schedule_lags.observe(7.0)
    world.vitals.saw_skips("overrun", 2)
    world.vitals.state_errors["full"] = 1
    world.vitals.outputs[HOSTILE] = OutputCounters(errors=Counter({"connect": 2}))
    world.vitals.config_loaded_at = WALL


async def scrape(client: Client) -> dict[str, Metric]:
    """Return the metrics by name, read from the plain format."""
    text = await (await client.get("/metrics")).text()
    return {family.name: family for family in read_plain(text)}


def values(family: Metric, *labels: str) -> dict[tuple[str, ...], float]:
    """Return the samples of a family by these of their labels."""
    return {tuple(s.labels[label] for label in labels): s.value for s in family.samples}


async def test_names_types_and_labels_are_those_of_the_contract(
    world: World, client: Client
) -> None:
    busy(world)
    families = await scrape(client)
    of_types = {fact.gauge.name for fact in declared_facts().values() if fact.gauge}
    of_types |= {gauge.name for gauge in phase_gauges()}
    own = {
        name: family
        for name, family in families.items()
        if name.startswith("probe") and name not in of_types - CONTRACT.keys()
    }
    assert {name: family.type for name, family in own.items()} == {
        name: sort for name, (sort, _) in CONTRACT.items()
    }
    for name, family in own.items():
        assert family.samples, name
        for sample in family.samples:
            extra = {"team", "a", "zone"} if sample.labels.get("monitor") == "web" else set()
            shown = set(sample.labels) - {"le"}
            assert shown - extra == CONTRACT[name][1], sample
    others = families.keys() - own.keys() - of_types
    assert all(name.startswith(("process_", "python_info")) for name in others)


async def test_every_family_says_what_it_is(world: World, client: Client) -> None:
    busy(world)
    families = await scrape(client)
    assert all(family.documentation for family in families.values())
    assert families["probe_success"].documentation == (
        "Displays whether or not the probe was a success"
    )


class Canned:
    """A registry that gives back what was read."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> list[Metric]:
        """Return the families."""
        return self._families


go_string: Callable[[float], str] = floatToGoString


def in_go(line: str) -> str:
    """Write a number as Go does, if it is one that we write with fewer digits."""
    shorter = ("probe_duration_", "probe_dns_lookup_", "prober_check_last_probe_timestamp_")
    if not line.startswith((*shorter, *PHASE_GAUGES)):
        return line
    sample, _, number = line.rpartition(" ")
    return f"{sample} {go_string(float(number))}"


PHASE_GAUGES = tuple(gauge.name for gauge in phase_gauges())


def with_own_label_last(line: str) -> str:
    """Move a metric's own label, which prometheus_client sorts among the others, to the end."""
    if not line.startswith((*PHASE_GAUGES, "probe_ssl_ocsp_status_info")):
        return line
    return re.sub(r',((?:phase|status)="\w+")(.*)\}', r"\2,\1}", line)


@pytest.mark.parametrize(
    ("headers", "read", "write"),
    [
        ({}, read_plain, plain.generate_latest),
        (OPENMETRICS, read_openmetrics, openmetrics.generate_latest),
    ],
    ids=["plain", "openmetrics"],
)
async def test_it_is_written_as_prometheus_client_would(
    world: World,
    client: Client,
    headers: dict[str, str],
    read: Read,
    write: Callable[[object], bytes],
) -> None:
    busy(world)
    text = await (await client.get("/metrics", headers=headers)).text()
    again = write(Canned(read(text))).decode()
    expected = [with_own_label_last(line) for line in again.splitlines()]
    assert [in_go(line) for line in text.splitlines()] == expected


async def test_both_formats_say_the_same(world: World, client: Client) -> None:
    busy(world)
    one = await (await client.get("/metrics")).text()
    other = await (await client.get("/metrics", headers=OPENMETRICS)).text()

    def samples(families: Iterable[Metric]) -> list[object]:
        return [
            (s.name, s.labels, s.value)
            for family in families
            for s in family.samples
            if not family.name.startswith("process_")
        ]

    assert samples(read_plain(one)) == samples(read_openmetrics(other))


async def test_gauges_of_blackbox_exporter_follow_the_last_result(
    world: World, client: Client
) -> None:
    phases = (0.001, 0.25, 0.5, 0.0, 2.0, 0.125)
    world.configure(
        monitor("web", ONE, type="HTTPS"),
        monitor("named", TWO, labels=Frozen(phase="one", version="7", zone="z"), type="HTTPS"),
        monitor("plain", ONE),
    )
    facts = {"http_status_code": 200, "http_version": 1.1, **TLS}
    for name, key in (("web", ONE), ("named", TWO)):
        world.record(name, key, facts=facts, phases=phases)
    world.record("plain", ONE, Reason.REFUSED)
    families = await scrape(client)
    durations = values(families["probe_http_duration_seconds"], "monitor", "phase")
    expected = {"resolve": 0.001, "connect": 0.25, "tls": 0.5, "processing": 2.0, "transfer": 0.125}
    assert durations == {
        **{("web", phase): seconds for phase, seconds in expected.items()},
        **{("named", phase): seconds for phase, seconds in expected.items()},
        **{("plain", phase): 0.0 for phase in expected},
    }
    lookups = values(families["probe_dns_lookup_time_seconds"], "monitor")
    assert lookups == {("web",): 0.001, ("named",): 0.001, ("plain",): 0.0}
    versions = values(families["probe_http_version"], "monitor")
    assert versions == {("web",): 1.1, ("named",): 1.1, ("plain",): 0.0}
    assert values(families["probe_http_ssl"], "monitor") == {
        ("web",): 1.0,
        ("named",): 1.0,
        ("plain",): 0.0,
    }
    shown = values(families["probe_tls_version_info"], "monitor", "version")
    assert shown == {("web", "TLS 1.3"): 1.0, ("named", "TLS 1.3"): 1.0}
    [sample] = [
        each for each in families["probe_tls_version_info"].samples if each.labels.get("zone")
    ]
    assert sample.labels["phase"] == "one"


async def test_gauges_follow_the_last_result(world: World, client: Client) -> None:
    busy(world)
    families = await scrape(client)
    key = ("monitor", "target")
    web, grpc, tls = ("web", ONE), (HOSTILE, "[2001:db8::7]:80"), ("tls", ONE)
    down = ("web", TWO)
    assert values(families["probe_success"], *key) == {web: 1, down: 0, grpc: 0, tls: 1}
    assert values(families["probe_duration_seconds"], *key)[web] == 0.125
    assert values(families["probe_http_status_code"], *key) == {web: 200, down: 0}
    assert values(families["probe_ssl_earliest_cert_expiry"], *key) == {tls: 1_900_000_000}
    assert values(families["probe_ssl_ocsp_next_update"], *key) == {tls: 1_800_000_000}
    assert values(families["probe_ssl_ocsp_status_info"], *key, "status") == {(*tls, "good"): 1}
    assert values(families["probe_grpc_status_code"], *key) == {grpc: 0}
    off = ("off", ONE)
    assert values(families["prober_check_status"], *key) == {
        web: 0,
        down: 2,
        grpc: 3,
        tls: 3,
        off: 3,
    }
    at = values(families["prober_check_last_probe_timestamp_seconds"], *key)
    assert at == dict.fromkeys([web, down, grpc, tls], WALL)
    [sample] = [s for s in families["probe_success"].samples if s.labels["target"] == TWO]
    assert sample.labels == {
        "monitor": "web",
        "pool": "web",
        "target": TWO,
        "kind": "HTTP",
        "team": HOSTILE,
        "a": "1",
        "zone": "ü",
    }


async def test_what_can_be_counted_is_there_before_it_happens(world: World, client: Client) -> None:
    """Or the first failure would be no increase."""
    world.configure(monitor("web", ONE, type="UDP_CONNECT"), monitor("tls", ONE, type="TLS"))
    world.record("web", ONE)
    families = await scrape(client)
    failures = values(families["prober_probe_failures"], "monitor", "reason")
    assert set(failures.values()) == {0}
    possible = {str(reason) for reason in Reason if not reason.is_good} - {"disabled"}
    assert {reason for name, reason in failures if name == "tls"} == possible
    assert {reason for name, reason in failures if name == "web"} == {
        reason for reason in possible if not reason.startswith("tls_")
    }
    assert set(values(families["prober_state_errors"], "reason").values()) == {0}


async def test_aggregates_counters_and_the_daemon_are_shown(world: World, client: Client) -> None:
    busy(world)
    families = await scrape(client)
    assert values(families["prober_backend_status"], "pool", "target")["web", TWO] == 2
    assert values(families["prober_pool_status"], "pool")["web",] == 1
    assert values(families["prober_load_balancer_status"], "load_balancer")["lb\\n",] == 3
    assert values(families["prober_probes"], "monitor")["web",] == 1_234_567
    failures = values(families["prober_probe_failures"], "monitor", "result", "reason")
    assert {labels: count for labels, count in failures.items() if count} == {
        ("web", "TIMED_OUT", "timeout"): 3,
        (HOSTILE, "HEALTH_PAYLOAD_MISMATCH", "not_serving"): 1,
    }
    assert values(families["prober_transitions"], "monitor", "to")["web", "CRITICAL"] == 1
    assert values(families["prober_transitions"], "monitor", "to")["tls", "OK"] == 0
    assert values(families["prober_local_errors"], "reason")["no_ports",] == 0
    assert values(families["prober_probes_skipped"], "reason") == {
        ("overrun",): 2,
        ("gap",): 0,
        ("pace",): 0,
    }
    for name, value in {
        "prober_checks": 5,
        "prober_monitors": 4,
        "prober_probes_in_flight": 0,
        "prober_config_last_reload_successful": 1,
        "prober_config_last_reload_success_timestamp_seconds": WALL,
        "prober_build_info": 1,
    }.items():
        assert families[name].samples[0].value == value, name
    assert families["prober_build_info"].samples[0].labels == {"version": "1.2.3", "build": BUILD}


async def test_latency_is_counted_by_phase_and_as_a_whole(world: World, client: Client) -> None:
    busy(world)
    family = (await scrape(client))["prober_probe_latency_seconds"]
    found = {
        (s.labels["phase"], s.name.rpartition("_")[2], s.labels.get("le")): s.value
        for s in family.samples
        if s.labels["monitor"] == "web"
    }
    phases = {phase for phase, _, _ in found}
    assert phases == {"resolve", "connect", "first_byte", "transfer", "total"}
    assert found["connect", "bucket", "0.1"] == 0
    assert found["connect", "bucket", "0.25"] == 6
    assert found["first_byte", "bucket", "10.0"] == 0
    assert found["first_byte", "bucket", "+Inf"] == found["first_byte", "count", None] == 6
    assert found["total", "sum", None] == 0.75


async def test_our_own_trouble_does_not_look_like_a_dead_target(
    world: World, client: Client
) -> None:
    world.configure(monitor("web", ONE))
    world.record("web", ONE, times=2)
    world.record("web", ONE, Reason.NO_DESCRIPTORS)
    families = await scrape(client)
    assert not families["probe_success"].samples
    assert not families["probe_http_status_code"].samples
    assert families["prober_check_status"].samples[0].value == 0
    assert families["prober_check_last_probe_timestamp_seconds"].samples
    assert values(families["prober_local_errors"], "reason")["no_descriptors",] == 1


async def test_a_check_that_goes_takes_its_samples_with_it(world: World, client: Client) -> None:
    world.configure(monitor("a", ONE, TWO), monitor("b", ONE))
    world.record("a", TWO)
    world.record("b", ONE)
    assert len((await scrape(client))["probe_success"].samples) == 2
    world.configure(monitor("a", ONE))
    families = await scrape(client)
    assert not families["probe_success"].samples
    assert values(families["prober_check_status"], "monitor", "target") == {("a", ONE): 3}
    assert values(families["prober_probes"], "monitor") == {("a",): 1}


async def test_changed_labels_show_at_the_next_scrape(world: World, client: Client) -> None:
    for team in ("a", "b"):
        world.configure(monitor("web", ONE, labels=Frozen(team=team)))
        family = (await scrape(client))["prober_check_status"]
        assert values(family, "team") == {(team,): 3}


@pytest.mark.parametrize(
    ("accept", "preferred"),
    [
        ("", False),
        ("*/*", False),
        ("text/html,application/xhtml+xml,*/*;q=0.8", False),
        ("text/plain", False),
        ("application/openmetrics-text", True),
        ("Application/OpenMetrics-Text ; version=1.0.0", True),
        ("application/openmetrics-text;q=0", False),
        ("application/openmetrics-text;q=0.3,text/plain;q=0.5", False),
        ("application/openmetrics-text;version=abc;q=nan,text/plain;q=x", True),
        (
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
                "application/openmetrics-text;version=0.0.1;q=0.4,"
                "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,"
                "text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
            ),
            True,  # what Prometheus sends
        ),
    ],
)
def test_openmetrics_is_for_those_who_prefer_it(accept: str, preferred: bool) -> None:
    assert prefers_openmetrics(accept) is preferred


async def test_the_content_type_names_the_format(client: Client) -> None:
    response = await client.get("/metrics")
    assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    response = await client.get("/metrics", headers=OPENMETRICS)
    assert response.headers["Content-Type"] == (
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    )
    assert (await response.text()).endswith("\n# EOF\n")


async def test_a_large_scrape_is_compressed_for_those_who_ask(world: World, client: Client) -> None:
    headers = {"Accept-Encoding": "gzip"}
    world.configure(monitor("web", ONE))
    response = await client.get("/metrics", headers=headers)
    assert "Content-Encoding" not in response.headers
    world.configure(monitor("web", *(f"10.0.1.{number}:80" for number in range(200))))
    async with client.get("/metrics", headers={"Accept-Encoding": "identity"}) as response:
        assert "Content-Encoding" not in response.headers
        plain_text = await response.text()
    response = await client.session.get(
        client.make_url("/metrics"), headers=headers, auto_decompress=False
    )
    assert response.headers["Content-Encoding"] == "gzip"
    text = gzip.decompress(await response.read()).decode()
    wanted = "prober_check_status{"
    assert text.count(wanted) == plain_text.count(wanted) == 200


def many() -> Monitor:
    """Return a monitor of 500 backends."""
    return monitor("web", *(f"10.0.{n // 250}.{n % 250}:80" for n in range(500)))


def test_a_scrape_comes_in_small_pieces_and_says_everything_once(world: World) -> None:
    world.configure(many())
    pieces = [*Metrics(world.store, world.vitals).pieces(as_openmetrics=False)]
    assert pieces[:10] == [""] * 10  # a turn for every 50 checks
    assert max(piece.count("\n") for piece in pieces[:-1]) <= 250
    found = [line for line in "".join(pieces).splitlines() if "prober_backend_status{" in line]
    assert len(found) == len(set(found)) == 500
    assert sum("prober_backend_status{" in piece for piece in pieces) == 2


async def test_other_work_goes_on_during_a_scrape(
    world: World, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.configure(many())
    monkeypatch.setattr("prober.state.pace.SLICE", 0)
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    await (await client.get("/metrics")).text()
    task.cancel()
    assert turns > 20  # one for 50 checks and one for 50 backends


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_finds_nothing_to_complain_of(world: World) -> None:
    busy(world)
    text = "".join(Metrics(world.store, world.vitals).pieces(as_openmetrics=False))
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=text.encode(), capture_output=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [("gzip", "gzip"), ("gzip;q=0", None), ("br, gzip;q=0.5", "gzip"), ("gzip; q=0.000", None)],
)
async def test_gzip_is_sent_to_whom_it_suits(
    world: World, client: Client, accepted: str, encoding: str | None
) -> None:
    world.configure(monitor("web", *(f"10.0.0.{i}:80" for i in range(1, 101))))
    answer = await client.get("/metrics", headers={"Accept-Encoding": accepted})
    assert answer.headers.get("Content-Encoding") == encoding


async def test_a_scrape_by_http_1_0_ends(client: Client) -> None:
    """Without a length and chunks, only the end of the connection tells that it is over."""
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    writer.write(b"GET /metrics HTTP/1.0\r\nHost: 127.0.0.1\r\nConnection: keep-alive\r\n\r\n")
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    assert b"Connection: close" in head
    assert b"prober_build_info" in body
