"""Pools as outputs see them, and a desk without a daemon."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prober.model.admin import AdminState
from prober.model.known_status import (
    JudgedCheck,
    KnownStatus,
    NewCertificate,
    ServedBackend,
    ServedPool,
)
from prober.model.pool import Backend
from prober.model.status import Reason, Status
from prober.outputs.counters import OutputCounters
from prober.outputs.output import Alone, Desk, Output, OutputType, Speaker

WORDS = {
    "ok": KnownStatus(Status.OK, False, None, "", 0.0),
    "warning": KnownStatus(Status.WARNING, False, Reason.TIMEOUT, "no answer", 0.0),
    "slow": KnownStatus(Status.WARNING, True, Reason.SLOW, "took 2 s", 0.0),
    "critical": KnownStatus(Status.CRITICAL, False, Reason.REFUSED, "connection refused", 0.0),
}


def backend(number: int, word: str, since: float = 0.0) -> ServedBackend:
    """Return backend 10.0.0.NUMBER:80: `ok`, `warning`, `slow`, `critical`, `unknown`, or admin."""
    place = Backend(address=f"10.0.0.{number}", port=80, name=f"b{number}")
    measured, _, admin = word.partition("+")
    known = WORDS.get(measured)
    if known is not None and known.status is Status.CRITICAL:
        known = known._replace(since=since)
    return ServedBackend(place, known, AdminState(admin) if admin else None)


def pool(*words: str, name: str = "web", since: Iterable[float] = ()) -> ServedPool:
    """Return a pool of backends that are so."""
    times = [*since, *([0.0] * len(words))]
    backends = tuple(backend(i, each, times[i]) for i, each in enumerate(words))
    return ServedPool(name, "lb", Status.UNKNOWN, backends, ("m",))


async def until(holds: Callable[[], bool]) -> None:
    """Let everything else go on until something holds."""
    while not holds():  # noqa: ASYNC110  (what is waited for sets no event)
        await asyncio.sleep(0.001)


Look = Callable[[BaseHTTPRequestHandler, Any], int | None]
"""Checks a request and its body; returns a status for the answer, None for the usual one."""


class Receiver(ThreadingHTTPServer):
    """Takes what is sent as JSON; answers with `status`, and keeps it in `taken` if that is 200."""

    daemon_threads = True

    def __init__(self, look: Look | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.look = look or (lambda *_: None)
        self.taken: list[Any] = []
        self.status = 200
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status = self.server.look(self, body) or self.server.status
        if status == 200:
            self.server.taken.append(body)
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_PATCH = do_POST  # noqa: N815  (the name that http.server looks for)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def receiving(look: Look | None = None) -> Iterator[Receiver]:
    """Run a receiver; `look` checks each request and its body."""
    with Receiver(look) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


class Pools:
    """What is judged, changed by hand."""

    def __init__(self, *pools: ServedPool) -> None:
        self.pools = {each.name: each for each in pools}
        self.judged: dict[str, tuple[JudgedCheck, ...]] = {}
        self.shown: dict[str, tuple[NewCertificate, ...]] = {}
        self.followers: list[Callable[[str], None]] = []

    def pool_names(self) -> Iterable[str]:
        return list(self.pools)

    def served(self, name: str) -> ServedPool | None:
        return self.pools.get(name)

    def checks(self, name: str) -> Iterable[JudgedCheck]:
        return self.judged.get(name, ())

    def certificates(self, name: str) -> Iterable[NewCertificate]:
        return self.shown.get(name, ())

    def follow(self, follower: Callable[[str], None]) -> Callable[[], None]:
        self.followers.append(follower)
        return lambda: self.followers.remove(follower)

    def put(self, changed: ServedPool) -> None:
        self.pools[changed.name] = changed
        for each in self.followers:
            each(changed.name)


class Remembered:
    """What outputs remember."""

    def __init__(self) -> None:
        self.content: dict[str, Any] = {}

    def recall(self) -> dict[str, Any]:
        return dict(self.content)

    def remember(self, subject: str, content: Any) -> None:
        self.content.pop(subject, None)
        if content is not None:
            self.content[subject] = content


class World:
    """A desk, and all that it is given."""

    def __init__(self, settings: OutputType, *pools: ServedPool) -> None:
        self.source = Pools(*pools)
        self.counters = OutputCounters()
        self.memory = Remembered()
        self.wall = 1_800_000_000.0
        self.said: list[tuple[str, str, dict[str, Any]]] = []
        self.noted: list[tuple[str, str, str]] = []
        self.settings = settings
        self.speaker: Speaker = Alone()

    def desk(self) -> Desk:
        """Return a desk; one after another is a restart."""
        return Desk(
            Output(name="out", type="x", settings=self.settings),
            source=self.source,
            counters=self.counters,
            memory=self.memory,
            wall=lambda: self.wall,
            say=lambda level, event, **facts: self.said.append((level, event, facts)),
            note=lambda kind, cause, pool: self.noted.append((kind, cause, pool)),
            base_url="http://prober",
            prober_name="here",
            version="1",
            speaker=self.speaker,
        )
