"""Feeds mutated inputs to a subject, and watches what they cost."""

import resource
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

from tests.fuzz.mutation import mutated
from tests.fuzz.subject import Feed, Subject, smaller

MEMORY_LIMIT = 64 * 1024
"""Kibibytes by which the peak of the process may grow on one input."""
CPU_LIMIT = 2.0
"""Seconds of processor time that one input may take."""
SMALLER_TRIES = 500


class Failure(NamedTuple):
    """An input that a parser must not answer as it did."""

    content: bytes
    error: BaseException


def inputs(subject: Subject, random: Random) -> Iterator[bytes]:
    """Yield mutated inputs of a subject for ever."""
    examples = [path.read_bytes() for path in subject.inputs()]
    while True:
        yield mutated(random.choice(examples), examples, random)


def try_input(feed: Feed, content: bytes) -> Failure | None:
    """Feed one input; return what went wrong, a waste of memory or of time included."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.thread_time()
    try:
        feed(content)
    except Exception as error:  # noqa: BLE001  (whatever comes is what is looked for)
        return Failure(content, error)
    took = time.thread_time() - begun
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak
    if grown > MEMORY_LIMIT:
        return Failure(content, MemoryError(f"the peak of memory grew by {grown} KiB"))
    if took > CPU_LIMIT:
        return Failure(content, TimeoutError(f"{took:.1f} s of processor time"))
    return None


def run(subject: Subject, random: Random, *, times: int) -> Failure | None:
    """Feed so many mutated inputs; return the first failure, made as small as is easy."""
    with subject.opened() as feed:
        for _, content in zip(range(times), inputs(subject, random), strict=False):
            failure = try_input(feed, content)
            if failure is not None:
                return _smallest(feed, failure)
    return None


def replay(subject: Subject, path: Path) -> None:
    """Feed an input that is kept."""
    with subject.opened() as feed:
        feed(path.read_bytes())


def _smallest(feed: Feed, failure: Failure) -> Failure:
    """Leave out of an input what the same sort of failure does not need."""
    tries, shrunk = 0, True
    while shrunk and tries < SMALLER_TRIES:
        shrunk = False
        for content in smaller(failure.content):
            tries += 1
            found = try_input(feed, content)
            if found is not None and type(found.error) is type(failure.error):
                failure, shrunk = found, True
                break
            if tries >= SMALLER_TRIES:
                break
    return failure
