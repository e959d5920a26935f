"""The batch engine: owns the sockets of all probes in flight and drives their generators.

One private epoll holds every socket; the event loop watches only the epoll's own descriptor, and
each wake-up handles everything that is ready in one call. A probe costs no task, no future and no
stream. Everything found ready in one look has the time of that look.
"""

from collections.abc import Callable
from functools import partial
from math import inf
from secrets import randbits
from select import EPOLLHUP, EPOLLOUT
from typing import Final

from prober.engine.address_group import AddressGroup, job_of
from prober.engine.attempt import Attempt, Done, Job, Waiting
from prober.engine.conversation import Conversation
from prober.engine.link import Links
from prober.engine.local_end import local_ports
from prober.engine.resolver import Address, Resolver
from prober.engine.sent_secrets import is_renewed, sent_secrets
from prober.engine.tcp_state import connection_error, in_words, tcp_state
from prober.engine.threads import AtOnce, Threads
from prober.engine.ticker import BEAT, Ticker
from prober.model.address_rule import MOST_ADDRESSES
from prober.model.probe import (
    DeadlineReached,
    InThread,
    Target,
    Trouble,
)
from prober.model.status import Outcome, Reason, Verdict

_BATCH: Final = 512
_LOOKS: Final = 4  # at what is ready, to see the end of a connection as well
_DRIP_PAUSE: Final = 0.01  # seconds between reads of a peer that sends a few bytes at a time
_LOOK_SECONDS: Final = 1.0  # of processor time, to read a few small files
_OK: Final = Reason.OK
_PLAIN_WAITS: Final = (Waiting.CONNECTION, Waiting.BYTES)
_UNHEARD: Final = frozenset({Reason.TIMEOUT, Reason.UNREACHABLE, Reason.SILENT})


