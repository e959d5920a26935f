"""The batch engine: it owns the sockets of all probes in flight and drives their generators.

One private epoll holds every socket; the event loop watches only the epoll's own descriptor, and
on each wake-up everything that is ready is handled in one call. A probe costs no task, no future
and no stream. What is ready is taken as ready at the moment of the look: all of it has one time.
"""

import socket
from collections.abc import Callable
from errno import EADDRNOTAVAIL, EINPROGRESS
from math import inf
from select import EPOLLERR, EPOLLHUP, EPOLLOUT
from sys import intern
from typing import Final

from prober.engine.attempt import Attempt, Done, Job, Waiting
from prober.engine.handshake import begin
from prober.engine.link import Links
from prober.engine.local_end import has_route, is_own, local_ports
from prober.engine.os_errors import at_once
from prober.engine.resolver import PATIENCE, Address, Answer, Resolver, endpoints
from prober.engine.sockets import Sockets
from prober.engine.ticker import BEAT, STALL, Ticker
from prober.engine.tls_contexts import TlsContexts
from prober.engine.wheel import Wheel
from prober.engine.wire import Wire, error_of
from prober.model.probe import RECEIVE, DeadlineReached, Send, StartTls, Target, Trouble
from prober.model.status import Outcome, Reason, Verdict

STALLED_SHARE: Final = 0.1
"""The part of its timeout that a probe may lose to our standstills and still count as late."""
CONFIRM_AT_LEAST: Final = 0.1
"""Seconds of silence after a TLS 1.3 handshake that mean that the server accepts it."""

_LATE: Final = 0.01  # seconds by which a deadline may be passed
_BATCH: Final = 512
_LOOKS: Final = 4  # at what is ready: the end of a connection is to be seen as well
_SOURCE_FRESH: Final = 60.0
_OK: Final = Reason.OK
_MET_ITSELF: Final = "nobody listens there: the kernel connected the probe to itself"
_UNHEARD: Final = frozenset({Reason.TIMEOUT, Reason.UNREACHABLE, Reason.SILENT})


