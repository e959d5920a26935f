"""Webhooks: changes of a pool as signed JSON, retried until they are accepted.

In a cluster, one member sends for all. What it has sent is known to all members, so that another
one can continue.
"""

import asyncio
import hmac
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, ClassVar, NamedTuple
from urllib.parse import quote

from prober.model.file_kinds import SECRET, Secret
from prober.model.kinds import Frozen, choice, duration, mapping_of
from prober.model.known_status import JudgedCheck, NewCertificate, ServedPool
from prober.model.option import Kind, option
from prober.model.status import Status
from prober.outputs.alertmanager import HTTP_URL
from prober.outputs.output import Desk, Feed
from prober.outputs.posting import POST_ERRORS, Poster, PostFailed

GIVE_UP = 3600.0
"""Seconds after which a message that is never accepted is dropped."""
LONGEST_DELAY = 300.0
"""Maximum seconds between two attempts."""
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OWN = frozenset({"content-length", "transfer-encoding", "host", "connection"})

Json = dict[str, Any]


def _wrong_header(name: str) -> str | None:
    if not _TOKEN.fullmatch(name):
        return "expected the name of a header"
    return "this header is set by the client" if name.lower() in _OWN else None


HEADERS = mapping_of(SECRET, _wrong_header)
ALWAYS_SECRET = Kind(SECRET.read, SECRET.schema, lambda _: "<secret>")


class PostedChange(NamedTuple):
    """One change to report: of a backend, of a check, of a certificate, or of the pool itself.

    A certificate has no `before` and no `after`; `certificate` identifies it.
    """

    subject: str
    kind: str
    after: Status | None
    before: str | None = Status.UNKNOWN
    backend: str | None = None
    monitor: str | None = None
    reason: str | None = None
    cause: str = ""
    since: float | None = None
    certificate: str = ""

    @property
    def now(self) -> str:
        """What is remembered of the subject once this is reported."""
        return self.certificate if self.after is None else str(self.after)


def statuses_of(pool: ServedPool, checks: Iterable[JudgedCheck]) -> Iterator[PostedChange]:
    """Yield the statuses of a pool, its backends and their checks, as changes from UNKNOWN.

    Backends with an admin state are left out.
    """
    only = pool.monitors[0] if len(pool.monitors) == 1 else None
    for each in pool.backends:
        if (known := each.known) is not None and not each.is_decided:
            yield PostedChange(
                subject=f"backend {pool.name}/{each.key}",
                kind="backend",
                backend=each.key,
                monitor=only,
                after=known.status,
                reason=known.reason,
                cause=known.cause,
                since=known.since,
            )
    for check in checks:
        yield PostedChange(
            subject=f"check {check.monitor}/{check.backend}",
            kind="check",
            backend=check.backend,
            monitor=check.monitor,
            after=check.status,
            reason=check.reason,
            cause=check.cause,
            since=check.since,
        )
    if (status := pool.known_status) is not None and status is not Status.UNKNOWN:
        yield PostedChange(subject=f"pool {pool.name}", kind="pool", after=status)


def changes_of(
    pool: ServedPool, checks: Iterable[JudgedCheck], told: Mapping[str, str]
) -> Iterator[PostedChange]:
    """Yield the differences to the statuses last reported, `told`, by subject.

    A subject that was never reported and is OK is no change.
    """
    for each in statuses_of(pool, checks):
        before = told.get(each.subject)
        if each.after != before and (before or each.after is not Status.OK):
            yield each._replace(before=before or each.before)


def certificate_changes(
    certificates: Iterable[NewCertificate], told: Mapping[str, str]
) -> Iterator[PostedChange]:
    """Yield the certificates that differ from those last reported, `told`, by subject."""
    for each in certificates:
        subject = certificate_of(each)
        if each.certificate and each.certificate != told.get(subject, each.certificate):
            yield PostedChange(
                subject,
                kind="certificate",
                backend=each.backend,
                monitor=each.monitor,
                before=None,
                after=None,
                cause=each.cause,
                certificate=each.certificate,
            )


