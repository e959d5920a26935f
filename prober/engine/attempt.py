"""One probe in flight: its preparations and its measurements."""

import socket
from collections.abc import Callable, Mapping
from functools import partial
from math import inf
from typing import Final, Protocol

from prober.engine.opening import opener
from prober.engine.resolver import Answer, ResolvedTarget, endpoints, literal
from prober.engine.sockets import Sockets
from prober.engine.target_policy import Objection
from prober.engine.tcp_state import kernel_view
from prober.engine.wire import REPLY_LIMIT, Wire
from prober.model.address_rule import AddressRule
from prober.model.egress import Egress
from prober.model.kernel_view import KernelView
from prober.model.monitor import Check
from prober.model.probe import (
    Begin,
    DeadlineReached,
    EchoOptions,
    Probe,
    Send,
    StartTls,
    Steps,
    Target,
    TlsSession,
    Trouble,
)
from prober.model.status import Outcome, Phases, Reason, Verdict

Done = Callable[[Outcome], None]


class Awaited(Protocol):
    """What an attempt may wait for: a task in another thread, or the probes of all addresses."""

    has_begun: bool

    def cancel(self) -> None:
        """End it; nobody waits for it any more."""


class Job:
    """A target, prepared once for many probes.

    `begin` is the result of `Probe.bind`; `timeout` is in seconds. `source_ip` is the local address
    of a recent connection, determined again after `source_due`. `objection` judges each address
    before connecting; None: all addresses are allowed. `beyond` is the target if `target` is the
    proxy that leads to it. With a `rule` every address of a name is probed; `of_addresses` are the
    jobs of those that were found last. `echo` is how ICMP echo requests are sent; `egress` is where
    connections start; a name is probed at its addresses of the first IP version in `ip_order` for
    which it has any. `opened` opens the socket, if it is not a plain one. After `slow` seconds, the
    kernel is asked what it knows even if the probe is good. With `keeps_sockets`, its sockets may
    be used by others; with `unconnected`, those that are ping sockets can send to every target.
    `probe` has the secrets to send.
    """

    __slots__ = (
        "begin",
        "beyond",
        "datagram",
        "echo",
        "egress",
        "endpoints",
        "ip_order",
        "keeps_sockets",
        "objection",
        "of_addresses",
        "opened",
        "probe",
        "reply_limit",
        "rule",
        "slow",
        "source_due",
        "source_ip",
        "target",
        "timeout",
        "unconnected",
    )

    def __init__(
        self,
        target: Target,
        begin: Begin,
        *,
        timeout: float,
        datagram: bool,
        echo: EchoOptions | None = None,
        egress: Egress | None = None,
        ip_order: tuple[int, ...] | None = None,
        objection: Objection | None = None,
        reply_limit: int = REPLY_LIMIT,
        beyond: Target | None = None,
        rule: AddressRule | None = None,
        slow: float = inf,
        probe: Probe | None = None,
    ) -> None:
        self.target = target
        self.beyond = beyond
        self.begin = begin
        self.probe = probe
        self.timeout = timeout
        self.datagram = datagram or echo is not None
        self.echo = echo
        self.egress = egress
        self.ip_order = ip_order
        self.opened = opener(echo, egress, datagram=datagram)
        if target.path:
            self.opened = Sockets.local
        self.unconnected = self.opened == Sockets.echo
        self.keeps_sockets = self.opened is None or self.unconnected
        self.objection = objection
        self.reply_limit = reply_limit
        self.endpoints = _endpoints(target)
        self.rule = rule
        self.slow = slow
        self.of_addresses: Mapping[ResolvedTarget, Job] = {}
        self.source_ip: str | None = None
        self.source_due = inf if target.path else 0.0

    @classmethod
    def of(cls, check: Check, objection: Objection | None = None) -> "Job":
        """Return the job of a check."""
        monitor, target = check.monitor, check.target
        proxy = monitor.probe.proxy
        return cls(
            proxy or target,
            monitor.probe.bind(target),
            timeout=monitor.timeout,
            datagram=monitor.probe.datagram,
            echo=monitor.probe.echo,
            egress=monitor.egress,
            ip_order=monitor.ip_order,
            objection=objection,
            beyond=target if proxy else None,
            rule=monitor.address_rule,
            slow=monitor.slow or inf,
            probe=monitor.probe,
        )

    def objection_to(self, address: str) -> str | None:
        """Return why a connection to an address must not be made, or None."""
        if self.objection is None:
            return None
        if self.target.path:
            return self.objection(*self.target)
        found = self.objection(address, self.target.port)
        if found or self.beyond is None:
            return found
        if not literal(self.beyond.host):
            return f"not allowed over the API: the proxy would look up {self.beyond.host}"
        return self.objection(*self.beyond)

    def takes_silence(self) -> bool:
        """Return whether silence is good: whether a probe that can send but receives nothing is."""
        if isinstance(self.begin, Verdict):
            return False
        steps = self.begin()
        try:
            step = next(steps)
            while isinstance(step, Send):
                step = steps.send(None)
            steps.throw(DeadlineReached(Reason.TIMEOUT, "no reply"))
        except StopIteration as stop:
            verdict: Verdict = stop.value
            return verdict.reason.is_good
        except Trouble:
            return False
        finally:
            steps.close()
        return False


