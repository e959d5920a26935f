"""What is stored of the state, and how it is restored after a restart."""

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from prober.edits.edit import Edit
from prober.model.admin import AdminEntry, AdminKey, AdminState
from prober.model.health import Health
from prober.model.kernel_view import KernelView
from prober.model.known_status import KnownStatus
from prober.model.notice import SEVERITIES, Notice
from prober.model.status import PHASES, REASONS, FactValue, Outcome, Status
from prober.probes import declared_facts
from prober.state.certificates import Certificates
from prober.state.cloud_objects import KINDS, CloudObject
from prober.state.database_table import table
from prober.state.events import CAPACITY, Event
from prober.state.notices import StoredNotice
from prober.state.rows import json_value, moment, number, or_none, readable, text, whole
from prober.state.state_errors import StateUnreadableError

if TYPE_CHECKING:
    from prober.state.database import Database

REFRESH_SECONDS = 60.0
"""Maximum age in seconds of a stored streak that no longer decides anything."""

LIFE = table("life", ("one",), ("alive_at", "credible_at"))
CHECKS = table(
    "checks",
    ("monitor", "backend"),
    ("online", "streak", "status", "since", "reserved", "last", "certificates"),
)
EVENTS = table("events", ("id",), Event._fields[1:])
EVENT_COLUMNS = ", ".join(Event._fields)
"""The columns of `events`, named like the fields of `Event`, in the order of `event_of`."""
EDITS = table("edits", ("kind", "id"), ("content", "base", "at"))
KNOWN = table("known", ("pool", "backend"), KnownStatus._fields)
ADMIN = table("admin", ("kind", "name"), AdminEntry._fields)
NOTICES = table("notices", ("id",), ("text", "begins", "ends", "severity", "by", "at"))
CLOUD_OBJECTS = table("cloud_objects", ("kind", "id"), CloudObject._fields)
TOLD = table("told", ("output", "subject"), ("content",))


class SavedCheck(NamedTuple):
    """A stored check; times are unix seconds. `certificates` are those that its target showed."""

    health: Health
    status: Status
    since: float
    degraded: bool
    last: Outcome | None
    certificates: Certificates = ()


class Saved(NamedTuple):
    """What was read at the start: `alive_at` is when the earlier process was last known alive.

    `last_event` is an id that events must be above if there are none in `events`. `credible_at` is
    its last credible time, None if there was none; see `CredibleClock`.
    """

    alive_at: float
    checks: dict[tuple[str, str], SavedCheck]
    events: list[Event]
    edits: tuple[Edit, ...] = ()
    known: Mapping[tuple[str, str], KnownStatus] = MappingProxyType({})
    told: Mapping[tuple[str, str], Any] = MappingProxyType({})
    admin: Mapping[AdminKey, AdminEntry] = MappingProxyType({})
    notices: Mapping[str, StoredNotice] = MappingProxyType({})
    cloud_objects: Mapping[tuple[str, str], CloudObject] = MappingProxyType({})
    last_event: int = 0
    credible_at: float | None = None


class SavableState(Protocol):
    """What is stored of a check's state."""

    health: Health
    status: Status
    since: float
    degraded: bool
    last: Outcome | None
    certificates: Certificates


