"""Words for people."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prober.model.wording import counted, time_text


@given(st.floats(-2e9, 4e9) | st.integers(-(2**31), 2**32))
def test_times_are_written_as_datetime_would(unix: float) -> None:
    expected = datetime.fromtimestamp(unix, UTC).isoformat(timespec="milliseconds")
    assert time_text(unix) == expected.removesuffix("+00:00") + "Z"


@pytest.mark.parametrize(
    ("unix", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_800_000_000.25, "2027-01-15T08:00:00.250Z"),
        (0.9999996, "1970-01-01T00:00:01.000Z"),
        (0.9994, "1970-01-01T00:00:00.999Z"),
        (-0.001, "1969-12-31T23:59:59.999Z"),
        (-0.0000001, "1970-01-01T00:00:00.000Z"),
    ],
)
def test_times_are_written_to_the_millisecond(unix: float, text: str) -> None:
    assert time_text(unix) == text


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0 probes"), (1, "1 probe"), ("1", "1 probe"), ("1.5", "1.5 probes")]
)
def test_one_of_something_is_in_the_singular(number: object, words: str) -> None:
    assert counted(number, "probe") == words