def certificate_of(check: NewCertificate) -> str:
    """Return the subject under which the certificate of a check is remembered."""
    return f"certificate {check.monitor}/{check.backend}"


def first_certificates(
    certificates: Iterable[NewCertificate], told: Mapping[str, str]
) -> dict[str, str]:
    """Return the certificate of each new check, or that it has none: these count as reported."""
    subjects = {certificate_of(each): each.certificate for each in certificates}
    return {subject: shown for subject, shown in subjects.items() if subject not in told}


def first_statuses(
    pool: ServedPool, checks: Iterable[JudgedCheck], told: Mapping[str, str]
) -> dict[str, str]:
    """Return the subjects that are OK from the start: they count as reported, and are not sent."""
    return {
        each.subject: str(each.after)
        for each in statuses_of(pool, checks)
        if each.after is Status.OK and each.subject not in told
    }


def sentence(pool: ServedPool, changes: list[PostedChange]) -> str:
    """Return the changes as text, for chat tools."""
    lines = [f"{pool.name}: {pool.known_status or pool.status}"]
    lines += [
        f"{each.backend} {each.before} -> {each.after}" + (f": {each.cause}" if each.cause else "")
        for each in changes
        if each.kind == "backend"
    ]
    lines += [f"{each.backend}: {each.cause}" for each in changes if each.kind == "certificate"]
    return "\n".join(lines)


FORMATS: Mapping[str, Callable[[str], Json] | None] = {
    "json": None,
    "slack": lambda said: {"text": said},
    "mattermost": lambda said: {"text": said},
    "teams": lambda said: {"text": said},
    "discord": lambda said: {"content": said[:2000]},
}
"""Formats of the body: prober's own JSON, or the minimum that a chat tool needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookOutput:
    """Post the changes of each pool."""

    errors: ClassVar[tuple[str, ...]] = POST_ERRORS

    url: str = option(HTTP_URL, doc="URL to post to")
    method: str = option(choice("POST", "PUT"), default="POST", doc="the method")
    headers: Frozen[Secret] = option(
        HEADERS, default=Frozen(), doc="request headers; values may be secrets"
    )
    secret: Secret | None = option(
        ALWAYS_SECRET,
        default=None,
        doc="signs the body: `X-Prober-Signature: sha256=<hex HMAC>`",
    )
    format: str = option(
        choice(*FORMATS), default="json", doc="prober's JSON, or the minimum that a chat tool needs"
    )
    group_wait: float = option(
        duration(0, 3600), default=5.0, doc="how long changes of a pool are collected"
    )
    timeout: float = option(duration(0.1, 60), default=5.0, doc="timeout of one request")

    @asynccontextmanager
    async def run(self, desk: Desk) -> AsyncIterator[None]:
        """Post while the context lasts."""
        async with Poster(timeout=self.timeout) as poster:
            hook = Webhook(self, desk, poster)
            try:
                async with desk.following(hook.follow):
                    yield
            finally:
                await hook.close()


class Webhook:
    """One receiver, and what was last reported to it."""

    def __init__(self, settings: WebhookOutput, desk: Desk, poster: Poster) -> None:
        self._settings = settings
        self._desk = desk
        self._poster = poster
        self._told: dict[str, str] = {
            subject: str(status) for subject, status in desk.memory.recall().items()
        }
        self._sending: dict[str, asyncio.Task[None]] = {}
        self._one_by_one = asyncio.Semaphore(4)
        desk.measure_queue(lambda: len(self._sending))

    async def follow(self, feed: Feed) -> None:
        """Process changes until the task is cancelled."""
        while True:
            for name in await feed.take():
                pool = self._desk.served(name)
                if pool is None or name in self._sending:
                    continue
                self._learn(self._desk.told(name))
                self._learn(first_statuses(pool, self._desk.checks(name), self._told))
                self._learn(first_certificates(self._desk.certificates(name), self._told))
                if self._desk.speaks() and any(self._changes(pool)):
                    self._sending[name] = asyncio.create_task(self._send_soon(name))

    async def close(self) -> None:
        """Cancel what is being sent; what was not accepted is sent after the next start."""
        tasks = list(self._sending.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _learn(self, told: Mapping[str, str]) -> None:
        for subject, status in told.items():
            if self._told.get(subject) != status:
                self._told[subject] = status
                self._desk.memory.remember(subject, status)

    async def _send_soon(self, name: str) -> None:
        """Send the changes of a pool after `group_wait`, and retry until they are accepted."""
        try:
            await asyncio.sleep(self._settings.group_wait)
            delay, began = 1.0, self._desk.wall()
            while not await self._send(name, final=self._desk.wall() - began > GIVE_UP):
                await asyncio.sleep(delay)
                delay = min(2 * delay, LONGEST_DELAY)
        finally:
            self._sending.pop(name, None)

    async def _send(self, name: str, *, final: bool) -> bool:
        """Send the changes of a pool; return whether nothing is left to send."""
        pool = self._desk.served(name)
        self._learn(self._desk.told(name))
        changes = list(self._changes(pool)) if pool and self._desk.speaks() else []
        if pool is None or not changes:
            return True
        content = json.dumps(self._body(pool, changes)).encode()
        async with self._one_by_one:
            try:
                await self._poster.post(
                    self._settings.url,
                    content,
                    method=self._settings.method,
                    headers=self._headers(content),
                )
            except PostFailed as failed:
                self._desk.failed(failed.reason, str(failed))
                if not (failed.final or final):
                    return False
                self._desk.count_dropped()
            else:
                self._desk.succeeded()
        self._learn({each.subject: each.now for each in changes})
        self._desk.tell(name, self._told_of(pool))
        return not any(self._changes(self._desk.served(name) or pool))

    def _told_of(self, pool: ServedPool) -> dict[str, str]:
        """Return all that was reported of a pool, by subject."""
        subjects = {each.subject for each in statuses_of(pool, self._desk.checks(pool.name))}
        subjects |= {certificate_of(each) for each in self._desk.certificates(pool.name)}
        return {each: self._told[each] for each in sorted(subjects) if each in self._told}

    def _changes(self, pool: ServedPool) -> Iterator[PostedChange]:
        yield from changes_of(pool, self._desk.checks(pool.name), self._told)
        yield from certificate_changes(self._desk.certificates(pool.name), self._told)

    def _headers(self, content: bytes) -> dict[str, str]:
        headers = {name: value.content for name, value in self._settings.headers.items()}
        if self._settings.secret is not None:
            key = self._settings.secret.content.encode()
            headers["X-Prober-Signature"] = f"sha256={hmac.new(key, content, sha256).hexdigest()}"
        return headers

    def _body(self, pool: ServedPool, changes: list[PostedChange]) -> Json:
        chat = FORMATS[self._settings.format]
        if chat is not None:
            return chat(sentence(pool, changes))
        now = self._desk.wall()
        counts = Counter(str(each.known.status) for each in pool.backends if each.known)
        return {
            "version": 1,
            "prober": {
                "name": self._desk.prober_name,
                "version": self._desk.version,
                "cluster": self._desk.cluster,
            },
            "group": {"pool": pool.name, "load_balancer": pool.load_balancer},
            "status": pool.known_status or pool.status,
            "changes": [_change_json(pool, each, now) for each in changes],
            "counts": {str(status): counts[status] for status in Status},
            "url": f"{self._desk.base_url}/?pool={quote(pool.name, safe='')}",
        }


def _change_json(pool: ServedPool, change: PostedChange, now: float) -> Json:
    return {
        "kind": change.kind,
        "pool": pool.name,
        "backend": change.backend,
        "monitor": change.monitor,
        "from": change.before,
        "to": change.after,
        "reason": change.reason,
        "cause": change.cause,
        "at": _time(now),
        "since": _time(now if change.since is None else change.since),
    }


def _time(unix: float) -> str:
    return datetime.fromtimestamp(unix, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
