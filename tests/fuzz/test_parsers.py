"""Parsers under mutation: what is kept of earlier finds, and a bounded run that is always the same.

`python -m tests.fuzz` goes on from here for as long as it is let.
"""

from contextlib import nullcontext
from pathlib import Path
from random import Random

import pytest

from tests.fuzz.campaign import replay, run
from tests.fuzz.mutation import LONGEST, mutated
from tests.fuzz.subject import Subject, smaller
from tests.fuzz.subjects import SUBJECTS

TIMES = {
    "handshake": 120,
    "request": 160,
    "credentials": 80,
    "rows": 40,
    "database": 10,
    "edit": 16,
    "imported": 200,
}
"""Inputs of one run; the others are cheaper."""
MOST_TIMES = 600

KEPT = [(subject, path) for subject in SUBJECTS for path in subject.inputs()]


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.name)
def test_no_mutated_input_breaks_a_parser(subject: Subject) -> None:
    times = TIMES.get(subject.name, MOST_TIMES)
    failure = run(subject, Random(subject.name), times=times)
    if failure is not None:
        pytest.fail(f"{failure.error!r} for {failure.content!r}")


@pytest.mark.parametrize(
    ("subject", "path"), KEPT, ids=[f"{subject.name}-{path.name}" for subject, path in KEPT]
)
def test_no_input_that_is_kept_breaks_a_parser(subject: Subject, path: Path) -> None:
    replay(subject, path)


def test_the_same_seed_makes_the_same_inputs_and_none_is_too_long() -> None:
    examples = [b"GET / HTTP/1.1\r\n", b"0123456789" * 100]

    def made(seed: int) -> list[bytes]:
        random = Random(seed)
        return [mutated(examples[0], examples, random) for _ in range(200)]

    assert made(1) == made(1) != made(2)
    assert max(map(len, made(1))) <= LONGEST


def test_what_fails_is_found_and_made_small() -> None:
    def feed(content: bytes) -> None:
        assert b"\xff" not in content

    subject = SUBJECTS[0]._replace(opened=lambda: nullcontext(feed))
    failure = run(subject, Random(1), times=2000)
    assert failure is not None
    assert failure.content == b"\xff"
    assert isinstance(failure.error, AssertionError)


def test_smaller_inputs_lack_a_part() -> None:
    assert list(smaller(b"abcd")) == [b"cd", b"ab", b"bcd", b"acd", b"abd", b"abc"]
