"""Recurring maintenance: schedules, time zones, midnight, and the hours of a clock change."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from prober.model.maintenance import MaintenanceWindow, read_schedule
from prober.model.option import ReadContext, Rejected, section
from prober.state.admin_states import selected

NOTHING = ReadContext("", lambda _: "", {})
BERLIN = ZoneInfo("Europe/Berlin")


def window(schedule: str, timezone: str = "UTC") -> MaintenanceWindow:
    return MaintenanceWindow(pools=("web",), schedule=read_schedule(schedule), timezone=timezone)


def at(text: str, zone: ZoneInfo | Any = UTC) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()


@pytest.mark.parametrize(
    ("schedule", "moment", "inside"),
    [
        ("Sun 02:00-04:00", "2026-11-29 02:00", True),
        ("Sun 02:00-04:00", "2026-11-29 03:59", True),
        ("Sun 02:00-04:00", "2026-11-29 04:00", False),
        ("Sun 02:00-04:00", "2026-11-30 03:00", False),
        ("Mon-Fri 22:00-06:00", "2026-11-27 23:00", True),
        ("Mon-Fri 22:00-06:00", "2026-11-28 05:59", True),  # Friday's goes on
        ("Mon-Fri 22:00-06:00", "2026-11-28 22:00", False),
        ("Mon-Fri 22:00-06:00", "2026-11-30 03:00", False),  # Sunday has none
        ("Sat-Mon,Wed 00:00-24:00", "2026-11-29 12:00", True),
        ("Sat-Mon,Wed 00:00-24:00", "2026-12-01 12:00", False),
        ("03:00-03:30", "2026-12-01 03:29", True),
        ("Sun 23:00-24:00", "2026-11-29 23:59", True),
        ("Sun 23:00-24:00", "2026-11-30 00:00", False),
    ],
)
def test_a_schedule_covers_its_hours(schedule: str, moment: str, inside: bool) -> None:
    assert window(schedule).covers(at(moment)) == inside


def test_an_hour_that_comes_twice_counts_both_times() -> None:
    autumn = window("Sun 02:00-03:00", "Europe/Berlin")
    first = at("2026-10-25 02:30", BERLIN)
    assert [autumn.covers(first + each) for each in (0, 3600, 7200)] == [True, True, False]
    assert autumn.ends_at(first) == first + 5400


def test_an_hour_that_is_skipped_is_not_there() -> None:
    spring = window("Sun 02:00-03:00", "Europe/Berlin")
    before = at("2026-03-29 01:59", BERLIN)
    assert not any(spring.covers(before + each) for each in range(0, 7200, 60))


def test_a_window_says_when_it_ends() -> None:
    night = window("22:00-06:00")
    assert night.ends_at(at("2026-11-29 23:10")) == at("2026-11-30 06:00")


@pytest.mark.parametrize(
    "schedule",
    ["", "Sun", "Sonntag 02:00-04:00", "02:00", "2:00-4:00", "25:00-26:00", "02:00-02:00", 5, None],
)
def test_what_is_no_schedule_is_refused(schedule: object) -> None:
    with pytest.raises(Rejected):
        read_schedule(schedule)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"schedule": "02:00-03:00"}, "expected at least one of pools, monitors, backends"),
        ({"pools": ["a"], "schedule": "02:00-03:00", "timezone": "Berlin"}, "unknown time zone"),
        ({"pools": ["a"], "schedule": "02:00-03:00", "timezone": "../etc"}, "unknown time zone"),
        ({"pools": [], "schedule": "02:00-03:00"}, "expected at least 1"),
    ],
)
def test_a_window_that_means_nothing_is_refused(given: object, said: str) -> None:
    with pytest.raises(Rejected, match=said):
        section(MaintenanceWindow).read(given, NOTHING)


def test_patterns_select_names() -> None:
    assert selected(["web-1", "web-2", "db"], ["web-*", "d?"]) == ["web-1", "web-2", "db"]
    assert selected(["web-1"], ["db"]) == []