class Engine(Conversation):
    """Runs probes. Everything happens in the event loop's thread.

    Args:
        ticker: Keeps the time, and calls back for deadlines.
        resolver: Resolves host names.
        wall: Returns unix time.
        report: Called with exceptions that mean a bug.
        threads: Does work that would block the loop; by default it is done at once.
        local_ports: Returns the ports that the kernel may assign to a probe.
        seed: What the numbers in echo requests follow from; by default it is random.
    """

    def __init__(
        self,
        *,
        ticker: Ticker,
        resolver: Resolver,
        wall: Callable[[], float],
        report: Callable[[Exception, Target], None],
        threads: Threads | AtOnce | None = None,
        local_ports: Callable[[], range] = local_ports,
        seed: int | None = None,
    ) -> None:
        super().__init__(
            ticker=ticker,
            resolver=resolver,
            local_ports=local_ports,
            threads=threads or AtOnce(),
            wall=wall,
            seed=randbits(64) if seed is None else seed,
        )
        self.in_flight = 0
        self._report = report
        self._links = Links()
        self._unread: list[int] = []  # descriptors of which more can be read, after all others
        self._dripping: list[int] = []  # descriptors to read again after a pause
        self._drips_due = 0.0

    # Called by the scheduler and the event loop

    def fileno(self) -> int:
        """Return the descriptor that is readable when `drain` has something to do."""
        return self._sockets.epoll.fileno()

    def start(self, job: Job, done: Done) -> Attempt:
        """Start a probe; call `done` with its outcome exactly once, except after `close`."""
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
        """Handle every ready socket, within its share of reads."""
        self._look()
        if self._dripping and self._clock() >= self._drips_due:
            self._hear_drips()
        for descriptor in self._unread:
            if descriptor in self._by_descriptor:
                self._sockets.watch_again(descriptor)
        self._unread.clear()

    def _hear_drips(self) -> None:
        """Give those a turn whose peers send in drops."""
        self._now = self._clock()
        dripping, self._dripping = self._dripping, []
        for descriptor in dripping:
            attempt = self._by_descriptor.get(descriptor)
            if attempt is not None and attempt.wire is not None:
                attempt.wire.give_turn()
                self._safely(self._resume, attempt, attempt.wire)
        self._sockets.dissolve()

    def _look(self) -> None:
        sockets = self._sockets
        for _ in range(self.in_flight // _BATCH + _LOOKS):
            events = sockets.poll(_BATCH)
            if events:
                self._now = self._clock()
            for descriptor, mask in events:
                attempt = self._by_descriptor.get(descriptor)
                if attempt is None:
                    continue  # the end of a dissolved connection
                try:
                    self._ready(attempt, mask)
                except Exception as error:  # noqa: BLE001  (as in `_safely`)
                    self._fail(attempt, error)
            if not sockets.dissolve() and len(events) < _BATCH:
                return

    def expire(self, now: float) -> None:
        """End the probes whose deadline has passed; call `drain` first."""
        self._now = self._clock()  # `drain` may have seen something after the tick started
        due: list[Attempt] = self._deadlines.pop(now)
        for attempt in due:
            if not attempt.finished:
                self._safely(self._expired, attempt)
        self._sockets.dissolve()

    def next_deadline(self) -> float | None:
        """Return the monotonic time at which to come back, or None while nothing is in flight."""
        due = self._deadlines.next()
        if due is None:
            return None
        return min(due, self._clock() + BEAT, self._drips_due if self._dripping else inf)

    def cancel(self, attempt: Attempt) -> None:
        """End a probe without an outcome."""
        if not attempt.finished:
            self._leave(attempt)

    def reread(self) -> None:
        """Read the files of TLS settings and the local port range again."""
        self._contexts.clear()
        self._local_ports = self._read_local_ports()

    def close(self) -> None:
        """Drop every probe without a result, and close all sockets."""
        unfinished: list[Attempt] = self._deadlines.pop(inf)
        for attempt in unfinished:
            attempt.finished = True
            self._release(attempt)
        self.in_flight = 0
        self._links.close()
        self._sockets.close()
        self._threads.close()

    # One attempt, from its start to its end

    def _safely(self, action: Callable[..., None], attempt: Attempt, *arguments: object) -> None:
        """Take one step with one attempt; its exceptions must not affect others."""
        try:
            action(attempt, *arguments)
        except Exception as error:  # noqa: BLE001  (contains bugs)
            self._fail(attempt, error)

    def _fail(self, attempt: Attempt, error: Exception) -> None:
        """End an attempt after one of its steps has raised."""
        if not isinstance(error, Trouble):
            self._broken(attempt, error)
            return
        try:
            self._troubled(attempt, error)
        except Trouble as another:  # of the next address, so at most once per address
            self._fail(attempt, another)
        except Exception as bug:  # noqa: BLE001  (as in `_safely`)
            self._broken(attempt, bug)

    def _broken(self, attempt: Attempt, bug: Exception) -> None:
        """Report a bug, and end the attempt that hit it."""
        self._report(bug, attempt.job.target)
        if not attempt.finished:
            detail = f"{type(bug).__name__}: {bug}"
            self._safely(self._finish, attempt, Verdict(Reason.INTERNAL, detail))

    def _ready(self, attempt: Attempt, events: int) -> None:
        """Handle what epoll reports about an attempt's socket."""
        wire = attempt.wire
        if wire is not None:
            wire.see(events)
            self._resume(attempt, wire)
            return
        sock = attempt.sock
        assert sock is not None  # noqa: S101  (it is watched)
        error = None
        if events & EPOLLHUP:  # with EPOLLERR alone, it is open, and an ICMP error has come
            assert attempt.endpoint is not None  # noqa: S101  (it connects to it)
            error = connection_error(sock, str(attempt.endpoint.address[0]))
        if error is not None:
            self._connect_failed(attempt, error)
        elif events & EPOLLOUT:
            self._connected(attempt, events)

    def _read_again(self, descriptor: int, drips: bool) -> None:  # noqa: FBT001  (see Wire)
        """Report a socket again: after all others, or later if its peer sends in small pieces."""
        if not drips:
            self._unread.append(descriptor)
            return
        if not self._dripping:
            self._drips_due = self._now + _DRIP_PAUSE
            self._ticker.wake_by(self._drips_due)
        self._dripping.append(descriptor)

    def _troubled(self, attempt: Attempt, trouble: Trouble) -> None:
        """Pass a trouble to the probe if it has started; otherwise the trouble is the verdict."""
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
                raise RuntimeError("a probe continued after its end")
            finally:
                trouble.__traceback__ = None  # it refers to frames that refer to it and the attempt
        if verdict.reason is Reason.SILENT and attempt.was_refused:
            verdict = Verdict(Reason.WEAK_SILENCE, "no reply, after another address refused")
        self._finish(attempt, verdict)

    def _expired(self, attempt: Attempt) -> None:
        """Judge an attempt whose time is up: late, or out of time because prober was paused."""
        if attempt.judged is not None:
            self._finish(attempt, attempt.judged)
            return
        if attempt.waiting == Waiting.CONFIRMATION:
            attempt.settled_at = attempt.secured_at  # the silence since then does not count
            self._confirmed(attempt)
            return
        if attempt.waiting == Waiting.MOMENT and attempt.ends_by < attempt.until:
            assert attempt.wire is not None  # noqa: S101  (it listens)
            self._moment_is_over(attempt, attempt.wire, None)
            return
        if attempt.ends_by < attempt.deadline:
            if attempt.waiting == Waiting.ADDRESS:
                self._out_of_patience(attempt)
            else:
                self._share_is_over(attempt)
            return
        if self._was_robbed(attempt):
            lost = self._ticker.lost - attempt.lost
            detail = f"prober was paused for {lost:.2f} s during the probe"
            self._finish(attempt, Verdict(Reason.STALLED, detail))
            return
        if attempt.task is not None and not attempt.task.has_begun:
            self._finish(attempt, Verdict(Reason.STALLED, "no thread was free to judge the reply"))
            return
        detail = f"{attempt.waited_for} within {attempt.job.timeout:g} s"
        if attempt.waiting == Waiting.ADDRESS:
            raise Trouble(Reason.DNS_UNAVAILABLE, detail)
        if known := self._known_to_the_kernel(attempt):
            detail = f"{detail}: {known}"
        raise DeadlineReached(Reason.TIMEOUT, detail)

    def _known_to_the_kernel(self, attempt: Attempt) -> str:
        """Say what the kernel knows of a connection whose time is up; empty if that is nothing."""
        if attempt.sock is None or attempt.job.datagram or attempt.waiting not in _PLAIN_WAITS:
            return ""
        state = tcp_state(attempt.sock)
        waits_for_reply = attempt.sent_at is not None and attempt.first_byte_at is None
        return in_words(state, waits_for_reply=waits_for_reply) if state else ""

    def _finish(self, attempt: Attempt, verdict: Verdict) -> None:
        """End an attempt and pass on its outcome."""
        end = attempt.settled_at or self._now
        took = end - attempt.started_at
        kernel = None
        if verdict.reason is not _OK or took > attempt.job.slow:
            verdict, kernel = self._seen_from_here(attempt, verdict), attempt.kernel_view()
            if attempt.judged is None and self._is_doubted(attempt, verdict):
                return
        reason, detail, facts = verdict  # first, so that a bug in a probe shows before any change
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
                0,
                kernel,
            )
        )

    def _seen_from_here(self, attempt: Attempt, verdict: Verdict) -> Verdict:
        """Return the verdict if it is on the target, or else what it says of the way there."""
        reason, job = verdict.reason, attempt.job
        if reason in _UNHEARD and self._has_lost_its_link(attempt):
            return Verdict(Reason.NO_ROUTE, "the local link to the target is down")
        if job.beyond is not None and attempt.connected_at is None and reason.is_conclusive:
            return Verdict(Reason.PROXY_FAILED, f"the proxy {job.target}: {verdict.detail}")
        return verdict

    def _is_doubted(self, attempt: Attempt, verdict: Verdict) -> bool:
        """Look for renewed secrets if the target may have denied old ones; return whether it does.

        Then the look ends the attempt, or its deadline does.
        """
        probe, wire = attempt.job.probe, attempt.wire
        if probe is None or wire is None or self._now >= attempt.deadline:
            return False
        if not probe.is_denial(verdict):
            return False
        sent = sent_secrets(probe)
        loaded = self._contexts.loaded(wire.tls.context) if wire.tls is not None else {}
        if not (sent or loaded):
            return False
        attempt.judged, attempt.settled_at = verdict, attempt.settled_at or self._now
        attempt.waiting = Waiting.THREAD
        work = InThread(lambda _: is_renewed(sent, loaded), _LOOK_SECONDS)
        attempt.task = self._threads.run(work, partial(self._looked, attempt, verdict))
        return True

    def _looked(self, attempt: Attempt, verdict: Verdict, is_renewed: object) -> None:
        """End an attempt whose target may have denied the secrets that were sent."""
        attempt.task = None
        self._now = self._clock()
        if is_renewed is True:
            detail = f"{verdict.detail}; a secret has been renewed since"
            verdict = Verdict(Reason.STALE_SECRET, detail, verdict.facts)
        self._safely(self._finish, attempt, verdict)

    # Every address of a name

    def _reserve(self, attempt: Attempt) -> None:
        rule = attempt.job.rule
        assert rule is not None  # noqa: S101  (the caller has checked)
        places = len(attempt.job.of_addresses) or MOST_ADDRESSES
        attempt.task = AddressGroup(rule, places, hold=self._hold, cancel=self.cancel)

    def _hold(self, places: int) -> None:
        self.in_flight += places

    def _probe_all(self, attempt: Attempt) -> None:
        job, group, found = attempt.job, attempt.task, attempt.endpoints
        assert isinstance(group, AddressGroup)  # noqa: S101  (it was reserved)
        group.begin(found, partial(self._judge, attempt))
        job.of_addresses = {each: job_of(job, each) for each in found}
        for number, part in enumerate(job.of_addresses.values()):
            one = Attempt(
                part, group.receiver(number), now=self._now, wall=attempt.wall, lost=attempt.lost
            )
            one.deadline = one.ends_by = attempt.deadline
            group.attempts.append(one)
            self._deadlines.add(one.deadline, one)
            self.in_flight += 1
        self._deadlines.remove(attempt.ends_by, attempt)
        self._deadlines.add(attempt.ends_by, attempt)  # behind those of its addresses
        for one in tuple(group.attempts):
            self._safely(self._connect, one)

    def _judge(self, attempt: Attempt, group: AddressGroup) -> None:
        """End an attempt whose addresses all have their outcomes."""
        outcome = group.outcome(attempt, self._now)
        self._leave(attempt)
        attempt.done(outcome)

    def _has_lost_its_link(self, attempt: Attempt) -> bool:
        if attempt.endpoint is None or attempt.job.target.path:
            return False
        family, address = attempt.endpoint
        where = Address(family, str(address[0]))
        return self._links.was_down(where, self._clock(), attempt.job.egress)

    def _leave(self, attempt: Attempt, *, keep: bool = False) -> None:
        attempt.finished = True
        self._release(attempt, keep=keep)
        self._deadlines.remove(attempt.ends_by, attempt)
        self.in_flight -= 1
