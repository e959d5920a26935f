"""Compares the processor time of probes of one type with that of another, and names the limits.

    python -m bench.ratios [--rounds 40]

The types take turns of 200 probes in simulated time. What else runs on the machine only adds to a
turn, so the first ratio is that of the cheapest turns; the second is the median of the ratios
within each round. `bench/alone` lets prober use ping sockets; without them, ICMP uses raw ones.
"""

import argparse
import logging
import statistics
import time
from contextlib import ExitStack

import structlog

from bench.simulated import CHECKS, INTERVAL, Run, targets

LIMITS = (("UDP_CONNECT", "TCP", 1.2), ("DNS", "UDP_CONNECT", 1.3), ("ICMP", "UDP_CONNECT", 1.0))
"""How many times the processor time of the second type a probe of the first may take."""
WARM = 3
"""Turns, until sockets and memory are used again."""


def turn(run: Run) -> float:
    """Probe each target once; return the processor microseconds of one probe."""
    begun = time.process_time()
    good = run.advance(INTERVAL)
    took = time.process_time() - begun
    assert good == CHECKS, f"{good} good probes of {CHECKS}"
    return took / good * 1e6


def main() -> None:
    """Measure all types in turn, and print the ratios."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=40)
    rounds = parser.parse_args().rounds
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with ExitStack() as stack:
        kinds = dict.fromkeys(kind for *pair, _ in LIMITS for kind in pair)
        ports = {kind: stack.enter_context(targets(kind)) for kind in kinds}
        runs = {kind: Run(kind, port) for kind, port in ports.items()}
        for run in runs.values():
            run.advance(WARM * INTERVAL)
        found = {kind: list[float]() for kind in kinds}
        for _ in range(rounds):
            for kind, run in runs.items():
                found[kind].append(turn(run))
    for kind, reference, limit in LIMITS:
        ours, theirs = found[kind], found[reference]
        least = min(ours) / min(theirs)
        usual = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
        times = f"{min(ours):.1f} us against {min(theirs):.1f} us"
        print(f"{kind}: {least:.2f} x {reference} (at most {limit}), {times}; median {usual:.2f}")


if __name__ == "__main__":
    main()