class Journal:
    """Writes the states of checks and events to the database, at most a second late.

    A check is written when its status changes, while its streak can still decide something, and
    otherwise once in REFRESH_SECONDS: a streak far beyond rise and fall means nothing. The time at
    which the process is alive is written every second; it is the time of the results of all checks
    that are not stale.
    """

    def __init__(
        self,
        database: "Database",
        *,
        wall: Callable[[], float],
        credible: Callable[[], float] | None = None,
    ) -> None:
        self._database = database
        self._wall = wall
        self._credible = credible or wall
        self._changed: dict[tuple[str, str], SavableState] = {}

    def saw(self, key: tuple[str, str], state: SavableState) -> None:
        """Note that a check's state has to be written."""
        self._changed[key] = state

    def forget(self, key: tuple[str, str]) -> None:
        """Delete the stored state of a check."""
        self._changed.pop(key, None)
        self._database.put(CHECKS, key, None)

    def add_event(self, event: Event) -> None:
        """Write an event."""
        self._database.put(EVENTS, (event.id,), tuple(event[1:]))

    def keep_edit(self, edit: Edit) -> None:
        """Write an edit, replacing an earlier one of the same definition."""
        content = None if edit.content is None else json.dumps(edit.content)
        self._database.put(EDITS, (edit.kind, edit.id), (content, edit.base, edit.at))

    def drop_edit(self, kind: str, identifier: str) -> None:
        """Delete an edit, for example because the file supersedes it."""
        self._database.put(EDITS, (kind, identifier), None)

    def write_now(self, done: Callable[[bool], object]) -> None:
        """Write at once what was passed on; tell `done`, in another thread, if the disk has it."""
        self._database.write_now(done)

    def knew(self, key: tuple[str, str], known: KnownStatus | None) -> None:
        """Write the known status of a backend of a pool; None deletes it."""
        self._database.put(KNOWN, key, None if known is None else tuple(known))

    def keep_admin(self, key: AdminKey, entry: AdminEntry | None) -> None:
        """Write the state that an operator set; None deletes it."""
        self._database.put(ADMIN, key, None if entry is None else tuple(entry))

    def keep_notice(self, identity: str, stored: StoredNotice | None) -> None:
        """Write a notice that was published; None deletes it."""
        self._database.put(NOTICES, (identity,), None if stored is None else _notice_row(stored))

    def keep_cloud_object(self, kind: str, identifier: str, known: CloudObject | None) -> None:
        """Write what is known of an object of the clouds' APIs; None deletes it."""
        row = known and (
            *known[:2],
            json.dumps(dict(known.fields)),
            json.dumps(dict(known.spellings)),
        )
        self._database.put(CLOUD_OBJECTS, (kind, identifier), row)

    def remember(self, output: str, subject: str, content: object) -> None:
        """Write what an output remembers about a subject; None deletes it."""
        row = None if content is None else (json.dumps(content),)
        self._database.put(TOLD, (output, subject), row)

    def flush(self) -> None:
        """Pass on what was noted, and that the process is alive; call this every second."""
        for key, state in self._changed.items():
            self._database.put(CHECKS, key, _check_row(state))
        self._changed.clear()
        self._database.put(LIFE, (1,), (self._wall(), self._credible()))


def _notice_row(stored: StoredNotice) -> tuple[object, ...]:
    notice = stored.notice
    return notice.text, notice.begins, notice.ends, notice.severity, stored.by, stored.at


def _check_row(state: SavableState) -> tuple[object, ...]:
    last = json.dumps(state.last) if state.last else None
    online, streak = state.health
    shown = json.dumps(state.certificates) if state.certificates else None
    return online, streak, state.status, state.since, state.degraded, last, shown


def read_saved(database: "Database") -> Saved:
    """Return what an earlier process has written; unreadable rows are skipped and reported."""
    spoilt: list[object] = []

    def question(connection: Any) -> Saved:
        alive = connection.execute("SELECT alive_at, credible_at FROM life")
        checks = connection.execute(
            "SELECT monitor, backend, online, streak, status, since, reserved, last, certificates "
            "FROM checks"
        )
        events = connection.execute(
            f"SELECT {EVENT_COLUMNS} FROM events ORDER BY id DESC LIMIT ?",  # noqa: S608  (ours)
            (CAPACITY,),
        )
        edits = connection.execute("SELECT kind, id, content, base, at FROM edits ORDER BY at")
        known = connection.execute(
            "SELECT pool, backend, status, degraded, reason, cause, since FROM known"
        )
        told = connection.execute("SELECT output, subject, content FROM told")
        admin = connection.execute("SELECT kind, name, state, until, reason, by, at FROM admin")
        notices = connection.execute("SELECT id, text, begins, ends, severity, by, at FROM notices")
        cloud_objects = connection.execute(
            "SELECT kind, id, created_at, updated_at, fields, spellings FROM cloud_objects"
        )
        alive_at, credible_at = next(
            readable(alive, lambda row: (moment(row[0]), moment(row[1])), spoilt.append), (0.0, 0.0)
        )
        return Saved(
            alive_at,
            dict(readable(checks, _saved_check, spoilt.append)),
            list(readable(events, event_of, spoilt.append))[::-1],
            tuple(readable(edits, _edit_of, spoilt.append)),
            dict(readable(known, _known_of, spoilt.append)),
            dict(readable(told, _told_of, spoilt.append)),
            dict(readable(admin, _admin_of, spoilt.append)),
            dict(readable(notices, _notice_of, spoilt.append)),
            dict(readable(cloud_objects, _cloud_object_of, spoilt.append)),
            credible_at=credible_at or alive_at or None,  # earlier versions had none
        )

    try:
        saved = database.read(question)
    except StateUnreadableError as error:
        database.complain("unreadable", f"{error}; starting empty")
        return Saved(0.0, {}, [])
    if spoilt:
        database.complain("unreadable", f"skipped {len(spoilt)} implausible rows")
    return saved