class Engine:
    """Runs probes. Everything happens in the event loop's thread.

    Args:
        ticker: Gives the time, and is asked to come back for deadlines.
        resolver: Answers for host names.
        wall: Gives unix time.
        report: Is told of exceptions that mean a bug of ours.
        local_ports: Gives the ports that the kernel may give to a probe.
    """

    def __init__(
        self,
        *,
        ticker: Ticker,
        resolver: Resolver,
        wall: Callable[[], float],
        report: Callable[[Exception, Target], None],
        local_ports: Callable[[], range] = local_ports,
    ) -> None:
        self.in_flight = 0
        self._ticker = ticker
        self._clock = ticker.clock
        self._resolver = resolver
        self._wall = wall
        self._report = report
        self._sockets = Sockets()
        self._contexts = TlsContexts()
        self._links = Links()
        self._expiries: dict[bytes, float | None] = {}
        self._by_descriptor: dict[int, Attempt] = {}
        self._unread: list[int] = []  # descriptors of which more can be read, after all others
        self._deadlines: Wheel[Attempt] = Wheel(_LATE)
        self._read_local_ports = local_ports
        self._local_ports = local_ports()
        self._now = 0.0  # when what is being handled was noticed

    # What the scheduler and the event loop call

    def fileno(self) -> int:
        """Return the descriptor that is readable when `drain` has something to do."""
        return self._sockets.epoll.fileno()

    def start(self, job: Job, done: Done) -> Attempt:
        """Start a probe; `done` is called with its outcome, exactly once, unless `close` comes."""
        self._now = now = self._clock()
        attempt = Attempt(job, done, now=now, wall=self._wall(), lost=self._ticker.lost)
        self._deadlines.add(attempt.deadline, attempt)
        self.in_flight += 1
        self._ticker.wake_by(now + BEAT if job.timeout > BEAT else attempt.deadline)
        try:
            if job.endpoints:
                self._connect(attempt)
            else:
                self._resolve(attempt)
        except Exception as error:  # noqa: BLE001  (as in `_safely`)
            self._fail(attempt, error)
        return attempt

    def drain(self) -> None:
        """Handle every socket that is ready, each as far as its share of reads goes."""
        self._look()
        for descriptor in self._unread:
            if descriptor in self._by_descriptor:
                self._sockets.watch_again(descriptor)
        self._unread.clear()

    def _look(self) -> None:
        sockets = self._sockets
        for _ in range(self.in_flight // _BATCH + _LOOKS):
            events = sockets.poll(_BATCH)
            if events:
                self._now = self._clock()
            for descriptor, mask in events:
                attempt = self._by_descriptor.get(descriptor)
                if attempt is None:
                    continue  # the end of a connection that was dissolved
                try:
                    self._ready(attempt, mask)
                except Exception as error:  # noqa: BLE001  (as in `_safely`)
                    self._fail(attempt, error)
            if not sockets.dissolve() and len(events) < _BATCH:
                return

    def expire(self, now: float) -> None:
        """End the probes whose deadline has passed; `drain` must have had its chance."""
        self._now = self._clock()  # `drain` may have seen something after the tick began
        for attempt in self._deadlines.pop(now):
            if not attempt.finished:
                self._safely(self._expired, attempt)
        self._sockets.dissolve()

    def next_deadline(self) -> float | None:
        """Return the monotonic time at which to come back, or None while nothing is in flight."""
        due = self._deadlines.next()
        return None if due is None else min(due, self._clock() + BEAT)

    def cancel(self, attempt: Attempt) -> None:
        """End a probe without an outcome."""
        if not attempt.finished:
            self._leave(attempt)

    def reread(self) -> None:
        """Look again at what is read but once: the files of TLS settings, the local ports."""
        self._contexts.clear()
        self._local_ports = self._read_local_ports()

    def close(self) -> None:
        """Drop every probe without a result and give back all sockets."""
        for attempt in self._deadlines.pop(inf):
            attempt.finished = True
            self._release(attempt)
        self.in_flight = 0
        self._links.close()
        self._sockets.close()

    # One attempt, from its start to its end

    def _safely(self, action: Callable[..., None], attempt: Attempt, *arguments: object) -> None:
        """Take one step with one attempt; what it raises must not reach the others."""
        try:
            action(attempt, *arguments)
        except Exception as error:  # noqa: BLE001  (here bugs of ours are held)
            self._fail(attempt, error)

    def _fail(self, attempt: Attempt, error: Exception) -> None:
        """End an attempt by what a step of it raised."""
        if not isinstance(error, Trouble):
            self._broken(attempt, error)
            return
        try:
            self._troubled(attempt, error)
        except Trouble as another:  # with the next address, so there are as many as addresses
            self._fail(attempt, another)
        except Exception as bug:  # noqa: BLE001  (as in `_safely`)
            self._broken(attempt, bug)

    def _broken(self, attempt: Attempt, bug: Exception) -> None:
        """Report a bug of ours, and end the attempt that met it."""
        self._report(bug, attempt.job.target)
        if not attempt.finished:
            detail = f"{type(bug).__name__}: {bug}"
            self._safely(self._finish, attempt, Verdict(Reason.INTERNAL, detail))

    def _resolve(self, attempt: Attempt) -> None:
        def answered(answer: Answer) -> None:
            self._now = self._clock()
            self._safely(self._resolved, attempt, answer)

        resolver, host = self._resolver, attempt.job.target.host
        patience = PATIENCE * attempt.job.timeout
        answer = resolver.resolve(host, answered, patience=patience)
        if answer is not None:
            self._resolved(attempt, answer)
            return
        attempt.on_answer = answered
        attempt.waiting = Waiting.ADDRESS
        if resolver.kept(host):
            self._end_by(attempt, self._now + patience)

    def _out_of_patience(self, attempt: Attempt) -> None:
        """Go on with the old addresses of a name; the resolver has not answered in time."""
        host = attempt.job.target.host
        if kept := self._resolver.kept(host):
            self._forget_the_question(attempt)
            self._resolved(attempt, kept)
        else:
            self._end_by(attempt, attempt.deadline)

    def _forget_the_question(self, attempt: Attempt) -> None:
        """Wait for no answer of the resolver any more."""
        if attempt.on_answer is not None:
            self._resolver.forget(attempt.job.target.host, attempt.on_answer)
            attempt.on_answer = None

    def _resolved(self, attempt: Attempt, answer: Answer) -> None:
        attempt.on_answer = None
        if attempt.ends_by != attempt.deadline:
            self._end_by(attempt, attempt.deadline)
        if isinstance(answer, Trouble):
            self._finish(attempt, answer.verdict)
            return
        attempt.waiting = Waiting.CONNECTION
        attempt.resolved_at = self._now
        attempt.endpoints = endpoints(answer, attempt.job.target.port)
        self._connect(attempt)

    def _connect(self, attempt: Attempt) -> None:
        """Connect to the first of the endpoints that are left."""
        job, left = attempt.job, attempt.endpoints
        attempt.endpoint = family, address = left[0]
        attempt.endpoints = left[1:]
        if job.objection and (objection := job.objection(address[0], job.target.port)):
            self._connect_failed(attempt, Trouble(Reason.NOT_PERMITTED, objection))
            return
        sockets = self._sockets
        try:
            sock = sockets.datagram(family) if job.datagram else sockets.stream(family)
            attempt.sock = sock
            error = sock.connect_ex(address)
        except OSError as failed:
            if failed.errno is None:
                raise
            error = failed.errno
        if error not in (0, EINPROGRESS):
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

    def _meets_itself(self, attempt: Attempt, sock: socket.SocketType) -> bool:
        """Note our own end of a connection; return whether the other end is the same.

        It is looked at once a minute, or each time where the port is one that we may be given, and
        the address is our own or may change from one probe to the next.
        """
        assert attempt.endpoint is not None  # noqa: S101  (it is connected to)
        job, (host, port, *_) = attempt.job, attempt.endpoint.address
        own, own_port, *_ = sock.getsockname()
        job.source_ip = intern(own)
        if port in self._local_ports and (not job.endpoints or is_own(own, host)):
            job.source_due = 0.0
            return bool(own_port == port and is_own(own, host))
        job.source_due = attempt.started_at + _SOURCE_FRESH
        return False

    def _share_time(self, attempt: Attempt) -> None:
        """Give each address of a name that is left its part of the time that is left."""
        share = (attempt.deadline - self._now) / (len(attempt.endpoints) + 1)
        self._end_by(attempt, self._now + share)

    def _end_by(self, attempt: Attempt, when: float) -> None:
        self._deadlines.remove(attempt.ends_by, attempt)
        self._deadlines.add(when, attempt)
        attempt.ends_by = when

    def _share_is_over(self, attempt: Attempt) -> None:
        """Go on to the next address if this one did not answer, unless that was our own doing.

        Addresses to which there is no route get no share: this one gets it.
        """
        if not attempt.endpoints or not self._is_unanswered(attempt) or self._was_robbed(attempt):
            self._end_by(attempt, attempt.deadline)
            return
        left = tuple(filter(has_route, attempt.endpoints))
        if left == attempt.endpoints:
            self._connect_failed(attempt, Trouble(Reason.TIMEOUT, "no answer in its time"))
        else:
            attempt.endpoints = left
            self._share_time(attempt)

    def _is_unanswered(self, attempt: Attempt) -> bool:
        """Return whether an address still owes an answer; over UDP, silence may be one."""
        if attempt.job.datagram:
            return attempt.first_byte_at is None and not attempt.job.takes_silence()
        return attempt.waiting == Waiting.CONNECTION

    def _connect_failed(self, attempt: Attempt, trouble: Trouble) -> None:
        """Go on to the next address; after the last one, a fault of the target's stands."""
        if attempt.failure is None or trouble.verdict.reason.is_conclusive:
            attempt.failure = trouble
        self._release(attempt)
        if attempt.endpoints:
            attempt.start_over()
            self._connect(attempt)
        else:
            self._finish(attempt, attempt.failure.verdict)

    def _ready(self, attempt: Attempt, events: int) -> None:
        """Take in what epoll says of an attempt's socket."""
        wire = attempt.wire
        if wire is not None:
            wire.see(events)
            self._resume(attempt, wire)
            return
        sock = attempt.sock
        assert sock is not None  # noqa: S101  (it is watched)
        error = error_of(sock) if events & (EPOLLERR | EPOLLHUP) else None
        if error is not None:
            self._connect_failed(attempt, error)
        elif events & EPOLLOUT:
            self._connected(attempt, events)

    def _connected(self, attempt: Attempt, events: int) -> None:
        sock, job = attempt.sock, attempt.job
        assert sock is not None  # noqa: S101  (it is connected)
        attempt.connected_at = self._now
        if isinstance(job.begin, Verdict):
            self._finish(attempt, job.begin)
            return
        attempt.wire = Wire(
            sock,
            self._unread.append,
            datagram=job.datagram,
            events=events,
            limit=job.reply_limit,
        )
        attempt.steps = job.begin()
        self._go_on(attempt, attempt.wire, None)

    def _resume(self, attempt: Attempt, wire: Wire) -> None:
        """Go on with what the attempt was waiting for, if that is there now."""
        waiting = attempt.waiting
        if waiting == Waiting.BYTES:
            content = self._take(attempt, wire)
            if content is not None:
                self._go_on(attempt, wire, content)
            elif wire.received:
                wire.acknowledge()
        elif waiting == Waiting.HANDSHAKE:
            self._shake(attempt, wire)
        elif waiting == Waiting.CONFIRMATION:
            self._confirm(attempt, wire)
        elif waiting == Waiting.ROOM and not wire.unsent:
            attempt.sent_at = attempt.sent_at or self._now
            self._go_on(attempt, wire, None)

    def _go_on(self, attempt: Attempt, wire: Wire, value: object) -> None:
        """Resume the generator with what it asked for, until it must wait or ends."""
        steps = attempt.steps
        assert steps is not None  # noqa: S101  (a connected attempt has begun)
        while True:
            try:
                step = steps.send(value)
            except StopIteration as stop:
                self._finish(attempt, stop.value)
                return
            except Exception:
                attempt.steps = None  # it has ended, there is nothing left to throw into
                raise
            if step is RECEIVE:
                attempt.waiting = Waiting.BYTES
                value = self._take(attempt, wire)
                if value is None:
                    if wire.received or attempt.sent_at is None:
                        wire.acknowledge()
                    return
            elif isinstance(step, Send):
                attempt.waiting = Waiting.ROOM
                wire.send(step.content)
                if wire.unsent:
                    return
                attempt.sent_at = attempt.sent_at or self._now
                value = None
            else:
                assert isinstance(step, StartTls)  # noqa: S101  (there is nothing else)
                self._start_tls(attempt, wire, step)
                return

    def _take(self, attempt: Attempt, wire: Wire) -> bytes | None:
        content = wire.take()
        if attempt.first_byte_at is None and content is not None:
            attempt.first_byte_at = self._now
        return content

    def _troubled(self, attempt: Attempt, trouble: Trouble) -> None:
        """Let the probe judge a trouble, if it has begun and not ended; else it is the verdict."""
        if attempt.may_go_elsewhere and not isinstance(trouble, DeadlineReached):
            trouble.__traceback__ = None  # as below
            self._connect_failed(attempt, trouble)
            return
        verdict = trouble.verdict
        if attempt.steps is not None:
            try:
                attempt.steps.throw(trouble)
            except StopIteration as stop:
                verdict = stop.value
            except Trouble as own:
                verdict = own.verdict
            else:
                attempt.steps = None
                raise RuntimeError("a probe went on after its end")
            finally:
                trouble.__traceback__ = None  # it holds the frames that hold it, and the attempt
        if verdict.reason is Reason.SILENT and attempt.was_refused:
            verdict = Verdict(Reason.WEAK_SILENCE, "no reply, after another address has refused")
        self._finish(attempt, verdict)

    def _expired(self, attempt: Attempt) -> None:
        """Judge an attempt whose time is up: late, or robbed of its time by our standstills."""
        if attempt.waiting == Waiting.CONFIRMATION:
            attempt.settled_at = attempt.secured_at  # the silence since then is no part of it
            self._confirmed(attempt)
            return
        if attempt.ends_by < attempt.deadline:
            if attempt.waiting == Waiting.ADDRESS:
                self._out_of_patience(attempt)
            else:
                self._share_is_over(attempt)
            return
        if self._was_robbed(attempt):
            lost = self._ticker.lost - attempt.lost
            detail = f"the prober stood still for {lost:.2f} s meanwhile"
            self._finish(attempt, Verdict(Reason.STALLED, detail))
            return
        detail = f"{attempt.waited_for} within {attempt.job.timeout:g} s"
        if attempt.waiting == Waiting.ADDRESS:
            raise Trouble(Reason.DNS_UNAVAILABLE, detail)
        raise DeadlineReached(Reason.TIMEOUT, detail)

    def _was_robbed(self, attempt: Attempt) -> bool:
        """Return whether our standstills took so much of its time that being late means nothing."""
        lost = self._ticker.lost - attempt.lost
        return lost > max(STALL, STALLED_SHARE * attempt.job.timeout)

    def _finish(self, attempt: Attempt, verdict: Verdict) -> None:
        """End an attempt and hand over its outcome."""
        reason = verdict.reason
        if reason is not _OK and reason in _UNHEARD and self._has_lost_its_link(attempt):
            verdict = Verdict(Reason.NO_ROUTE, "the link that leads there is down")
        reason, detail, facts = verdict  # first, lest a probe's bug be found out when half is done
        end = attempt.settled_at or self._now
        took = end - attempt.started_at
        self._leave(attempt, keep=reason.is_good)
        if attempt.session is not None:
            facts = {**attempt.session.facts(), **(facts or {})}
        attempt.done(
            Outcome(
                reason,
                detail,
                facts,
                attempt.wall,
                took,
                attempt.phases(end, took),
                attempt.job.source_ip,
            )
        )

    def _has_lost_its_link(self, attempt: Attempt) -> bool:
        if attempt.endpoint is None:
            return False
        family, address = attempt.endpoint
        return self._links.was_down(Address(family, str(address[0])), self._clock())

    def _leave(self, attempt: Attempt, *, keep: bool = False) -> None:
        attempt.finished = True
        self._release(attempt, keep=keep)
        self._deadlines.remove(attempt.ends_by, attempt)
        self.in_flight -= 1

    def _release(self, attempt: Attempt, *, keep: bool = False) -> None:
        """Reset the connection; wait for no answer any more.

        A socket of which everything is known to be well can be kept for another probe.
        """
        if attempt.on_answer is not None:
            self._forget_the_question(attempt)
        sock, attempt.sock = attempt.sock, None
        if sock is None:
            return
        self._by_descriptor.pop(sock.fileno(), None)
        if keep and not attempt.job.datagram:
            self._sockets.give_back(sock)
        else:
            sock.close()

    # TLS

    def _start_tls(self, attempt: Attempt, wire: Wire, step: StartTls) -> None:
        attempt.handshake = step
        attempt.waiting = Waiting.HANDSHAKE
        wire.tls = begin(self._contexts, step)
        self._shake(attempt, wire)

    def _shake(self, attempt: Attempt, wire: Wire) -> None:
        tls, step = wire.tls, attempt.handshake
        assert tls is not None and step is not None  # noqa: S101, PT018  (it has been started)
        if not wire.shake(tls):
            if wire.received:
                wire.acknowledge()
            return
        self._now = attempt.secured_at = self._clock()  # our own reckoning takes its time
        attempt.session = tls.session(self._expiries, chain=step.chain)
        if not step.confirm or attempt.session.version != "TLSv1.3":
            self._go_on(attempt, wire, attempt.session)
            return
        took = attempt.secured_at - (attempt.connected_at or attempt.started_at)
        attempt.waiting = Waiting.CONFIRMATION
        until = attempt.secured_at + max(CONFIRM_AT_LEAST, 2 * took)
        self._end_by(attempt, min(until, attempt.deadline))
        self._confirm(attempt, wire)

    def _confirm(self, attempt: Attempt, wire: Wire) -> None:
        if wire.tls is not None and wire.is_confirmed(wire.tls):
            self._confirmed(attempt)

    def _confirmed(self, attempt: Attempt) -> None:
        """The server takes the handshake: it said so, or stayed silent for long enough."""
        assert attempt.wire is not None  # noqa: S101  (it has been secured)
        self._end_by(attempt, attempt.deadline)
        self._go_on(attempt, attempt.wire, attempt.session)
