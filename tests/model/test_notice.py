"""Reading notices from the configuration."""

from datetime import UTC, date, datetime

import pytest

from prober.model.notice import NOTICE, Notice
from prober.model.option import ReadContext, Rejected

NOTHING = ReadContext("", str, {})
AT = datetime(2027, 1, 15, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    "when", ["2027-01-15T08:00:00Z", "2027-01-15T09:00:00+01:00", AT, AT.replace(tzinfo=None)]
)
def test_a_time_is_read_as_text_and_as_yaml_makes_it(when: object) -> None:
    notice = NOTICE.read({"text": "work", "from": when, "severity": "warning"}, NOTHING)
    assert notice == Notice(text="work", begins=AT.timestamp(), severity="warning")
    assert NOTICE.read(NOTICE.show(notice), NOTHING) == notice


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("work", "expected a mapping"),
        ({}, "expected text, got nothing"),
        ({"text": ""}, "expected 1 to 1000 characters"),
        ({"text": "x", "severity": "bad"}, "expected one of info, warning, critical, got 'bad'"),
        ({"text": "x", "from": "soon"}, "expected a time with its zone"),
        ({"text": "x", "from": "2027-01-15T08:00:00"}, "expected a time with its zone"),
        ({"text": "x", "from": date(2027, 1, 15)}, "got the date 2027-01-15"),
        ({"text": "x", "from": 5}, "expected a time with its zone"),
        ({"text": "x", "from": AT, "until": "2027-01-15T07:00:00Z"}, "ends before it begins"),
        ({"text": "x", "untill": 1}, "did you mean 'until'"),
    ],
)
def test_what_is_no_notice_is_refused(value: object, message: str) -> None:
    with pytest.raises(Rejected, match=message):
        NOTICE.read(value, NOTHING)
