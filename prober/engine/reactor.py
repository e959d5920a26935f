"""The batch engine: it owns the sockets of all probes in flight and drives their generators.

One private epoll holds every socket; the event loop watches only the epoll's own descriptor, and
on each wake-up everything that is ready is handled in one call. A probe costs no task, no future
and no stream. Sockets are registered once, edge-triggered.
"""

import select
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from errno import EINPROGRESS
from math import inf
from select import EPOLLERR, EPOLLET, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP
from typing import Final

from prober.engine.attempt import WAITED_FOR, Attempt, Done, Job, Waiting
from prober.engine.errors import at_once, from_network
from prober.engine.link import Links
from prober.engine.resolver import Answer, Resolver
from prober.engine.ticker import BEAT, STALL, Ticker
from prober.engine.tls import TlsContexts, TlsStream
from prober.engine.wheel import Wheel
from prober.model.probe import (
    DeadlineReached,
    Receive,
    Send,
    StartTls,
    Target,
    Trouble,
)
from prober.model.status import Outcome, Reason, Result, Verdict

STALLED_SHARE: Final = 0.1
"""The part of its timeout that a probe may lose to our standstills and still count as late."""
CONFIRM_AT_LEAST: Final = 0.1
"""Seconds of silence after a TLS 1.3 handshake that mean that the server accepts it."""