def _saved_check(row: tuple[Any, ...]) -> tuple[tuple[str, str], SavedCheck]:
    monitor, backend, online, streak, status, since, degraded, last, shown = row
    health = Health(None if online is None else bool(online), whole(streak))
    outcome = or_none(_outcome, last)
    saved = SavedCheck(
        health,
        Status(status),
        moment(since),
        bool(degraded),
        outcome,
        or_none(_certificates, shown) or (),
    )
    return (text(monitor), text(backend)), saved


def _certificates(content: object) -> Certificates:
    shown = json_value(content)
    if not isinstance(shown, list):
        raise ValueError("not certificates")  # noqa: TRY004  (one error for the reader)
    return tuple(map(text, shown))


def _edit_of(row: tuple[Any, ...]) -> Edit:
    kind, identifier, content, base, at = row
    definition = or_none(_definition, content)
    return Edit(text(kind), text(identifier), definition, or_none(text, base), moment(at))


def _known_of(row: tuple[Any, ...]) -> tuple[tuple[str, str], KnownStatus]:
    pool, backend, status, degraded, reason, cause, since = row
    known = KnownStatus(
        Status(status),
        bool(degraded),
        REASONS[reason] if reason else None,
        text(cause),
        moment(since),
    )
    if known.status is Status.UNKNOWN:
        raise ValueError("nothing is known")
    return (text(pool), text(backend)), known


def _admin_of(row: tuple[Any, ...]) -> tuple[AdminKey, AdminEntry]:
    kind, name, state, until, reason, by, at = row
    entry = AdminEntry(
        AdminState(state), or_none(moment, until), text(reason), text(by), moment(at)
    )
    return (text(kind), text(name)), entry


def _notice_of(row: tuple[Any, ...]) -> tuple[str, StoredNotice]:
    identity, words, begins, ends, severity, by, at = row
    if severity not in SEVERITIES:
        raise ValueError("not a severity")
    notice = Notice(
        text=text(words),
        begins=or_none(moment, begins),
        ends=or_none(moment, ends),
        severity=severity,
    )
    return text(identity), StoredNotice(notice, text(by), moment(at))


def _cloud_object_of(row: tuple[Any, ...]) -> tuple[tuple[str, str], CloudObject]:
    kind, identifier, created_at, updated_at, fields, spellings = row
    if kind not in KINDS:
        raise ValueError("not a kind of object")
    pairs = _definition(spellings)
    if not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs.values()):
        raise ValueError("not spellings")
    known = CloudObject(moment(created_at), or_none(moment, updated_at), _definition(fields), pairs)
    return (kind, text(identifier)), known


def _told_of(row: tuple[Any, ...]) -> tuple[tuple[str, str], object]:
    output, subject, content = row
    return (text(output), text(subject)), json_value(content)


def _definition(content: object) -> Mapping[str, object]:
    definition = json_value(content)
    if not isinstance(definition, dict):
        raise ValueError("not a definition")  # noqa: TRY004  (one error for the reader)
    return definition


def _outcome(content: object) -> Outcome:
    reason, detail, facts, at, seconds, phases, source_ip, skipped, *more = json_value(content)
    if len(phases) != len(PHASES):
        raise ValueError("wrong number of phases")
    return Outcome(
        REASONS[reason],
        text(detail),
        or_none(_facts, facts),
        moment(at),
        number(seconds),
        tuple(or_none(number, phase) for phase in phases),
        or_none(text, source_ip),
        whole(skipped),
        or_none(_kernel, more[0]) if more else None,  # 0.1.0 knew nothing of it
    )


def _kernel(content: Any) -> KernelView:
    syns, retransmits, rtt, unacked, reporter = content
    return KernelView(
        or_none(whole, syns),
        or_none(whole, retransmits),
        or_none(number, rtt),
        or_none(whole, unacked),
        or_none(text, reporter),
    )


def _facts(facts: object) -> Mapping[str, FactValue]:
    """Return the facts that a probe type declares; another version may have had others."""
    if not isinstance(facts, dict):
        raise ValueError("not facts")  # noqa: TRY004  (one error for the reader)
    declared = declared_facts()
    known = {name: value for name, value in facts.items() if name in declared}
    if not all(declared[name].kind.holds(value) for name, value in known.items()):
        raise ValueError("not a value of the fact")
    return known


def event_of(row: tuple[Any, ...]) -> Event:
    """Return the event in a row of `events`; raise ValueError or LookupError if it is not one."""
    id_, at, kind, monitor, pool, backend, before, after, reason, streak, cause = row
    return Event(
        whole(id_),
        moment(at),
        text(kind),
        or_none(text, monitor),
        or_none(text, pool),
        or_none(text, backend),
        Status(before) if before else None,
        Status(after) if after else None,
        REASONS[reason] if reason else None,
        or_none(whole, streak),
        text(cause),
    )
