"""Accepts the connections of the API, within the limits.

The servers of the event loops count a connection only once TLS is established, wait long for that,
and log a traceback for each connection that they have no descriptor for. Hence this one.
"""

import asyncio
import errno
import os
import select
import socket
import ssl
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from ipaddress import IPv4Address
from math import inf
from typing import Any, NamedTuple

import structlog
from aiohttp import web

from prober.model.probe import Target
from prober.web.server import reserve
from prober.web.server.client_limits import LimitedConnection, Limits, is_local
from prober.web.server.login_limits import peer_of
from prober.web.server.public_address import without_base
from prober.web.server.request_body import asks_later
from prober.web.server.serving_tls import RenewedContext, has_allowed_name

_log = structlog.get_logger(__name__)

_AT_ONCE = 64  # connections accepted before the event loop gets a turn
_BACKLOG = 512
_ABSENT = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
_PAUSE = 0.01  # seconds until the next attempt if no connection can enter
_REST = 1.0  # seconds until the next attempt after running out of descriptors
_TOLD_EVERY = 60.0  # seconds between two log lines about refused connections


class Crowd(NamedTuple):
    """What to do with a new connection: whether to accept it, and which one to end for it."""

    enters: bool
    victim: LimitedConnection | None = None


def room_for(
    peer: str, present: Iterable[LimitedConnection], limits: Limits, now: float = inf
) -> Crowd:
    """Decide about a connection of this peer: it may replace the one idle for the longest time.

    One that has just come is not replaced: in a flood of connections, its request is on the way.
    """
    everybody = list(present)
    own = [each for each in everybody if each.peer == peer]
    if len(own) >= limits.of_peer(peer):
        crowd = own
    elif len(everybody) >= limits.connections:
        crowd = everybody
    else:
        return Crowd(enters=True)
    idle = [
        (each.idle_since, i)
        for i, each in enumerate(crowd)
        if each.idle_since is not None and now - each.idle_since > reserve.GRACE
    ]
    if not idle:
        return Crowd(enters=False)
    return Crowd(enters=True, victim=crowd[min(idle)[1]])