def _endpoints(target: Target) -> tuple[ResolvedTarget, ...]:
    """Return the endpoints for an address or a path; none yet for a name."""
    if path := target.path:
        return (ResolvedTarget(socket.AF_UNIX, path),)
    found = endpoints(literal(target.host), target.port)
    if len(found) == 1 and found[0].address == target:
        return (found[0]._replace(address=target),)  # share the object instead of an equal one
    return found


class Waiting:
    """What an attempt is waiting for; not an Enum, whose lookups take 0.1 us in Python 3.11."""

    ADDRESS: Final = 0
    CONNECTION: Final = 1
    HANDSHAKE: Final = 2
    CONFIRMATION: Final = 3
    ROOM: Final = 4
    BYTES: Final = 5
    THREAD: Final = 6
    MOMENT: Final = 7


_WAITED_FOR: Final = {
    Waiting.ADDRESS: "no answer from the resolver",
    Waiting.CONNECTION: "no connection",
    Waiting.HANDSHAKE: "TLS handshake not completed",
    Waiting.ROOM: "request not accepted",
    Waiting.BYTES: "no complete reply",
    Waiting.THREAD: "reply not judged",
    Waiting.MOMENT: "no reply",
}


class Attempt:
    """One probe in flight. Times are monotonic seconds, None until they happen."""

    __slots__ = (
        "connected_at",
        "deadline",
        "done",
        "endpoint",
        "endpoints",
        "ends_by",
        "failure",
        "finished",
        "first_byte_at",
        "handshake",
        "job",
        "judged",
        "lost",
        "on_answer",
        "resolved_at",
        "secured_at",
        "sent_at",
        "session",
        "settled_at",
        "sock",
        "started_at",
        "steps",
        "task",
        "until",
        "waiting",
        "wall",
        "wire",
    )

    def __init__(self, job: Job, done: Done, *, now: float, wall: float, lost: float) -> None:
        self.job = job
        self.done = done
        self.wall = wall
        self.lost = lost  # the time that the process had lost to pauses when this started
        self.deadline = self.ends_by = now + job.timeout  # of the probe, and of the current address
        self.until = self.ends_by  # when it would end if it did not wait for a moment
        self.endpoints = job.endpoints  # those that are left to try
        self.finished = False
        self.waiting: int = Waiting.CONNECTION
        self.endpoint: ResolvedTarget | None = None
        self.on_answer: Callable[[Answer], None] | None = None
        self.failure: Trouble | None = None
        self.sock: socket.SocketType | None = None
        self.wire: Wire | None = None  # once connected
        self.steps: Steps | None = None
        self.task: Awaited | None = None  # what it waits for beside its socket
        self.handshake: StartTls | None = None
        self.session: TlsSession | None = None
        self.started_at = now
        self.resolved_at: float | None = None
        self.connected_at: float | None = None
        self.secured_at: float | None = None
        self.sent_at: float | None = None
        self.first_byte_at: float | None = None
        self.settled_at: float | None = None  # when it was decided, if earlier than its end
        self.judged: Verdict | None = None  # while files are compared with the secrets it sent

    @property
    def waited_for(self) -> str:
        """The detail of an attempt whose deadline passed while it was waiting."""
        if self.waiting == Waiting.BYTES and self.first_byte_at is None:
            unsent = self.wire is not None and self.wire.unsent
            return _WAITED_FOR[Waiting.ROOM] if unsent else "no reply"
        if self.handshake is not None and self.secured_at is None:
            return _WAITED_FOR[Waiting.HANDSHAKE]
        return _WAITED_FOR[self.waiting]

    @property
    def may_go_elsewhere(self) -> bool:
        """Whether another address may answer: over UDP, as long as this one has not.

        With TCP, the address has answered once it is connected.
        """
        unanswered = self.job.datagram and self.first_byte_at is None
        return unanswered and bool(self.endpoints or self.failure)

    @property
    def was_refused(self) -> bool:
        """Whether another address of the same name has refused.

        A host sends refusals only about once a second, so silence of another port means little.
        """
        return self.failure is not None and self.failure.verdict.reason is Reason.REFUSED

    def kernel_view(self) -> KernelView | None:
        """Return what the kernel knows of its connection, or of the last one that failed."""
        if self.job.datagram:
            return None
        if self.sock is not None:
            return kernel_view(self.sock)
        return None if self.failure is None else self.failure.kernel

    def start_over(self) -> None:
        """Forget what was sent to an address that did not answer, so the next one gets it too."""
        if self.steps is not None:
            self.steps.close()
        self.steps = self.wire = self.sent_at = None
        self.waiting = Waiting.CONNECTION

    def go_on_at(self, job: Job, now: float) -> None:
        """Leave a connection for that of another job; the time before is added to the outcome."""
        took = now - self.started_at
        self.done = partial(_done_after, self.done, took, self.phases(now, took))
        self.job = job
        self.endpoints = job.endpoints
        self.waiting = Waiting.CONNECTION
        self.started_at = now
        self.endpoint = self.failure = self.wire = self.steps = self.handshake = self.session = None
        self.resolved_at = self.connected_at = self.secured_at = None
        self.sent_at = self.first_byte_at = self.settled_at = None

    def phases(self, end: float, took: float) -> Phases:
        """Return the duration of each of PHASES; an unfinished phase lasts until `end`.

        `took` is the whole duration, shared by a probe that is only a connection.
        """
        job, connected_at = self.job, self.connected_at
        if job.endpoints and self.wire is None and not job.datagram:
            return None, took, None, None, None, None
        connect = tls = send = first_byte = transfer = None
        resolve = None if job.endpoints else (self.resolved_at or end) - self.started_at
        if not job.datagram and (job.endpoints or self.resolved_at):
            connect = (connected_at or end) - (self.resolved_at or self.started_at)
        if connected_at is not None:
            if self.handshake is not None:
                tls = (self.secured_at or end) - connected_at
            ready_at = self.secured_at or connected_at
            if self.sent_at is not None or self.waiting == Waiting.ROOM:
                send = (self.sent_at or end) - ready_at
                ready_at = self.sent_at or end
            if self.first_byte_at is not None or self.waiting == Waiting.BYTES:
                first_byte = (self.first_byte_at or end) - ready_at
            if self.first_byte_at is not None:
                transfer = end - self.first_byte_at
        return resolve, connect, tls, send, first_byte, transfer


def _done_after(done: Done, seconds: float, phases: Phases, outcome: Outcome) -> None:
    """Pass on the outcome of a probe that had another connection before."""
    both = tuple(
        later if earlier is None else earlier + (later or 0.0)
        for earlier, later in zip(phases, outcome.phases, strict=True)
    )
    done(outcome._replace(seconds=seconds + outcome.seconds, phases=both))
