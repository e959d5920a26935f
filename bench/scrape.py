"""The cost of a scrape: CPU milliseconds per 10,000 checks.

    python -m bench.scrape [--checks 10000] [--rounds 15]

The checks are recorded, not probed: nothing leaves this process. Between two scrapes, every check
gets a result, as where checks are probed more often than scraped. The figure is the fastest round.
"""

import argparse
import random
import time
from collections.abc import Mapping

from prober.config.reader import parse
from prober.model.option import ReadContext
from prober.model.status import FactValue, Outcome, Phases, Reason
from prober.state.store import Store
from prober.state.vitals import Vitals
from prober.web.metrics.check_metrics import Metrics

PLAIN: Phases = (None, 1e-4, None, 1e-5, 1e-3, 1e-5)
TLS: Phases = (None, 1e-4, 2e-3, 1e-5, 1e-3, 1e-5)
HTTP: Mapping[str, FactValue] = {"http_status_code": 200, "http_version": 1.1}
SECURE: Mapping[str, FactValue] = {
    **HTTP,
    "tls_version": "TLSv1.3",
    "tls_not_after": 1.9e9,
    "tls_chain_not_after": 1.9e9,
    "tls_issuer": "CN=an issuer",
}
KINDS: dict[str, tuple[Mapping[str, FactValue] | None, Phases]] = {
    "TCP": (None, (None, 1e-4, None, None, None, None)),
    "HTTP": (HTTP, PLAIN),
    "HTTPS": (SECURE, TLS),
}


def store_of(kind: str, checks: int) -> Store:
    """Return a store with one monitor of so many backends."""
    backends = [f"127.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}:80" for n in range(1, checks + 1)]
    document = {
        "pools": [{"name": "bench", "backends": backends}],
        "monitors": [{"name": "bench", "type": kind, "pool": "bench"}],
    }
    outside = ReadContext("", lambda _: "", {})
    config = parse(repr(document).replace("'", '"'), source="bench.json", outside=outside)
    store = Store(wall=time.time, awake=time.monotonic)
    store.adopt(config.model)
    for check in config.model.checks():
        store.add(check)
    return store


def record(store: Store, kind: str, chance: random.Random) -> None:
    """Give every check a result."""
    facts, phases = KINDS[kind]
    for state in store:
        factor = chance.uniform(0.5, 2)
        spent: Phases = tuple(each and each * factor for each in phases)
        seconds = sum(each or 0.0 for each in spent)
        found = dict(facts) if facts else None
        store.record(state, Outcome(Reason.OK, "fine", found, time.time(), seconds, spent))


def main() -> None:
    """Print the cost for each type."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--checks", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    for kind in KINDS:
        store, chance = store_of(kind, options.checks), random.Random(1)
        metrics = Metrics(store, Vitals(name="here", version="0", started_at=0.0))
        costs, size = [], 0
        for _ in range(options.rounds):
            record(store, kind, chance)
            before = time.process_time()
            size = sum(len(piece) for piece in metrics.pieces(as_openmetrics=False))
            costs.append((time.process_time() - before) * 1e3 * 10_000 / options.checks)
        print(f"{kind:6} {min(costs):6.1f} ms of CPU, {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