class Listener:
    """Listens on some addresses and hands connections to an application.

    Args:
        server: The server of the application.
        limits: The limits on clients.
        tls: The current TLS context; None without TLS.
        base: The path below which a proxy may serve prober; empty for none.
    """

    def __init__(
        self,
        server: web.Server,
        *,
        limits: Limits = Limits(),  # noqa: B008  (a value)
        tls: Callable[[], RenewedContext | None] = lambda: None,
        base: Callable[[], str] = lambda: "",
    ) -> None:
        server.request_factory = without_base(asks_later(server.request_factory), base)
        self._server = server
        self._limits = limits
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self._sockets: list[socket.socket] = []
        self._present: dict[LimitedConnection, asyncio.Task[None]] = {}
        self._descriptors: dict[LimitedConnection, int] = {}
        self._spare: int | None = None  # a descriptor, lent to a connection when there is no other
        self._told_at = -_TOLD_EVERY

    @property
    def addresses(self) -> list[Target]:
        """The addresses it listens on."""
        return [Target(*each.getsockname()[:2]) for each in self._sockets]

    def __len__(self) -> int:
        return len(self._present)

    async def open(self, address: Target) -> None:
        """Listen on an address, or on all addresses of a name on this machine; raise OSError."""
        before, absent = len(self._sockets), None
        for family, _, _, _, place in await self._loop.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            try:
                listening = _bound(family, place)
            except OSError as error:
                if error.errno == errno.EADDRINUSE and self._serves(place):
                    continue  # by the socket of `::`
                if error.errno not in _ABSENT:
                    raise
                absent = error  # `localhost` includes ::1 even if IPv6 is disabled
            else:
                self._sockets.append(listening)
                self._resume(listening)
        if absent and len(self._sockets) == before:
            raise absent

    def _serves(self, place: tuple[object, ...]) -> bool:
        """Return whether a socket of `::` already takes the clients of all IPv4 addresses."""
        return place[0] == str(IPv4Address(0)) and any(
            each.getsockname()[:2] == ("::", place[1]) and not _is_v6_only(each)
            for each in self._sockets
        )

    async def close(self) -> None:
        """Accept no more connections, and drop those that have not got as far as HTTP."""
        for listening in self._sockets:
            self._loop.remove_reader(listening.fileno())
            listening.close()
        self._sockets.clear()
        self._drop_spare()
        waiting = [task for each, task in self._present.items() if not each.is_met]
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(_AT_ONCE):
            if self._is_full():
                self._rest(listening, _PAUSE)
                return
            has_spare = self._take_spare()
            try:
                connection, address = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionError):
                return
            except OSError as error:
                self._tell("cannot_accept", reason=error.strerror)
                if not has_spare or not (lent := self._lend_spare(listening)):
                    self._rest(listening, _REST)
                    return
                connection, address = lent
                has_spare = False
            connection.setblocking(False)
            self._receive(connection, peer_of(address[0]), scarce=not has_spare)

    def _is_full(self) -> bool:
        """Return whether no connection can enter at the moment, not even by replacing one."""
        inside = self._reserved()
        if len(inside) < self._limits.reserved:
            return False
        first = reserve.first_to_leave(inside, self._loop.time())
        return first is None or self._has_unread(first)

    def _has_unread(self, client: LimitedConnection) -> bool:
        """Return whether a client has sent something that there was no time to read."""
        descriptor = self._descriptors.get(client, -1)
        if descriptor < 0:
            return False
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return any(events & select.POLLIN for _, events in poll.poll(0))

    def _reserved(self) -> list[LimitedConnection]:
        return [each for each in self._present if each.is_reserved]

    def _take_spare(self) -> bool:
        """Reserve a descriptor; return whether there is one."""
        if self._spare is None:
            with suppress(OSError):
                self._spare = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        return self._spare is not None

    def _lend_spare(self, listening: socket.socket) -> tuple[socket.socket, Any] | None:
        """Accept a connection with the spare descriptor, if there is one waiting."""
        self._drop_spare()
        try:
            return listening.accept()
        except OSError:
            return None

    def _drop_spare(self) -> None:
        if self._spare is not None:
            os.close(self._spare)
            self._spare = None

    def _rest(self, listening: socket.socket, seconds: float) -> None:
        """Stop accepting for a while: the pending connection would wake the loop all the time."""
        self._loop.remove_reader(listening.fileno())
        self._loop.call_later(seconds, self._resume, listening)

    def _resume(self, listening: socket.socket) -> None:
        if listening in self._sockets:
            self._loop.add_reader(listening.fileno(), self._accept, listening)

    def _room(self, peer: str, *, scarce: bool) -> tuple[Crowd, bool]:
        """Decide on a connection of this peer; the second value tells that it enters the reserve.

        If descriptors are scarce, it does so in any case.
        """
        regular = [each for each in self._present if not each.is_reserved]
        room = room_for(peer, regular, self._limits, self._loop.time())
        in_time = room.victim is None or not self._has_unread(room.victim)
        if room.enters and in_time and not scarce:
            return room, False
        now, places = self._loop.time(), self._limits.reserved
        place = reserve.place_for(peer, self._reserved(), places, now, local=is_local(peer))
        return Crowd(place.free, place.victim), True

    def _admits(self, connection: LimitedConnection, path: str) -> bool:
        """Decide on a request of a connection in reserve."""
        if path == reserve.SCRAPES:
            if not reserve.may_scrape(self._reserved(), self._limits.reserved):
                return False
            connection.scrapes = True
        return reserve.is_vital(path)

    def _receive(self, connection: socket.socket, peer: str, *, scarce: bool = False) -> None:
        room, reserved = self._room(peer, scarce=scarce)
        if reserved or room.victim is not None:
            self._tell("too_many_connections", peer=peer, connections=len(self))
        if not room.enters:
            connection.close()
            return
        if room.victim is not None:
            self._end(room.victim)
        renewed = self._tls()
        context = renewed.current() if renewed else None
        if renewed and context is None:  # never serve unencrypted instead
            connection.close()
            return
        client = LimitedConnection(
            self._server,
            loop=self._loop,
            limits=self._limits,
            peer=peer,
            welcome=partial(self._may_enter, peer, renewed),
            left=self._forget,
            admits=self._admits if reserved else None,
        )
        self._descriptors[client] = connection.fileno()
        task = self._present[client] = self._loop.create_task(
            self._meet(client, connection, context)
        )
        task.add_done_callback(partial(self._part, client, connection))

    async def _meet(
        self, client: LimitedConnection, connection: socket.socket, context: ssl.SSLContext | None
    ) -> None:
        """Connect a client; drop it silently if its TLS handshake fails or is too slow."""
        patience = self._limits.headers if context else None
        try:
            await self._loop.connect_accepted_socket(
                lambda: client,
                connection,
                ssl=context,
                ssl_handshake_timeout=patience,
                ssl_shutdown_timeout=patience,
            )
        except OSError as error:
            _log.debug("handshake_failed", peer=client.peer, reason=str(error))

    def _part(
        self, client: LimitedConnection, connection: socket.socket, _: asyncio.Task[None]
    ) -> None:
        """Close a connection that did not get as far as HTTP, even if its task has not started."""
        if not client.is_met:
            connection.close()
            self._forget(client)

    def _may_enter(
        self, peer: str, renewed: RenewedContext | None, transport: asyncio.BaseTransport
    ) -> bool:
        allowed = renewed.settings.client_allowed_sans if renewed else ()
        if not allowed or has_allowed_name(transport.get_extra_info("peercert"), allowed):
            return True
        _log.warning("certificate_refused", peer=peer)
        return False

    def _end(self, client: LimitedConnection) -> None:
        task = self._present.pop(client, None)
        self._descriptors.pop(client, None)
        if client.is_met:
            client.drop()
        elif task is not None:
            task.cancel()

    def _forget(self, client: LimitedConnection) -> None:
        self._present.pop(client, None)
        self._descriptors.pop(client, None)

    def _tell(self, event: str, **facts: object) -> None:
        """Log an event that may happen thousands of times a second."""
        now = self._loop.time()
        if now - self._told_at >= _TOLD_EVERY:
            self._told_at = now
            _log.warning(event, **facts)


def _is_v6_only(listening: socket.socket) -> bool:
    return bool(listening.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY))


def _bound(family: int, address: tuple[object, ...]) -> socket.socket:
    """Return a listening socket; `::` takes IPv4 as well, unless that is taken. Raise OSError."""
    if family == socket.AF_INET6 and address[0] == "::":
        try:
            return _bind(family, address, v6_only=False)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
    return _bind(family, address, v6_only=True)


def _bind(family: int, address: tuple[object, ...], *, v6_only: bool) -> socket.socket:
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, v6_only)
        listening.bind(address)
        listening.listen(_BACKLOG)
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening
