"""What an attempt does once it is connected: it drives the generator of its probe.

The generator asks for bytes, for TLS, for a thread or for another connection, and continues when it
has what it asked for.
"""

from abc import abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Final

from prober.engine.approach import Approach
from prober.engine.attempt import Attempt, Waiting
from prober.engine.certificate_cache import CertificateCache
from prober.engine.datagram_wire import DatagramWire
from prober.engine.echo_wire import Clocks, EchoWire, Tokens
from prober.engine.handshake import TlsStream, begin, check_leaf, check_staple
from prober.engine.resolver import Resolver
from prober.engine.threads import AtOnce, Threads
from prober.engine.ticker import Ticker
from prober.engine.tls_contexts import TlsContexts
from prober.engine.wire import Wire
from prober.model.probe import (
    ENDS,
    RECEIVE,
    InThread,
    Ping,
    ReceiveUntil,
    Reconnect,
    Send,
    StartTls,
    Trouble,
)
from prober.model.status import Verdict

CONFIRM_AT_LEAST: Final = 0.1
"""Seconds of silence after a TLS 1.3 handshake after which the server counts as accepting it."""

_HANDSHAKE_SECONDS: Final = 1.0  # nominal: OpenSSL does not look at the clock


class Conversation(Approach):
    """Talks to the targets of attempts; `Engine`, which derives from this, ends them.

    Args:
        ticker: Keeps the time.
        resolver: Resolves host names.
        local_ports: Returns the ephemeral ports of the kernel.
        threads: Does work that would block the loop.
        wall: Returns unix time.
        seed: A random number of 64 bits, from which those in echo requests follow.
    """

    def __init__(
        self,
        *,
        ticker: Ticker,
        resolver: Resolver,
        local_ports: Callable[[], range],
        threads: Threads | AtOnce,
        wall: Callable[[], float],
        seed: int,
    ) -> None:
        super().__init__(ticker=ticker, resolver=resolver, local_ports=local_ports)
        self._threads = threads
        self._contexts = TlsContexts()
        self._certificates = CertificateCache()
        self._wall = wall
        self._clocks = Clocks(ticker.clock, wall)
        self._tokens = Tokens(seed)

    @abstractmethod
    def _fail(self, attempt: Attempt, error: Exception) -> None:
        """End an attempt after one of its steps has raised."""

    @abstractmethod
    def _read_again(self, descriptor: int, drips: bool) -> None:  # noqa: FBT001  (see Wire)
        """Report a socket again: after all others, or later if its peer sends in small pieces."""

    def _connected(self, attempt: Attempt, events: int) -> None:
        sock, job = attempt.sock, attempt.job
        assert sock is not None  # noqa: S101  (it is connected)
        attempt.connected_at = self._now
        if isinstance(job.begin, Verdict):
            self._finish(attempt, job.begin)
            return
        if job.echo is not None:
            to = attempt.endpoint.address if attempt.endpoint and job.unconnected else None
            attempt.wire = EchoWire(sock, self._read_again, self._tokens, self._clocks, to)
        elif job.datagram:
            attempt.wire = DatagramWire(sock, self._read_again, limit=job.reply_limit)
        else:
            attempt.wire = Wire(sock, self._read_again, events=events, limit=job.reply_limit)
        attempt.steps = job.begin()
        self._go_on(attempt, attempt.wire, None)

    def _resume(self, attempt: Attempt, wire: Wire) -> None:
        """Continue if what the attempt was waiting for has arrived."""
        waiting = attempt.waiting
        if waiting == Waiting.BYTES:
            content = wire.take()
            if content is not None:
                if attempt.first_byte_at is None:
                    self._heard(attempt, content)
                self._go_on(attempt, wire, content)
            elif wire.received:
                wire.acknowledge()
        elif waiting == Waiting.MOMENT:
            heard = self._take(attempt, wire)
            if heard is not None:
                self._moment_is_over(attempt, wire, heard)
        elif waiting == Waiting.HANDSHAKE:
            self._shake(attempt, wire)
        elif waiting == Waiting.CONFIRMATION:
            self._confirm(attempt, wire)
        elif waiting == Waiting.ROOM and wire.is_sent:
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
                attempt.steps = None  # it has ended, nothing can be thrown into it
                raise
            if step is RECEIVE:
                attempt.waiting = Waiting.BYTES
                is_quiet = not wire.readable and wire.tls is None
                value = None if is_quiet else self._take(attempt, wire)
                if value is None:
                    if wire.received or attempt.sent_at is None:
                        wire.acknowledge()
                    return
            elif isinstance(step, Send):
                attempt.waiting = Waiting.ROOM
                wire.send(step)
                if wire.unsent and not wire.is_sent:
                    return
                attempt.sent_at = attempt.sent_at or self._now
                value = None
            elif isinstance(step, Ping):
                assert isinstance(wire, EchoWire)  # noqa: S101  (only a type with `echo` asks)
                value = wire.ping(step.size)
                attempt.sent_at = attempt.sent_at or self._now
            else:
                self._go_elsewhere(attempt, wire, step)
                return

    def _go_elsewhere(self, attempt: Attempt, wire: Wire, step: object) -> None:
        """Go on with TLS, at a moment, in a thread, or on another connection."""
        if isinstance(step, StartTls):
            self._start_tls(attempt, wire, step)
        elif isinstance(step, ReceiveUntil):
            self._wait_until(attempt, wire, step.moment)
        elif isinstance(step, InThread):
            attempt.waiting = Waiting.THREAD
            attempt.task = self._threads.run(step, partial(self._done, attempt, wire))
        elif step is ENDS:
            self._go_on(attempt, wire, wire.ends())
        else:
            assert isinstance(step, Reconnect)  # noqa: S101  (there is nothing else)
            self._reconnect(attempt, step)

    def _done(self, attempt: Attempt, wire: Wire, result: object) -> None:
        """Go on with what a thread has found out."""
        attempt.task = None
        self._now = self._clock()
        if isinstance(result, Exception) and not isinstance(result, TimeoutError):
            self._fail(attempt, result)
        else:
            self._safely(self._go_on, attempt, wire, result)

    def _wait_until(self, attempt: Attempt, wire: Wire, moment: float) -> None:
        """Go on with what comes next, or at a moment, whichever is first."""
        heard = self._take(attempt, wire)
        if heard is not None:
            self._go_on(attempt, wire, heard)
            return
        attempt.waiting = Waiting.MOMENT
        attempt.until = attempt.ends_by
        if moment < attempt.until:
            self._end_by(attempt, moment)
            self._ticker.wake_by(moment)

    def _moment_is_over(self, attempt: Attempt, wire: Wire, heard: object) -> None:
        self._end_by(attempt, attempt.until)
        self._go_on(attempt, wire, heard)

    def _take(self, attempt: Attempt, wire: Wire) -> object | None:
        content: object | None = wire.take()
        if attempt.first_byte_at is None and content is not None:
            self._heard(attempt, content)
        return content

    def _heard(self, attempt: Attempt, content: object) -> None:
        """Note that the target has answered, unless another address may still do so."""
        if isinstance(content, Trouble) and attempt.may_go_elsewhere:
            raise content
        attempt.first_byte_at = self._now

    # TLS

    def _start_tls(self, attempt: Attempt, wire: Wire, step: StartTls) -> None:
        attempt.handshake = step
        attempt.waiting = Waiting.HANDSHAKE
        attempt.sent_at = attempt.first_byte_at = None  # what was before is part of the handshake
        wire.tls = begin(self._contexts, step)
        self._shake(attempt, wire)

    def _shake(self, attempt: Attempt, wire: Wire) -> None:
        tls, step = wire.tls, attempt.handshake
        assert tls is not None and step is not None  # noqa: S101, PT018  (it has been started)
        complete = wire.shake(tls)
        if complete is None:
            attempt.waiting = Waiting.THREAD
            work = InThread(lambda _: tls.shake(), _HANDSHAKE_SECONDS)
            attempt.task = self._threads.run(work, partial(self._shaken, attempt, wire, tls))
            return
        if not complete:
            attempt.waiting = Waiting.HANDSHAKE
            if wire.received:
                wire.acknowledge()
            return
        settings = step.settings
        self._now = attempt.secured_at = self._clock()  # our own computation takes time
        attempt.session = tls.session(
            self._certificates, chain=step.chain or settings.ocsp is not None
        )
        if settings.ocsp:
            found = check_staple(settings, attempt.session, tls.staple, self._wall())
            attempt.session, trouble = found
            if trouble is not None:
                raise trouble
        if settings.pin or settings.expect_issuer:
            check_leaf(settings, attempt.session)
        if not step.confirm or attempt.session.version != "TLSv1.3":
            self._go_on(attempt, wire, attempt.session)
            return
        took = attempt.secured_at - (attempt.connected_at or attempt.started_at)
        attempt.waiting = Waiting.CONFIRMATION
        until = attempt.secured_at + max(CONFIRM_AT_LEAST, 2 * took)
        self._end_by(attempt, min(until, attempt.deadline))
        self._confirm(attempt, wire)

    def _shaken(self, attempt: Attempt, wire: Wire, tls: TlsStream, result: object) -> None:
        """Go on with a handshake that a thread has continued."""
        attempt.task = None
        self._now = self._clock()
        if isinstance(result, Exception):
            wire.say_goodbye(tls)
            self._fail(attempt, result)
        else:
            self._safely(self._shake, attempt, wire)

    def _confirm(self, attempt: Attempt, wire: Wire) -> None:
        if wire.tls is not None and wire.is_confirmed(wire.tls):
            self._confirmed(attempt)

    def _confirmed(self, attempt: Attempt) -> None:
        """The server accepts the handshake: it said so, or was silent for long enough."""
        assert attempt.wire is not None  # noqa: S101  (it has been secured)
        self._end_by(attempt, attempt.deadline)
        self._go_on(attempt, attempt.wire, attempt.session)
