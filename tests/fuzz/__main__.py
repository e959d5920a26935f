"""Fuzz for as long as is wanted: `python -m tests.fuzz [--seconds N] [--seed S] [--only NAME]...`.

What fails is made small, kept in tests/fuzz/corpus, from where the test suite replays it, and
printed with its traceback; then the others go on. To make a play of actions small may take
minutes, beyond the time that was given. The exit status is 1 if anything failed.
"""

import argparse
import sys
import time
import traceback
from random import Random, SystemRandom
from unittest import SkipTest

import structlog
from hypothesis import HealthCheck, Verbosity, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.fuzz.campaign import run
from tests.fuzz.subject import Subject
from tests.fuzz.subjects import SUBJECTS
from tests.fuzz.test_actions import Actions

TURN = 200
"""Inputs that a parser is fed before the next one has its turn."""
EXAMPLES = 20
"""Plays of the whole prober in a turn."""
ACTIONS = "actions"

_Counts = dict[str, int]


def main() -> int:
    """Take turns until the time is up."""
    names = [*(subject.name for subject in SUBJECTS), ACTIONS]
    parser = argparse.ArgumentParser(prog="tests.fuzz", description="Fuzz every parser in turn.")
    parser.add_argument("--seconds", type=float, default=300.0, help="how long (300)")
    parser.add_argument("--seed", type=int, help="the same seed, the same inputs")
    parser.add_argument("--only", action="append", choices=names, help="only this, or these")
    asked = parser.parse_args()
    first = SystemRandom().getrandbits(32) if asked.seed is None else asked.seed
    print(f"seed {first}", flush=True)
    structlog.configure(processors=[], logger_factory=structlog.ReturnLoggerFactory())
    wanted = asked.only or names
    tried, failed = dict.fromkeys(wanted, 0), dict.fromkeys(wanted, 0)
    end, turn = time.monotonic() + asked.seconds, 0
    while time.monotonic() < end:
        for subject in SUBJECTS:
            if subject.name in wanted and time.monotonic() < end:
                tried[subject.name] += TURN
                failed[subject.name] += _feed(subject, f"{first}-{turn}-{subject.name}")
        if ACTIONS in wanted and time.monotonic() < end:
            tried[ACTIONS] += EXAMPLES
            failed[ACTIONS] += _play(first + turn)
        turn += 1
    for name in wanted:
        print(f"{name:14} {tried[name]:9} tried {failed[name]:3} failed")
    return 1 if any(failed.values()) else 0


def _feed(subject: Subject, randomness: str) -> int:
    """Give a parser its turn; return the number of failures."""
    failure = run(subject, Random(randomness), times=TURN)
    if failure is None:
        return 0
    print(f"{subject.name}: kept as {subject.keep(failure.content)}", flush=True)
    traceback.print_exception(failure.error, limit=-8)
    return 1


def _play(number: int) -> int:
    """Give the actions their turn; return the number of failures."""
    limits = settings(
        max_examples=EXAMPLES,
        stateful_step_count=50,
        deadline=None,
        database=None,
        print_blob=True,
        verbosity=Verbosity.normal,
        suppress_health_check=list(HealthCheck),
    )
    try:
        run_state_machine_as_test(seed(number)(Actions), settings=limits)
    except SkipTest:
        return 0
    except Exception:  # noqa: BLE001  (whatever comes is what is looked for)
        print(f"actions, seed {number}:", flush=True)
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
