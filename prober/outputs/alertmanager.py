"""Alertmanager: alerts for backends and pools that are down, posted to its API (v2).

A firing alert is sent again every `repeat`; otherwise it would end by itself, four times `repeat`
after it was last sent. A resolved alert is sent with its end. Firing alerts are remembered across
restarts, so that each is resolved even if its subject recovers in the meantime.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, NamedTuple
from urllib.parse import quote

from prober.model.kinds import LABELS, Frozen, duration, list_of, mapping_of, matching, text
from prober.model.known_status import ServedBackend, ServedPool
from prober.model.option import option
from prober.model.status import Status
from prober.outputs.output import Desk, Feed
from prober.outputs.posting import POST_ERRORS, Poster, PostFailed

HTTP_URL = matching(
    r"https?://[^/?#@\x00-\x20\x7f]+(?:[/?#][^\x00-\x20\x7f]*)?",
    "a URL that starts with http:// or https://, without a user name",
)
ANNOTATIONS = mapping_of(text(longest=4096), lambda _: None)
TIMEOUT = 10.0
"""Seconds to wait for an answer of an Alertmanager."""
LIVES = 4
"""An alert that is not sent again ends by itself after this many times `repeat`."""

Labels = Mapping[str, str]


class Alert(NamedTuple):
    """One alert; `starts_at` in unix seconds."""

    labels: Labels
    annotations: Labels
    path: str
    starts_at: float


def alerts_of(pool: ServedPool) -> dict[str, Alert] | None:
    """Return the alerts that a pool raises, by subject; None while not all of it is known.

    Backends with an admin state raise none. PoolDown replaces PoolDegraded.
    """
    if any(each.known is None for each in pool.backends if each.counts):
        return None
    found = {f"backend {pool.name}/{each.key}": _backend_down(pool, each) for each in _down(pool)}
    if found and pool.known_status is Status.CRITICAL:
        found[f"pool {pool.name}"] = _pool_alert(pool, "PoolDown", "critical")
    elif found:
        found[f"pool {pool.name}"] = _pool_alert(pool, "PoolDegraded", "warning")
    return found


def _down(pool: ServedPool) -> Iterator[ServedBackend]:
    for each in pool.backends:
        if not each.is_decided and each.known and not each.known.status.in_service:
            yield each


def _backend_down(pool: ServedPool, backend: ServedBackend) -> Alert:
    known = backend.known
    assert known is not None  # noqa: S101  (what is down is known)
    why = f": {known.cause}" if known.cause else ""
    annotations = {
        "summary": f"Backend {backend.key} of pool {pool.name} is CRITICAL",
        "description": f"{known.reason or 'not in service'}{why}",
    }
    labels = {**backend.backend.labels, **_labels(pool, "BackendDown", "warning")}
    labels["backend"] = backend.key
    if len(pool.monitors) == 1:
        labels["monitor"] = pool.monitors[0]
    else:
        annotations["monitors"] = ", ".join(pool.monitors)
    return Alert(labels, annotations, f"/?pool={quote(pool.name, safe='')}", known.since)


def _pool_alert(pool: ServedPool, name: str, severity: str) -> Alert:
    down = [*_down(pool)]
    since = min(each.known.since for each in down if each.known)
    annotations = {
        "summary": f"Pool {pool.name} is {pool.known_status}",
        "description": f"{len(down)} of {len(pool.backends)} backends are CRITICAL",
    }
    labels = _labels(pool, name, severity)
    return Alert(labels, annotations, f"/?pool={quote(pool.name, safe='')}", since)


def _labels(pool: ServedPool, name: str, severity: str) -> dict[str, str]:
    return {
        "alertname": name,
        "pool": pool.name,
        "load_balancer": pool.load_balancer,
        "severity": severity,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertmanagerOutput:
    """Post all alerts to each of some Alertmanagers."""

    errors: ClassVar[tuple[str, ...]] = POST_ERRORS

    urls: tuple[str, ...] = option(
        list_of(HTTP_URL, shortest=1), doc="URLs of the Alertmanagers, without `/api/v2/alerts`"
    )
    labels: Frozen[str] = option(LABELS, default=Frozen(), doc="added to every alert")
    annotations: Frozen[str] = option(
        ANNOTATIONS, default=Frozen(), doc="added to every alert's annotations"
    )
    repeat: float = option(
        duration(5, 3600), default=60.0, doc="interval at which a firing alert is sent again"
    )

    @asynccontextmanager
    async def run(self, desk: Desk) -> AsyncIterator[None]:
        """Send alerts while the context lasts; its end resolves no alert."""
        async with Poster(timeout=TIMEOUT) as poster:
            alerts = Alerts(self, desk, poster)
            async with desk.following(alerts.follow, *map(alerts.send_to, self.urls)):
                yield


class Alerts:
    """The firing alerts, and the ended ones that some Alertmanager has not accepted yet."""

    def __init__(self, settings: AlertmanagerOutput, desk: Desk, poster: Poster) -> None:
        self._settings = settings
        self._desk = desk
        self._poster = poster
        self._firing = {
            subject: _remembered(content) for subject, content in desk.memory.recall().items()
        }
        self._ended: dict[str, dict[Any, tuple[Alert, float]]] = {url: {} for url in settings.urls}
        self._wake = {url: asyncio.Event() for url in settings.urls}
        desk.measure_queue(lambda: sum(len(each) for each in self._ended.values()))

    async def follow(self, feed: Feed) -> None:
        """Process changes until the task is cancelled."""
        while True:
            changed = False
            for name in await feed.take():
                changed |= self.update(name)
            if changed:
                for event in self._wake.values():
                    event.set()

    def update(self, name: str) -> bool:
        """Update the alerts of a pool; return whether there is anything to send."""
        pool = self._desk.served(name)
        wanted = {} if pool is None else alerts_of(pool)
        if wanted is None:
            return False
        mine = {each for each, alert in self._firing.items() if alert.labels["pool"] == name}
        changed = False
        for subject in mine | wanted.keys():
            changed |= self._turn(subject, self._firing.get(subject), wanted.get(subject))
        return changed

    def _turn(self, subject: str, before: Alert | None, after: Alert | None) -> bool:
        if before is not None and (after is None or self._all(before) != self._all(after)):
            for ended in self._ended.values():
                ended[tuple(sorted(self._all(before).items()))] = (before, self._desk.wall())
            del self._firing[subject]
            self._desk.memory.remember(subject, None)
            before_ended = True
        else:
            before_ended = False
        if after is None:
            return before_ended
        if before is not None and not before_ended:
            self._firing[subject] = after._replace(starts_at=before.starts_at)
            return False
        for ended in self._ended.values():
            ended.pop(tuple(sorted(self._all(after).items())), None)
        self._firing[subject] = after
        self._desk.memory.remember(subject, list(after))
        return True

    def _all(self, alert: Alert) -> dict[str, str]:
        return {**self._settings.labels, **alert.labels}

    async def send_to(self, url: str) -> None:
        """Send firing and ended alerts to one Alertmanager until the task is cancelled."""
        wake, repeat = self._wake[url], self._settings.repeat
        delay = 1.0
        while True:
            wake.clear()
            if await self._send(url):
                delay = 1.0
                with suppress(TimeoutError):
                    await asyncio.wait_for(wake.wait(), repeat)
            else:
                await asyncio.sleep(delay)
                delay = min(2 * delay, repeat)

    async def _send(self, url: str) -> bool:
        now = self._desk.wall()
        lives = LIVES * self._settings.repeat
        ended = self._ended[url]
        for key in [key for key, (_, at) in ended.items() if now - at > lives]:
            del ended[key]  # it has ended by itself
            self._desk.count_dropped()
        going = dict(ended)
        body = [
            *(self._json(alert, now + lives) for alert in self._firing.values()),
            *(self._json(alert, at) for alert, at in going.values()),
        ]
        if not body:
            return True
        try:
            await self._poster.post(f"{url.rstrip('/')}/api/v2/alerts", body)
        except PostFailed as failed:
            self._desk.failed(failed.reason, str(failed))
            return False
        for key, value in going.items():
            if ended.get(key) == value:
                del ended[key]
        self._desk.succeeded(len(body))
        return True

    def _json(self, alert: Alert, ends_at: float) -> dict[str, Any]:
        return {
            "labels": self._all(alert),
            "annotations": {**alert.annotations, **self._settings.annotations},
            "startsAt": _time(alert.starts_at),
            "endsAt": _time(ends_at),
            "generatorURL": f"{self._desk.base_url}{alert.path}",
        }


def _remembered(content: Any) -> Alert:
    labels, annotations, path, starts_at = content
    return Alert(labels, annotations, path, starts_at)


def _time(unix: float) -> str:
    return datetime.fromtimestamp(unix, UTC).isoformat(timespec="milliseconds")
