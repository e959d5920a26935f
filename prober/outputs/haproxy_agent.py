"""HAProxy's agent-check: HAProxy asks for the state of a backend over TCP.

The answers are those of HAProxy 2.6 (configuration manual, `agent-check`): a reason follows a
space, and a server leaves MAINT only with `ready`.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import ClassVar

from prober.model.admin import AdminState
from prober.model.kinds import integer, list_of
from prober.model.known_status import ServedBackend, ServedPool
from prober.model.option import option
from prober.model.pool import LISTENER
from prober.model.probe import Target
from prober.model.status import Status
from prober.outputs.keep import NOTHING_TOLD, Told, tell_backend
from prober.outputs.output import Desk, keep_option

LONGEST_LINE = 1024
"""Maximum bytes of a request."""
PATIENCE = 3.0
"""Seconds within which HAProxy must send its line."""
MOST = 512
"""Maximum concurrent connections; more wait in the kernel's queue."""
LISTEN_AGAIN = 5.0
"""Seconds between two attempts to listen on an address."""


def words(backend: ServedBackend, weight_warning: int | None) -> str:
    """Return the answer about a backend, without a line feed."""
    known, admin = backend.known, backend.admin
    up = known is None or known.status.in_service
    if admin is None and not backend.backend.enabled:
        return "maint"
    match admin:
        case AdminState.MAINTENANCE:
            return "maint"
        case AdminState.FORCED_DOWN:
            return "ready down #forced"
        case AdminState.DRAIN if up:
            return "up drain"
        case AdminState.FORCED_UP:
            return "up ready" if weight_warning is None else "up ready 100%"
    if not up:
        reason = known.reason if known else None
        return f"ready down #{reason or 'not up yet'}"
    if weight_warning is None:
        return "up ready"
    warns = known is not None and known.status is Status.WARNING
    return f"up ready {weight_warning if warns else 100}%"


@dataclass(frozen=True, slots=True, kw_only=True)
class HaproxyAgentOutput:
    r"""Answer HAProxy's `agent-check`; `agent-send "POOL/BACKEND\n"` names the backend."""

    errors: ClassVar[tuple[str, ...]] = ("connection", "listen", "no_request")

    listen: tuple[Target, ...] = option(
        list_of(LISTENER, shortest=1), doc="addresses to listen on for HAProxy"
    )
    weight_warning: int | None = option(
        integer(0, 256), default=None, doc="the weight of a backend that is WARNING, in percent"
    )
    keep: float = keep_option()

    @asynccontextmanager
    async def run(self, desk: Desk) -> AsyncIterator[None]:
        """Listen while the context lasts."""
        agent = HaproxyAgent(self, desk)
        async with asyncio.TaskGroup() as tasks:
            listening = [tasks.create_task(agent.listen(each)) for each in self.listen]
            try:
                yield
            finally:
                for task in listening:
                    task.cancel()


class HaproxyAgent:
    """One agent: its answers, and what HAProxy was last told about each pool."""

    def __init__(self, settings: HaproxyAgentOutput, desk: Desk) -> None:
        self._settings = settings
        self._desk = desk
        self._told: dict[str, Told] = {}
        self._places = asyncio.Semaphore(MOST)

    def answer(self, line: str) -> str:
        """Return the answer to a line, or an empty string for an unknown backend."""
        name, _, wanted = line.strip().rpartition("/")
        pool = self._desk.served(name) if wanted else None
        if pool is None:
            return ""
        key = _key_of(pool, wanted)
        told = tell_backend(pool, key, self._told.get(name, NOTHING_TOLD), self._settings.keep)
        self._told[name] = told
        self._desk.tell_held(name, told)
        backend = told.backends.get(key)
        return words(backend, self._settings.weight_warning) if backend else ""

    async def listen(self, address: Target) -> None:
        """Listen on an address until the task is cancelled; retry if that fails."""
        while True:
            try:
                server = await asyncio.start_server(
                    self._serve, address.host, address.port, limit=LONGEST_LINE
                )
            except OSError as error:
                self._desk.failed("listen", f"cannot listen on {address}: {error.strerror}")
                await asyncio.sleep(LISTEN_AGAIN)
                continue
            async with server:
                bound = server.sockets[0].getsockname()
                self._desk.listening(Target(bound[0], bound[1]))
                await server.serve_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with self._places, asyncio.timeout(PATIENCE):
                line = await reader.readline()
                if answer := self.answer(line.decode(errors="replace")):
                    writer.write(f"{answer}\n".encode())
                    await writer.drain()
                    self._desk.succeeded()
        except (TimeoutError, ValueError):  # nothing was sent, or a line without an end
            self._desk.count_error("no_request")
        except OSError:
            self._desk.count_error("connection")
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


def _key_of(pool: ServedPool, wanted: str) -> str:
    """Return the `address:port` of the backend with this `address:port` or name."""
    by_name = (each.key for each in pool.backends if each.backend.name == wanted)
    return next((each.key for each in pool.backends if each.key == wanted), next(by_name, wanted))
