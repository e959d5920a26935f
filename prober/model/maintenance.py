"""Recurring maintenance: windows by the wall clock of a time zone."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from prober.model.kinds import list_of, text
from prober.model.option import Complaint, Kind, ReadContext, Rejected, expected, option
from prober.model.pool import NAME

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_DAY = "|".join(DAYS)
_SCHEDULE = re.compile(
    rf"(?:(?P<days>(?:{_DAY})(?:-(?:{_DAY}))?(?:,(?:{_DAY})(?:-(?:{_DAY}))?)*) )?"
    r"(?P<from>[0-2][0-9]:[0-5][0-9])-(?P<to>[0-2][0-9]:[0-5][0-9])"
)
_WHAT = "days and hours such as `Sun 02:00-04:00`, `Mon-Fri 22:00-06:00` or `03:00-03:30`"


@dataclass(frozen=True, slots=True)
class Schedule:
    """Hours of some days, in minutes after midnight; one that ends before it begins is overnight.

    It is defined by the wall clock: an hour that a clock change skips is not there, and one that
    comes twice counts both times.
    """

    written: str
    days: frozenset[int]
    begins: int
    ends: int

    def covers(self, moment: datetime) -> bool:
        """Return whether a moment of local time is inside."""
        minute, today = moment.hour * 60 + moment.minute, moment.weekday()
        if self.begins < self.ends:
            return today in self.days and self.begins <= minute < self.ends
        yesterday = (today - 1) % 7
        return (today in self.days and minute >= self.begins) or (
            yesterday in self.days and minute < self.ends
        )


def read_schedule(value: object) -> Schedule:
    """Read a schedule, or raise `Rejected`."""
    found = _SCHEDULE.fullmatch(value) if isinstance(value, str) else None
    if not found or not isinstance(value, str):
        raise expected(_WHAT, value)
    begins, ends = _minutes(found["from"]), _minutes(found["to"])
    if begins >= 24 * 60 or ends > 24 * 60:
        raise Rejected(f"expected hours from 00:00 to 24:00, got {value!r}")
    if begins == ends:
        raise Rejected(f"{value!r} begins when it ends; `00:00-24:00` is the whole day")
    return Schedule(value, _days(found["days"]), begins, ends)


def _minutes(written: str) -> int:
    hour, _, minute = written.partition(":")
    return int(hour) * 60 + int(minute)


def _days(written: str | None) -> frozenset[int]:
    if written is None:
        return frozenset(range(7))
    found: set[int] = set()
    for part in written.split(","):
        first, _, last = part.partition("-")
        start, end = DAYS.index(first), DAYS.index(last or first)
        found |= {(start + i) % 7 for i in range((end - start) % 7 + 1)}
    return frozenset(found)


SCHEDULE = Kind(
    lambda value, _: read_schedule(value),
    {
        "type": "string",
        "pattern": f"^{_SCHEDULE.pattern}$".replace("?P<days>", "")
        .replace("?P<from>", "")
        .replace("?P<to>", ""),
    },
    lambda value: value.written,
)


def _read_zone(value: object, _: ReadContext) -> str:
    if not isinstance(value, str):
        raise expected("a time zone such as Europe/Berlin", value)
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # noqa: PLC0415  (few have maintenance)

    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Rejected(f"unknown time zone {value!r}; expected one such as Europe/Berlin") from None
    return value


ZONE = Kind(_read_zone, {"type": "string"})
PATTERNS = list_of(NAME, shortest=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class MaintenanceWindow:
    """Maintenance that comes again and again."""

    pools: tuple[str, ...] = option(
        PATTERNS, default=(), doc="names of pools, or patterns such as `web-*`"
    )
    monitors: tuple[str, ...] = option(PATTERNS, default=(), doc="names of monitors, or patterns")
    backends: tuple[str, ...] = option(
        PATTERNS, default=(), doc="`address:port` or `pool/address:port`, or patterns"
    )
    schedule: Schedule = option(SCHEDULE, doc=_WHAT)
    timezone: str = option(ZONE, default="UTC", doc="whose clock the hours are of")
    reason: str = option(text(0, 255), default="", doc="why, for people")
    zone: "ZoneInfo" = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Find the time zone; reject a window of nothing."""
        from zoneinfo import ZoneInfo  # noqa: PLC0415  (few have maintenance)

        object.__setattr__(self, "zone", ZoneInfo(self.timezone))
        if not (self.pools or self.monitors or self.backends):
            raise Rejected(Complaint((), "expected at least one of pools, monitors, backends"))

    def covers(self, now: float) -> bool:
        """Return whether a unix time is inside."""
        return self.schedule.covers(datetime.fromtimestamp(now, self.zone))

    def ends_at(self, now: float) -> float:
        """Return the unix time at which the window that covers `now` ends, to the minute."""
        moment = datetime.fromtimestamp(now - now % 60, UTC)
        for _ in range(8 * 24 * 60):
            moment += timedelta(minutes=1)
            if not self.covers(moment.timestamp()):
                break
        return moment.timestamp()