_MASK: Final = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET
_ENDED: Final = EPOLLRDHUP | EPOLLHUP | EPOLLERR
_STREAM: Final = socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
_DATAGRAM: Final = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)  # SO_LINGER: no TIME_WAIT, no port used up
_ACK_LATER: Final = (socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)  # with the request, or never
_ACK_NOW: Final = (socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
_READ_SIZE: Final = 16384
_READS_AT_ONCE: Final = 2  # what a probe makes of a hostile one can take it 15 ms
_BATCH: Final = 512
_SOURCE_FRESH: Final = 60.0
_RECVERR: Final[
    dict[int, tuple[int, int]]
] = {  # <linux/in.h>, <linux/in6.h>: report ICMP errors on this socket
    socket.AF_INET: (socket.IPPROTO_IP, 11),
    socket.AF_INET6: (socket.IPPROTO_IPV6, 25),
}
_UNHEARD: Final = frozenset({Reason.TIMEOUT, Reason.UNREACHABLE, Reason.SILENT})
_ICMP_ORIGINS: Final = (2, 3)  # <linux/errqueue.h>: SO_EE_ORIGIN_ICMP, SO_EE_ORIGIN_ICMP6


class Engine:
    """Runs probes. Everything happens in the event loop's thread.

    Args:
        ticker: Gives the time, and is asked to come back for deadlines.
        resolver: Answers for host names.
        wall: Gives unix time.
        report: Is told of exceptions that mean a bug of ours.
    """

    def __init__(
        self,
        *,
        ticker: Ticker,
        resolver: Resolver,
        wall: Callable[[], float],
        report: Callable[[Exception, Target], None],
    ) -> None:
        self.in_flight = 0
        self._ticker = ticker
        self._clock = ticker.clock
        self._resolver = resolver
        self._wall = wall
        self._report = report
        self._epoll = select.epoll()
        self._contexts = TlsContexts()
        self._links = Links()
        self._expiries: dict[bytes, float | None] = {}
        self._by_descriptor: dict[int, Attempt] = {}
        self._deadlines: Wheel[Attempt] = Wheel()
        self._reads_left = 0

    # What the scheduler and the event loop call

    def fileno(self) -> int:
        """Return the descriptor that is readable when `drain` has something to do."""
        return self._epoll.fileno()

    def start(self, job: Job, done: Done) -> Attempt:
        """Start a probe; `done` is called with its outcome, exactly once, unless `close` comes."""
        now = self._clock()
        attempt = Attempt(job, done, now=now, wall=self._wall(), lost=self._ticker.lost)
        attempt.tick = self._deadlines.add(attempt.deadline, attempt)
        self.in_flight += 1
        self._ticker.wake_by(min(now + BEAT, attempt.deadline))
        self._safely(self._begin, attempt)
        return attempt

    def drain(self) -> None:
        """Handle every socket that is ready, each as far as its share of reads goes."""
        for _ in range(self.in_flight // _BATCH + 1):
            events = self._epoll.poll(0, _BATCH)
            for descriptor, mask in events:
                attempt = self._by_descriptor.get(descriptor)
                if attempt is not None:
                    self._reads_left = _READS_AT_ONCE
                    self._safely(self._ready, attempt, mask)
            if len(events) < _BATCH:
                return

    def expire(self, now: float) -> None:
        """End the probes whose deadline has passed; `drain` must have had its chance."""
        for attempt in self._deadlines.pop(now):
            if not attempt.finished:
                self._safely(self._expired, attempt)

    def next_deadline(self) -> float | None:
        """Return the monotonic time at which to come back, or None while nothing is in flight."""
        due = self._deadlines.next()
        return None if due is None else min(due, self._clock() + BEAT)

    def cancel(self, attempt: Attempt) -> None:
        """End a probe without an outcome."""
        if not attempt.finished:
            self._leave(attempt)

    def forget_contexts(self) -> None:
        """Read the files of TLS settings again when they are next needed."""
        self._contexts.clear()

    def close(self) -> None:
        """Drop every probe without a result and give back all sockets."""
        for attempt in self._deadlines.pop(inf):
            attempt.finished = True
            self._release(attempt)
        self.in_flight = 0
        self._links.close()
        self._epoll.close()

    # One attempt, from its start to its end

    def _safely(self, action: Callable[..., None], attempt: Attempt, *arguments: object) -> None:
        """Take one step with one attempt; what it raises must not reach the others."""
        try:
            try:
                action(attempt, *arguments)
            except Trouble as trouble:
                self._troubled(attempt, trouble)
        except Exception as error:  # noqa: BLE001  (the one place where a bug of ours is held)
            self._report(error, attempt.job.target)
            if not attempt.finished:
                detail = f"{type(error).__name__}: {error}"
                self._safely(self._finish, attempt, Verdict(Reason.INTERNAL, detail))

    def _begin(self, attempt: Attempt) -> None:
        job = attempt.job
        if job.addresses:
            attempt.addresses = job.addresses
            self._connect(attempt)
            return

        def answered(answer: Answer) -> None:
            self._safely(self._resolved, attempt, answer)

        answer = self._resolver.resolve(job.target.host, answered)
        if answer is None:
            attempt.on_answer = answered
        else:
            self._resolved(attempt, answer)

    def _resolved(self, attempt: Attempt, answer: Answer) -> None:
        attempt.on_answer = None
        if isinstance(answer, Trouble):
            self._finish(attempt, answer.verdict)
            return
        attempt.resolved_at = self._clock()
        attempt.addresses = answer
        self._connect(attempt)

    def _connect(self, attempt: Attempt) -> None:
        """Connect to the first of the addresses that are left."""
        job = attempt.job
        address, *rest = attempt.addresses
        attempt.address, attempt.addresses = address, tuple(rest)
        if job.objection and (objection := job.objection(address.host, job.target.port)):
            self._connect_failed(attempt, Trouble(Reason.NOT_PERMITTED, objection))
            return
        try:
            sock = socket.SocketType(address.family, _DATAGRAM if job.datagram else _STREAM)
            attempt.sock = sock
            if job.datagram:
                sock.setsockopt(*_RECVERR[address.family], 1)
            else:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
                sock.setsockopt(*_ACK_LATER)
            error = sock.connect_ex(address.with_port(job.target.port))
        except OSError as failed:
            if failed.errno is None:
                raise
            error = failed.errno
        if error not in (0, EINPROGRESS):
            self._connect_failed(attempt, at_once(error))
            return
        if attempt.started_at >= job.source_due or attempt.failure is not None:
            job.source_due = attempt.started_at + _SOURCE_FRESH
            job.source_ip = sock.getsockname()[0]
        descriptor = sock.fileno()
        self._by_descriptor[descriptor] = attempt
        self._epoll.register(descriptor, _MASK)
        attempt.waiting = Waiting.CONNECTION
        if job.datagram:
            self._connected(attempt)
        elif not job.addresses:
            self._share_time(attempt)

    def _share_time(self, attempt: Attempt) -> None:
        """Give each address of a name that is left its part of the time that is left."""
        now = self._clock()
        self._deadlines.remove(attempt.tick, attempt)
        share = (attempt.deadline - now) / (len(attempt.addresses) + 1)
        attempt.tick = self._deadlines.add(now + share, attempt)

    def _connect_failed(self, attempt: Attempt, trouble: Trouble) -> None:
        """Go on to the next address; after the last one, a fault of the target's stands."""
        if attempt.failure is None or trouble.verdict.reason.result is not Result.UNKNOWN:
            attempt.failure = trouble
        self._release(attempt)
        if attempt.addresses:
            self._connect(attempt)
        else:
            self._finish(attempt, attempt.failure.verdict)

    def _connected(self, attempt: Attempt) -> None:
        attempt.connected_at = self._clock()
        attempt.steps = attempt.job.begin()
        self._go_on(attempt, None)

    def _ready(self, attempt: Attempt, mask: int) -> None:
        """Take in what epoll says of an attempt's socket."""
        if attempt.waiting is Waiting.CONNECTION:
            error = self._socket_error(attempt) if mask & (EPOLLERR | EPOLLHUP) else None
            if error is not None:
                self._connect_failed(attempt, error)
            elif mask & EPOLLOUT:
                attempt.readable, attempt.ended = bool(mask & EPOLLIN), bool(mask & _ENDED)
                self._connected(attempt)
            return
        if mask & EPOLLERR and attempt.job.datagram:
            error = self._icmp_error(attempt)
            if error is not None:
                raise error
        if mask & (EPOLLIN | _ENDED):
            attempt.readable = True
            attempt.ended |= bool(mask & _ENDED)
        if attempt.unsent and mask & EPOLLOUT:
            self._flush(attempt)
        self._resume(attempt)

    def _resume(self, attempt: Attempt) -> None:
        """Go on with what the attempt was waiting for, if that is there now."""
        waiting = attempt.waiting
        if waiting is Waiting.BYTES:
            content = self._take(attempt)
            if content is not None:
                self._go_on(attempt, content)
            elif attempt.received:
                self._acknowledge(attempt)
        elif waiting is Waiting.HANDSHAKE:
            self._shake(attempt)
        elif waiting is Waiting.CONFIRMATION:
            self._confirm(attempt)
        elif waiting is Waiting.ROOM and not attempt.unsent:
            attempt.sent_at = attempt.sent_at or self._clock()
            self._go_on(attempt, None)

    def _go_on(self, attempt: Attempt, value: object) -> None:
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
            if isinstance(step, Receive):
                attempt.waiting = Waiting.BYTES
                value = self._take(attempt)
                if value is None:
                    if attempt.received or attempt.sent_at is None:
                        self._acknowledge(attempt)
                    return
            elif isinstance(step, Send):
                attempt.waiting = Waiting.ROOM
                self._send(attempt, step.content)
                if attempt.unsent:
                    return
                value = None
            else:
                self._start_tls(attempt, step)
                return

    def _troubled(self, attempt: Attempt, trouble: Trouble) -> None:
        """Let the probe judge a trouble, if it has begun and not ended; else it is the verdict."""
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
        self._finish(attempt, verdict)

    def _expired(self, attempt: Attempt) -> None:
        """Judge an attempt whose time is up: late, or robbed of its time by our standstills."""
        if attempt.waiting is Waiting.CONFIRMATION:
            attempt.settled_at = attempt.secured_at  # the silence since then is no part of it
            self._confirmed(attempt)
            return
        if attempt.waiting is Waiting.CONNECTION and attempt.addresses:
            self._connect_failed(attempt, Trouble(Reason.TIMEOUT, "no connection in its time"))
            return
        lost = self._ticker.lost - attempt.lost
        if lost > max(STALL, STALLED_SHARE * attempt.job.timeout):
            detail = f"the prober stood still for {lost:.2f} s meanwhile"
            self._finish(attempt, Verdict(Reason.STALLED, detail))
            return
        detail = f"{WAITED_FOR[attempt.waiting]} within {attempt.job.timeout:g} s"
        if attempt.waiting is Waiting.ADDRESS:
            raise Trouble(Reason.DNS_UNAVAILABLE, detail)
        raise DeadlineReached(Reason.TIMEOUT, detail)

    def _finish(self, attempt: Attempt, verdict: Verdict) -> None:
        """End an attempt and hand over its outcome."""
        if verdict.reason in _UNHEARD and self._has_lost_its_link(attempt):
            verdict = Verdict(Reason.NO_ROUTE, "the link that leads there is down")
        facts = verdict.facts  # first, lest a probe's bug be found out when half is done
        end = attempt.settled_at or self._clock()
        self._leave(attempt)
        if attempt.session is not None:
            facts = {**attempt.session.facts(), **(facts or {})}
        attempt.done(
            Outcome(
                verdict.reason,
                verdict.detail,
                facts,
                attempt.wall,
                end - attempt.started_at,
                attempt.phases(end),
                attempt.job.source_ip,
            )
        )

    def _has_lost_its_link(self, attempt: Attempt) -> bool:
        address = attempt.address
        return address is not None and self._links.was_down(address, self._clock())

    def _leave(self, attempt: Attempt) -> None:
        attempt.finished = True
        self._release(attempt)
        self._deadlines.remove(attempt.tick, attempt)
        self.in_flight -= 1

    def _release(self, attempt: Attempt) -> None:
        """Close the socket, with a RST as its linger is zero; wait for no answer any more."""
        if attempt.on_answer is not None:
            self._resolver.forget(attempt.job.target.host, attempt.on_answer)
            attempt.on_answer = None
        sock, attempt.sock = attempt.sock, None
        if sock is not None:
            self._by_descriptor.pop(sock.fileno(), None)
            sock.close()

    # TLS

    def _start_tls(self, attempt: Attempt, step: StartTls) -> None:
        attempt.handshake = step
        attempt.waiting = Waiting.HANDSHAKE
        attempt.tls = TlsStream(self._contexts.get(step), step.server_name)
        self._shake(attempt)

    def _shake(self, attempt: Attempt) -> None:
        tls, step = attempt.tls, attempt.handshake
        assert tls is not None and step is not None  # noqa: S101, PT018  (it has been started)
        try:
            while not (complete := tls.shake()):
                content = self._read(attempt)
                if content is None:
                    break
                tls.feed(content)
        except Trouble:
            with suppress(Trouble):
                self._write(attempt, tls.outgoing.read())  # the alert that tells the server why
            raise
        self._write(attempt, tls.outgoing.read())
        if not complete:
            if attempt.received:
                self._acknowledge(attempt)
            return
        attempt.secured_at = self._clock()
        attempt.session = tls.session(self._expiries, chain=step.chain)
        if not step.confirm or attempt.session.version != "TLSv1.3":
            self._go_on(attempt, attempt.session)
            return
        took = attempt.secured_at - (attempt.connected_at or attempt.started_at)
        attempt.waiting = Waiting.CONFIRMATION
        until = attempt.secured_at + max(CONFIRM_AT_LEAST, 2 * took)
        if until < attempt.deadline:
            self._deadlines.remove(attempt.tick, attempt)
            attempt.tick = self._deadlines.add(until, attempt)
        self._confirm(attempt)

    def _confirm(self, attempt: Attempt) -> None:
        """See whether the server has answered our last flight: session tickets, or an alert."""
        tls = attempt.tls
        assert tls is not None  # noqa: S101  (it has been secured)
        content = None
        try:
            while (content := tls.read()) is None:
                more = self._read(attempt)
                if more is None:
                    break
                tls.feed(more)
        except Trouble:
            if not tls.has_ticket:
                raise
        if content or tls.has_ticket:
            self._confirmed(attempt)
        elif content is not None:
            raise Trouble(Reason.CLOSED, "closed right after the TLS handshake")

    def _confirmed(self, attempt: Attempt) -> None:
        """The server takes the handshake: it said so, or stayed silent for long enough."""
        self._deadlines.remove(attempt.tick, attempt)
        attempt.tick = self._deadlines.add(attempt.deadline, attempt)
        self._go_on(attempt, attempt.session)

    # Bytes

    def _take(self, attempt: Attempt) -> bytes | None:
        """Return the next bytes for the probe, `b""` at the end, None if it must wait."""
        tls = attempt.tls
        if tls is None:
            content = self._read(attempt)
        else:
            while (content := tls.read()) is None:
                more = self._read(attempt)
                if more is None:
                    self._write(attempt, tls.outgoing.read())  # a server may renegotiate
                    return None
                tls.feed(more)
        if attempt.first_byte_at is None and content is not None:
            attempt.first_byte_at = self._clock()
        return content

    def _read(self, attempt: Attempt) -> bytes | None:
        """Read from the socket: `b""` at the end of a stream, None if nothing is there for now."""
        if not attempt.readable:
            return None
        sock = attempt.sock
        assert sock is not None  # noqa: S101  (readable is reset with it)
        if not self._reads_left:
            self._epoll.modify(sock.fileno(), _MASK)  # reports it again, after all the others
            return None
        self._reads_left -= 1
        try:
            content = sock.recv(65536 if attempt.job.datagram else _READ_SIZE)
        except BlockingIOError:
            attempt.readable = False
            return None
        except OSError as error:
            raise from_network(error.errno or 0) from None
        attempt.received += len(content)
        if attempt.received > attempt.job.reply_limit:
            detail = f"a reply of more than {attempt.job.reply_limit} bytes"
            raise Trouble(Reason.BAD_RESPONSE, detail)
        if len(content) < _READ_SIZE and not attempt.ended and not attempt.job.datagram:
            attempt.readable = False  # epoll(7): a short read has emptied a stream's buffer
        return content

    def _send(self, attempt: Attempt, content: bytes) -> None:
        if attempt.tls is not None:
            attempt.tls.write(content)
            content = attempt.tls.outgoing.read()
        self._write(attempt, content)
        if not attempt.unsent:
            attempt.sent_at = attempt.sent_at or self._clock()

    def _write(self, attempt: Attempt, content: bytes) -> None:
        if content:
            attempt.unsent += content
            self._flush(attempt)

    def _flush(self, attempt: Attempt) -> None:
        """Send what the socket takes of what is not sent yet."""
        sock = attempt.sock
        assert sock is not None  # noqa: S101  (only a connected attempt sends)
        try:
            sent = sock.send(attempt.unsent)
        except BlockingIOError:
            return
        except OSError as error:
            if attempt.session is not None:
                attempt.readable = True
                self._take(attempt)  # raises the alert that says why, if that is here already
            meaning = at_once if attempt.job.datagram else from_network
            raise meaning(error.errno or 0) from None
        attempt.unsent = attempt.unsent[sent:]

    def _acknowledge(self, attempt: Attempt) -> None:
        """Acknowledge at once what came: without that, a peer may wait for it to send more."""
        if not attempt.job.datagram:
            sock = attempt.sock
            assert sock is not None  # noqa: S101  (it waits for bytes)
            sock.setsockopt(*_ACK_NOW)

    # What the network says of a socket

    def _socket_error(self, attempt: Attempt) -> Trouble | None:
        sock = attempt.sock
        assert sock is not None  # noqa: S101  (it is registered)
        error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        return from_network(error) if error else None

    def _icmp_error(self, attempt: Attempt) -> Trouble | None:
        """Return what the socket's error queue holds: an ICMP error, or a local one."""
        sock = attempt.sock
        assert sock is not None  # noqa: S101  (it is registered)
        try:
            _, messages, _, _ = sock.recvmsg(1, 512, socket.MSG_ERRQUEUE)
        except OSError:
            return self._socket_error(attempt)
        for _, _, content in messages:
            error, origin = struct.unpack_from("=IB", content)
            return from_network(error) if origin in _ICMP_ORIGINS else at_once(error)
        return self._socket_error(attempt)
