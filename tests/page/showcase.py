"""A world worth a picture: some pools in all conditions, with a past."""

import math
from collections import Counter
from random import Random

from prober.model.admin import BACKENDS, AdminEntry, AdminState
from prober.model.pool import Backend, Pool
from prober.model.probe import Probe
from prober.model.status import FactValue, Outcome, Phases, Reason
from prober.model.tls_settings import TlsSettings
from prober.outputs.counters import OutputCounters
from prober.probes.grpc import GrpcProbe
from prober.probes.http import HttpProbe, HttpsProbe
from prober.probes.tcp import TcpProbe
from prober.probes.tls import TlsProbe
from prober.probes.udp import UdpProbe
from prober.state.check_state import CheckState
from prober.state.database import Database
from tests.page.showcase_past import past
from tests.web.world import WALL, World, monitor

DAY = 86400.0
RESULTS = 90

# pool, load balancer, address without its last part, port, names of the backends
_POOLS = (
    ("storefront", "edge", "10.20.1", 8080, ("web-1", "web-2", "web-3", "web-4")),
    ("checkout", "edge", "10.20.2", 8443, ("checkout-1", "checkout-2", "checkout-3")),
    ("certificates", "edge", "203.0.113", 443, ("shop.example", "api.example")),
    ("inventory", "inside", "10.30.7", 9090, ("inv-a", "inv-b")),
    ("sessions", "inside", "10.30.9", 6379, ("redis-1", "redis-2")),
    ("resolver", "inside", "10.30.0", 53, ("ns-1",)),
    ("search", "inside", "10.30.5", 9200, tuple(f"search-{number}" for number in range(1, 10))),
)
_PROBES: dict[str, tuple[str, Probe, float]] = {  # type, probe, usual seconds
    "storefront": ("HTTP", HttpProbe(url_path="/healthz"), 0.012),
    "checkout": ("HTTPS", HttpsProbe(url_path="/ready", tls=TlsSettings(verify=True)), 0.034),
    "certificates": ("TLS", TlsProbe(tls=TlsSettings(expires_within=14 * DAY)), 0.021),
    "inventory": ("GRPC", GrpcProbe(service="inventory.v1"), 0.006),
    "sessions": ("TCP", TcpProbe(), 0.0007),
    "resolver": ("UDP_CONNECT", UdpProbe(), 0.002),
    "search": ("HTTP", HttpProbe(url_path="/_cluster/health"), 0.018),
}
_FAILING = {
    "web-3": range(78, RESULTS),
    "checkout-2": range(88, RESULTS),
    "inv-b": range(30, 41),
    **{f"search-{number}": range(60, RESULTS) for number in (2, 3, 5, 6, 8)},
}
_TIMING_OUT = frozenset({"search-3", "search-8"})
_SHARES: dict[str, Phases] = {
    "HTTP": (None, 0.18, None, 0.02, 0.7, 0.06),
    "HTTPS": (None, 0.12, 0.42, 0.01, 0.38, 0.04),
    "TLS": (None, 0.25, 0.72, None, None, None),
    "GRPC": (None, 0.15, None, 0.05, 0.75, 0.03),
    "TCP": (None, 0.95, None, None, None, None),
    "UDP_CONNECT": (None, None, None, 0.05, 0.9, None),
}


def showcase(world: World, database: Database | None = None) -> None:
    """Fill a world; with a database, it has a past of ninety days."""
    pools = []
    for name, balancer, net, port, names in _POOLS:
        backends = tuple(
            Backend(address=f"{net}.{11 + i}", port=port, name=each) for i, each in enumerate(names)
        )
        pools.append(Pool(name=name, load_balancer=balancer, backends=backends))
    monitors = [
        monitor(f"{name}-{kind.partition('_')[0].lower()}", pool=name, probe=probe, type=kind)
        for name, (kind, probe, _) in _PROBES.items()
    ]
    monitors.append(monitor("storefront-port", pool="storefront", probe=TcpProbe(), type="TCP"))
    world.wall, world.clock = WALL - RESULTS * 5, world.clock - RESULTS * 5
    world.configure(*monitors, pools=tuple(pools))
    if database is not None:
        past(world, database, {name: usual for name, (_, _, usual) in _PROBES.items()})
    chance = Random(7)
    for slot in range(RESULTS):
        world.wait(5)
        for place, state in enumerate(world.store):
            if state.check.backend.name != "ns-1" or slot < 1:
                world.store.record(state, _outcome(world, state, slot, chance))
                state.next_due = world.clock + place % 5 + 0.5
    world.store.admin.put(
        (BACKENDS, "storefront/10.20.1.14:8080"),
        AdminEntry(AdminState.DRAIN, WALL + 5400, "new kernel", "anna", WALL - 1800),
    )
    world.vitals.outputs["balancers"] = OutputCounters(
        "haproxy_agent", sent=48211, last_success=WALL - 1
    )
    world.vitals.outputs["chat"] = OutputCounters(
        "webhook",
        lambda pool: pool in ("storefront", "checkout"),
        sent=37,
        errors=Counter({"timeout": 4}),
        queue=lambda: 1,
        last_success=WALL - 9 * 3600,
        last_error="no answer within 5 s",
    )
    world.vitals.config_hash, world.vitals.config_loaded_at = "9f2c61d04be1", WALL - 5 * 3600
    world.vitals.started_at, world.vitals.loop_lag = WALL - 12.4 * DAY, 0.0006
    world.vitals.version = "0.1.0"


def _outcome(world: World, state: CheckState, slot: int, chance: Random) -> Outcome:
    name, kind = str(state.check.backend.name), state.check.monitor.type
    usual = _PROBES[state.check.pool.name][2] if kind != "TCP" else 0.0007
    seconds = usual * (1 + 0.25 * math.sin(slot / 7) + abs(chance.gauss(0, 0.18)))
    facts: dict[str, FactValue] = {}
    reason, detail = Reason.OK, "as expected"
    fails = slot in _FAILING.get(name, ()) and kind != "TCP"
    if fails and name in _TIMING_OUT:
        reason, detail, seconds = Reason.TIMEOUT, "no reply within 2 s", 2.0
    elif fails:
        reason, detail = Reason.UNEXPECTED_STATUS, "HTTP 503, expected 200"
        facts["http_status_code"] = 503
        if kind == "GRPC":
            reason, detail, facts = Reason.NOT_SERVING, "NOT_SERVING", {"grpc_status_code": 0}
    elif kind in ("HTTP", "HTTPS"):
        facts["http_status_code"] = 200
    elif kind == "GRPC":
        facts = {"grpc_status_code": 0, "grpc_serving_status": "SERVING"}
    if kind in ("HTTPS", "TLS"):
        days = 9 if name == "api.example" else 61
        facts |= {"tls_version": "TLSv1.3", "tls_not_after": WALL + days * DAY + 3600}
        facts["tls_issuer"] = "Example Trust, R11" if days == 9 else "Shop CA"
    phases = tuple(share and share * seconds for share in _SHARES[kind])
    return Outcome(reason, detail, facts, world.wall - 0.3, seconds, phases, "10.20.0.5")
