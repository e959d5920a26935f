"""What members of a cluster have in common: admin states, notices, what people were told."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import quote, unquote

from prober.cluster.common_values import CommonValue, CommonValues
from prober.cluster.duties import Tell
from prober.cluster.key_store import KeyStore
from prober.model.admin import AdminEntry, AdminKey, AdminState
from prober.model.notice import SEVERITIES, Notice
from prober.state.admin_states import AdminStates
from prober.state.cloud_objects import LOAD_BALANCER, CloudObject, CloudObjects
from prober.state.notices import Notices, StoredNotice
from prober.state.rows import moment, or_none, text

_ADMIN, _NOTICE, _BALANCER, _TOLD = "admin", "notice", "balancer", "told"
_NONSENSE = (ValueError, TypeError, KeyError)


class CommonStates:
    """Keeps admin states, notices and load balancers equal on all members; their `Speaker`.

    The load balancers are those that clouds' clients have created without a pool.

    Args:
        store: The etcd.
        cluster: The name of the cluster.
        admin: The admin states of this member.
        notices: Its notices.
        objects: What clouds' clients have written.
        pools: Returns the names of all pools.
        speaks: Returns whether this member sends the messages of an output to people.
        wall: Unix time.
        tell: Reports what operators should know.
    """

    def __init__(
        self,
        store: KeyStore,
        cluster: str,
        *,
        admin: AdminStates,
        notices: Notices,
        objects: CloudObjects,
        pools: Callable[[], Iterable[str]],
        speaks: Callable[[str], bool],
        wall: Callable[[], float],
        tell: Tell,
    ) -> None:
        self.cluster = cluster
        self._admin = admin
        self._notices = notices
        self._objects = objects
        self._pools = pools
        self._speaks = speaks
        self._tell = tell
        self._followers: list[Callable[[str], None]] = []
        self._values = CommonValues(store, cluster, wall=wall, heard=self._heard, tell=tell)
        for key, entry in admin.put_here.items():
            self._values.recall(_name(_ADMIN, *key), CommonValue([*entry], entry.at, entry.until))
        for identity, stored in notices.current(wall()).items():
            value = CommonValue(_written(stored), stored.at, stored.notice.ends)
            self._values.recall(_name(_NOTICE, identity), value)
        for name, known in objects.every(LOAD_BALANCER):
            value = CommonValue(_row(known), known.updated_at or known.created_at)
            self._values.recall(_name(_BALANCER, name), value)
        admin.share(self._put_admin)
        notices.share(self._put_notice)
        objects.share(self._put_balancer)
        self.run = self._values.run

    @property
    def is_ready(self) -> bool:
        """Whether the values of the other members have been read."""
        return self._values.ready.is_set()

    def offer_again(self) -> None:
        """Apply admin states whose subject was not configured until now."""
        for key, content in self._values.items():
            if key.startswith(f"{_ADMIN}/"):
                self._heard(key, content)

    def _put_admin(self, key: AdminKey, entry: AdminEntry | None) -> None:
        content, until = ([*entry], entry.until) if entry else (None, None)
        self._values.put(_name(_ADMIN, *key), content, until=until)

    def _put_notice(self, identity: str, stored: StoredNotice | None) -> None:
        content, until = (_written(stored), stored.notice.ends) if stored else (None, None)
        self._values.put(_name(_NOTICE, identity), content, until=until)

    def _put_balancer(self, name: str, known: CloudObject | None) -> None:
        self._values.put(_name(_BALANCER, name), _row(known) if known else None)

    def _heard(self, key: str, content: Any) -> None:
        kind, *names = map(unquote, key.split("/"))
        try:
            if kind == _ADMIN:
                sort, name = names
                self._admin.learn((sort, name), or_none(_entry, content))
            elif kind == _NOTICE:
                (identity,) = names
                self._notices.learn(identity, or_none(_stored, content))
            elif kind == _BALANCER:
                (name,) = names
                self._objects.learn(name, or_none(_cloud_object, content))
            elif kind == _TOLD:
                _, pool = names
                self._touch(pool)
        except _NONSENSE as error:
            self._tell("record_refused", key=key, reason=str(error))

    # A `Speaker`

    def speaks(self, output: str) -> bool:
        """Return whether this member sends the messages of an output to people."""
        return self._speaks(output)

    def told(self, output: str, pool: str) -> Mapping[str, str]:
        """Return what any member has reported of a pool to people, by subject."""
        content = self._values.get(_name(_TOLD, output, pool))
        if not isinstance(content, dict):
            return {}
        return {subject: each for subject, each in content.items() if isinstance(each, str)}

    def tell(self, output: str, pool: str, told: Mapping[str, str]) -> None:
        """Let all members know what was reported of a pool to people."""
        self._values.put(_name(_TOLD, output, pool), dict(told))

    def follow(self, follower: Callable[[str], None]) -> Callable[[], None]:
        """Call `follower` with each pool to report again; return how to stop."""
        self._followers.append(follower)
        return lambda: self._followers.remove(follower)

    def speaker_changed(self) -> None:
        """Make outputs check everything again: another member may be the speaker now."""
        for pool in list(self._pools()):
            self._touch(pool)

    def _touch(self, pool: str) -> None:
        for follower in tuple(self._followers):
            follower(pool)


def _name(*parts: str) -> str:
    return "/".join(quote(part, safe="") for part in parts)


def _entry(content: Any) -> AdminEntry:
    state, until, reason, by, at = content
    return AdminEntry(AdminState(state), or_none(moment, until), text(reason), text(by), moment(at))


def _written(stored: StoredNotice) -> list[Any]:
    notice = stored.notice
    return [notice.text, notice.begins, notice.ends, notice.severity, stored.by, stored.at]


def _stored(content: Any) -> StoredNotice:
    words, begins, ends, severity, by, at = content
    if severity not in SEVERITIES:
        raise ValueError("another severity")
    times = {"begins": or_none(moment, begins), "ends": or_none(moment, ends)}
    notice = Notice(text=text(words), severity=severity, **times)
    return StoredNotice(notice, text(by), moment(at))


def _row(known: CloudObject) -> list[Any]:
    return [known.created_at, known.updated_at, dict(known.fields), dict(known.spellings)]


def _cloud_object(content: Any) -> CloudObject:
    created_at, updated_at, fields, spellings = content
    if not (isinstance(fields, dict) and isinstance(spellings, dict)):
        raise ValueError("no fields")  # noqa: TRY004  (one error for the reader)
    return CloudObject(moment(created_at), or_none(moment, updated_at), fields, spellings)
