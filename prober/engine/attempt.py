"""One probe in flight: what is prepared for it, and what is measured of it."""

import socket
from collections.abc import Callable
from enum import IntEnum

from prober.engine.guard import Objection
from prober.engine.resolver import Address, Addresses, Answer, literal
from prober.engine.tls import TlsStream
from prober.model.probe import StartTls, Steps, Target, TlsSession, Trouble
from prober.model.status import Outcome, Phases

Done = Callable[[Outcome], None]

REPLY_LIMIT = 2 * 1024 * 1024
"""Bytes that are read of one reply, whatever the probe type."""


class Job:
    """What is probed, prepared once for many probes.

    `begin` starts a probe's generator; `timeout` is in seconds. `source_ip` is the local address
    of a recent connection, asked for again when `source_due` is reached. `objection` judges each
    address that is to be connected to; None where all are welcome.
    """

    __slots__ = (
        "addresses",
        "begin",
        "datagram",
        "objection",
        "reply_limit",
        "source_due",
        "source_ip",
        "target",
        "timeout",
    )

    def __init__(
        self,
        target: Target,
        begin: Callable[[], Steps],
        *,
        timeout: float,
        datagram: bool,
        objection: Objection | None = None,
        reply_limit: int = REPLY_LIMIT,
    ) -> None:
        self.target = target
        self.begin = begin
        self.timeout = timeout
        self.datagram = datagram
        self.objection = objection
        self.reply_limit = reply_limit
        self.addresses = literal(target.host)
        self.source_ip: str | None = None
        self.source_due = 0.0


class Waiting(IntEnum):
    """What an attempt waits for."""

    ADDRESS = 0
    CONNECTION = 1
    HANDSHAKE = 2
    CONFIRMATION = 3
    ROOM = 4
    BYTES = 5


WAITED_FOR = {
    Waiting.ADDRESS: "no answer from the resolver",
    Waiting.CONNECTION: "no connection",
    Waiting.HANDSHAKE: "TLS handshake not finished",
    Waiting.ROOM: "request not taken",
    Waiting.BYTES: "no verdict from the reply",
}
"""What is said of an attempt whose deadline came while it waited."""


class Attempt:
    """One probe in flight. Times are monotonic seconds, None until they happen."""

    __slots__ = (
        "address",
        "addresses",
        "connected_at",
        "deadline",
        "done",
        "ended",
        "failure",
        "finished",
        "first_byte_at",
        "handshake",
        "job",
        "lost",
        "on_answer",
        "readable",
        "received",
        "resolved_at",
        "secured_at",
        "sent_at",
        "session",
        "settled_at",
        "sock",
        "started_at",
        "steps",
        "tick",
        "tls",
        "unsent",
        "waiting",
        "wall",
    )

    def __init__(self, job: Job, done: Done, *, now: float, wall: float, lost: float) -> None:
        self.job = job
        self.done = done
        self.started_at = now
        self.wall = wall
        self.lost = lost  # what the process had lost to standstills when this began
        self.deadline = now + job.timeout
        self.tick = 0
        self.finished = False
        self.waiting = Waiting.ADDRESS
        self.address: Address | None = None
        self.addresses: Addresses = ()  # those that are left to try
        self.on_answer: Callable[[Answer], None] | None = None
        self.failure: Trouble | None = None
        self.sock: socket.SocketType | None = None
        self.steps: Steps | None = None
        self.readable = False
        self.ended = False  # the peer will send nothing beyond what is already here
        self.received = 0
        self.unsent = b""
        self.handshake: StartTls | None = None
        self.tls: TlsStream | None = None
        self.session: TlsSession | None = None
        self.resolved_at: float | None = None
        self.connected_at: float | None = None
        self.secured_at: float | None = None
        self.sent_at: float | None = None
        self.first_byte_at: float | None = None
        self.settled_at: float | None = None  # when it was decided, if that is not its end

    def phases(self, end: float) -> Phases:
        """Return how long each of PHASES took; the one that did not finish lasts until `end`."""
        job = self.job
        connect = tls = send = first_byte = transfer = None
        resolve = None if job.addresses else (self.resolved_at or end) - self.started_at
        if not job.datagram and (job.addresses or self.resolved_at):
            connect = (self.connected_at or end) - (self.resolved_at or self.started_at)
        connected_at = self.connected_at
        if connected_at is not None:
            if self.handshake is not None:
                tls = (self.secured_at or end) - connected_at
            ready_at = self.secured_at or connected_at
            if self.sent_at is not None or self.waiting is Waiting.ROOM:
                send = (self.sent_at or end) - ready_at
                ready_at = self.sent_at or end
            if self.first_byte_at is not None or self.waiting is Waiting.BYTES:
                first_byte = (self.first_byte_at or end) - ready_at
            if self.first_byte_at is not None:
                transfer = end - self.first_byte_at
        return resolve, connect, tls, send, first_byte, transfer
