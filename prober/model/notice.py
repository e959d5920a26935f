"""Notices: what operators tell the readers of the public page, such as planned work."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from uuid import UUID, uuid5

from prober.model.kinds import text
from prober.model.option import (
    Complaint,
    Kind,
    ReadContext,
    Rejected,
    expected,
    mapping,
    unknown_keys,
)
from prober.model.wording import END_OF_TIME

SEVERITIES = ("info", "warning", "critical")
"""How much a notice matters, from little to much."""

_TEXT = text(1, 1000)
_KEYS = ("text", "from", "until", "severity")
_WHEN = "a time with its zone such as 2027-01-15T08:00:00Z"
_NAMESPACE = UUID("b5e4b5a6-7f0e-4d0c-9d0e-3a8f3f6f7c11")


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One notice; it is shown between two unix times, from ever or for ever if one is None."""

    text: str
    begins: float | None = None
    ends: float | None = None
    severity: str = "info"

    def is_shown(self, now: float) -> bool:
        """Return whether it is shown at a unix time."""
        return (self.begins is None or self.begins <= now) and not self.has_ended(now)

    def has_ended(self, now: float) -> bool:
        """Return whether it is not shown any more at a unix time."""
        return self.ends is not None and self.ends <= now


def identity_of(notice: Notice) -> str:
    """Return what identifies a notice of the configuration: the same as long as its text is."""
    return str(uuid5(_NAMESPACE, f"{notice.begins}\n{notice.text}"))


def _read_when(value: object) -> float:
    """Read a time; YAML makes one of text that looks like it, in UTC without a zone."""
    moment = value
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise expected(_WHEN, value) from None
        if moment.tzinfo is None:
            raise expected(_WHEN, value)
    if isinstance(moment, date) and not isinstance(moment, datetime):
        raise Rejected(f"expected {_WHEN}, got the date {moment}")
    if not isinstance(moment, datetime):
        raise expected(_WHEN, value)
    at = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if not 0 <= at <= END_OF_TIME:
        raise Rejected(f"expected a time between 1970 and 9999, got {moment.isoformat()}")
    return at


def _read_notice(value: object, outside: ReadContext) -> Notice:
    given = mapping(value)
    complaints = unknown_keys(given, _KEYS)
    times: dict[str, float | None] = {"from": None, "until": None}
    words = ""
    try:
        words = _TEXT.read(given.get("text"), outside)
    except Rejected as rejected:
        complaints += [each._replace(path=("text", *each.path)) for each in rejected.complaints]
    for key in times:
        if given.get(key) is not None:
            try:
                times[key] = _read_when(given[key])
            except Rejected as rejected:
                complaints += [Complaint((key,), each.message) for each in rejected.complaints]
    severity = given.get("severity", "info")
    if severity not in SEVERITIES:
        complaints.append(Complaint(("severity",), _severity_message(severity)))
    begins, ends = times["from"], times["until"]
    if begins is not None and ends is not None and ends <= begins:
        complaints.append(Complaint(("until",), "ends before it begins"))
    if complaints:
        raise Rejected(*complaints)
    return Notice(text=words, begins=begins, ends=ends, severity=str(severity))


def _severity_message(value: object) -> str:
    return str(expected(f"one of {', '.join(SEVERITIES)}", value))


def _show_notice(notice: Notice) -> object:
    shown: dict[str, object] = {"text": notice.text, "severity": notice.severity}
    for key, at in (("from", notice.begins), ("until", notice.ends)):
        if at is not None:
            shown[key] = datetime.fromtimestamp(at, UTC).isoformat()
    return shown


_TIME_SCHEMA = {"type": "string", "format": "date-time"}
NOTICE = Kind(
    _read_notice,
    {
        "type": "object",
        "required": ["text"],
        "additionalProperties": False,
        "properties": {
            "text": _TEXT.schema,
            "from": _TIME_SCHEMA,
            "until": _TIME_SCHEMA,
            "severity": {"enum": list(SEVERITIES)},
        },
    },
    _show_notice,
)
