"""How an attempt gets a connection: resolve the name, then try the addresses in turn."""

import socket
from abc import ABC, abstractmethod
from collections.abc import Callable
from errno import EADDRNOTAVAIL, EINPROGRESS
from sys import intern
from typing import Final

from prober.engine.attempt import Attempt, Job, Waiting
from prober.engine.local_end import has_route, is_own, source_of
from prober.engine.os_errors import at_a_path, at_once
from prober.engine.resolver import (
    PATIENCE,
    Answer,
    ResolvedTarget,
    Resolver,
    endpoints,
    of_versions,
)
from prober.engine.sockets import IS_RAW, Sockets
from prober.engine.ticker import STALL, Ticker
from prober.engine.wheel import Wheel
from prober.model.probe import Reconnect, Target, Trouble
from prober.model.status import Reason, Verdict

STALLED_SHARE: Final = 0.1
"""The share of its timeout that a probe may lose to pauses of prober and still time out."""

_LATE: Final = 0.01  # tolerance for deadlines, in seconds
_SOURCE_FRESH: Final = 60.0
_MET_ITSELF: Final = "nothing listens on the port: the kernel connected the probe to itself"


class Approach(ABC):
    """Connects attempts; `Engine`, which derives from this, drives them from there.

    Args:
        ticker: Keeps the time.
        resolver: Resolves host names.
        local_ports: Returns the ephemeral ports of the kernel.
    """

    def __init__(
        self, *, ticker: Ticker, resolver: Resolver, local_ports: Callable[[], range]
    ) -> None:
        self._ticker = ticker
        self._clock = ticker.clock
        self._resolver = resolver
        self._sockets = Sockets()
        self._by_descriptor: dict[int, Attempt] = {}
        self._deadlines = Wheel(_LATE)  # of attempts
        self._read_local_ports = local_ports
        self._local_ports = local_ports()
        self._now = 0.0  # the time at which the current events were noticed

    @abstractmethod
    def _connected(self, attempt: Attempt, events: int) -> None:
        """Start a probe whose socket is connected; `events` are those of epoll."""

    @abstractmethod
    def _finish(self, attempt: Attempt, verdict: Verdict) -> None:
        """End an attempt and hand over its outcome."""

    @abstractmethod
    def _reserve(self, attempt: Attempt) -> None:
        """Count the probes of all addresses of a name as in flight before they are known."""

    @abstractmethod
    def _probe_all(self, attempt: Attempt) -> None:
        """Probe every address of an attempt at once."""

    @abstractmethod
    def _safely(self, action: Callable[..., None], attempt: Attempt, *arguments: object) -> None:
        """Call an action for one attempt; an exception of it must not affect the others."""

    def _resolve(self, attempt: Attempt) -> None:
        def answered(answer: Answer) -> None:
            self._now = self._clock()
            self._safely(self._resolved, attempt, answer)

        resolver, host = self._resolver, attempt.job.target.host
        patience = PATIENCE * attempt.job.timeout
        if attempt.job.rule is not None:
            self._reserve(attempt)
        answer = resolver.resolve(host, answered, patience=patience)
        if answer is not None:
            self._resolved(attempt, answer)
            return
        attempt.on_answer = answered
        attempt.waiting = Waiting.ADDRESS
        if resolver.kept(host):
            self._end_by(attempt, self._now + patience)

    def _out_of_patience(self, attempt: Attempt) -> None:
        """Continue with the previous addresses of a name: the resolver has not answered in time."""
        host = attempt.job.target.host
        if kept := self._resolver.kept(host):
            self._forget_the_question(attempt)
            self._resolved(attempt, kept)
        else:
            self._end_by(attempt, attempt.deadline)

    def _forget_the_question(self, attempt: Attempt) -> None:
        """Stop waiting for the resolver."""
        if attempt.on_answer is not None:
            self._resolver.forget(attempt.job.target.host, attempt.on_answer)
            attempt.on_answer = None

    def _resolved(self, attempt: Attempt, answer: Answer) -> None:
        attempt.on_answer = None
        if attempt.ends_by != attempt.deadline:
            self._end_by(attempt, attempt.deadline)
        if not isinstance(answer, Trouble) and attempt.job.ip_order is not None:
            answer = of_versions(attempt.job.target.host, answer, attempt.job.ip_order)
        if isinstance(answer, Trouble):
            self._finish(attempt, answer.verdict)
            return
        attempt.waiting = Waiting.CONNECTION
        attempt.resolved_at = self._now
        attempt.endpoints = endpoints(answer, attempt.job.target.port)
        if attempt.job.rule is not None:
            self._probe_all(attempt)
            return
        self._connect(attempt)

    def _connect(self, attempt: Attempt) -> None:
        """Connect to the first of the remaining endpoints."""
        job, left = attempt.job, attempt.endpoints
        attempt.endpoint = family, address = left[0]
        attempt.endpoints = left[1:]
        if job.objection and (objection := job.objection_to(address[0])):
            self._connect_failed(attempt, Trouble(Reason.NOT_PERMITTED, objection))
            return
        sockets = self._sockets
        try:
            if job.opened is not None:
                sock = job.opened(sockets, family)
            else:
                sock = sockets.datagram(family) if job.datagram else sockets.stream(family)
            attempt.sock = sock
            is_open = job.unconnected and sock.type != IS_RAW
            error = 0 if is_open else sock.connect_ex(address)
        except OSError as failed:
            if failed.errno is None:
                raise
            error = failed.errno
        if error not in (0, EINPROGRESS):
            if job.target.path:
                self._connect_failed(attempt, at_a_path(error))
                return
            lacks_address = error == EADDRNOTAVAIL and not has_route(attempt.endpoint)
            self._connect_failed(attempt, at_once(error, lacks_address=lacks_address))
            return
        if (
            attempt.started_at >= job.source_due or attempt.failure is not None
        ) and self._meets_itself(attempt, sock):
            self._connect_failed(attempt, Trouble(Reason.REFUSED, _MET_ITSELF))
            return
        descriptor = sock.fileno()
        self._by_descriptor[descriptor] = attempt
        if not job.endpoints:
            self._share_time(attempt)
        if job.datagram:
            self._connected(attempt, 0)

    def _reconnect(self, attempt: Attempt, step: Reconnect) -> None:
        """Replace the connection with a new one; the probe continues once that is open."""
        endpoint, steps, job = attempt.endpoint, attempt.steps, attempt.job
        assert endpoint is not None and steps is not None  # noqa: S101, PT018  (it is connected)
        self._release(attempt)
        following = Job(
            step.target or _again(job.target, endpoint),
            lambda: steps,
            timeout=job.timeout,
            datagram=step.datagram,
            egress=job.egress,
            ip_order=job.ip_order,
            objection=job.objection,
            reply_limit=job.reply_limit,
            beyond=step.beyond,
            slow=job.slow - (self._now - attempt.started_at),
            probe=job.probe,
        )
        if step.target is None:
            following.endpoints = (endpoint,)
        attempt.go_on_at(following, self._now)
        if attempt.ends_by != attempt.deadline:
            self._end_by(attempt, attempt.deadline)
        if attempt.endpoints:
            self._connect(attempt)
        else:
            self._resolve(attempt)

    def _meets_itself(self, attempt: Attempt, sock: socket.SocketType) -> bool:
        """Record the local address of a connection; return whether it is also the remote one.

        The kernel is asked once a minute, or each time if the port is an ephemeral one and the
        address is local or may change between probes.
        """
        assert attempt.endpoint is not None  # noqa: S101  (it is connected to)
        job, address = attempt.job, attempt.endpoint.address
        if isinstance(address, str):
            return False
        host, port, *_ = address
        if job.unconnected:
            source = source_of(attempt.endpoint)
            job.source_ip = source and intern(source)
            job.source_due = attempt.started_at + _SOURCE_FRESH
            return False
        own, own_port, *_ = sock.getsockname()
        job.source_ip = intern(own)
        if port in self._local_ports and (not job.endpoints or is_own(own, host)):
            job.source_due = 0.0
            return bool(own_port == port and is_own(own, host))
        job.source_due = attempt.started_at + _SOURCE_FRESH
        return False

    def _share_time(self, attempt: Attempt) -> None:
        """Divide the remaining time among the remaining addresses of a name."""
        share = (attempt.deadline - self._now) / (len(attempt.endpoints) + 1)
        self._end_by(attempt, self._now + share)

    def _end_by(self, attempt: Attempt, when: float) -> None:
        self._deadlines.remove(attempt.ends_by, attempt)
        self._deadlines.add(when, attempt)
        attempt.ends_by = when

    def _share_is_over(self, attempt: Attempt) -> None:
        """Try the next address if this one did not answer, unless prober itself was the cause.

        Addresses without a route get no share; this one gets it.
        """
        if not attempt.endpoints or not self._is_unanswered(attempt) or self._was_robbed(attempt):
            self._end_by(attempt, attempt.deadline)
            return
        left = tuple(filter(has_route, attempt.endpoints))
        if left == attempt.endpoints:
            self._connect_failed(attempt, Trouble(Reason.TIMEOUT, "no answer within its share"))
        else:
            attempt.endpoints = left
            self._share_time(attempt)

    def _is_unanswered(self, attempt: Attempt) -> bool:
        """Return whether an address has not answered yet; over UDP, silence may be an answer."""
        if attempt.job.datagram:
            return attempt.first_byte_at is None and not attempt.job.takes_silence()
        return attempt.waiting == Waiting.CONNECTION

    def _connect_failed(self, attempt: Attempt, trouble: Trouble) -> None:
        """Try the next address; after the last one, keep the verdict on the target, if any."""
        if attempt.failure is None or trouble.verdict.reason.is_conclusive:
            attempt.failure = trouble
            if trouble.kernel is None:
                trouble.kernel = attempt.kernel_view()
        self._release(attempt)
        if attempt.endpoints:
            attempt.start_over()
            self._connect(attempt)
        else:
            self._finish(attempt, attempt.failure.verdict)

    def _was_robbed(self, attempt: Attempt) -> bool:
        """Return whether prober was paused for so long that a timeout proves nothing."""
        lost = self._ticker.lost - attempt.lost
        return lost > max(STALL, STALLED_SHARE * attempt.job.timeout)

    def _release(self, attempt: Attempt, *, keep: bool = False) -> None:
        """Reset the connection and stop waiting.

        A socket in a known good state can be kept for another probe.
        """
        if attempt.on_answer is not None:
            self._forget_the_question(attempt)
        if attempt.task is not None:
            attempt.task.cancel()
            attempt.task = None
        sock, attempt.sock = attempt.sock, None
        if sock is None:
            return
        self._by_descriptor.pop(sock.fileno(), None)
        job = attempt.job
        if not keep or not job.keeps_sockets:
            sock.close()
        elif job.unconnected:
            self._sockets.give_back_echo(sock)
        elif job.datagram:
            self._sockets.give_back_datagram(sock)
        else:
            self._sockets.give_back(sock)


def _again(target: Target, endpoint: ResolvedTarget) -> Target:
    """Return the target at the same endpoint."""
    return target if target.path else Target(str(endpoint.address[0]), target.port)
