"""The engine with real sockets and simulated time: every step is taken by the test."""

import select
import socket
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from prober.engine.attempt import Attempt, Job
from prober.engine.local_end import local_ports
from prober.engine.reactor import Engine
from prober.engine.resolver import Lookup, Resolver
from prober.engine.target_policy import Objection
from prober.engine.threads import Threads
from prober.engine.ticker import Ticker
from prober.model.address_rule import AddressRule
from prober.model.egress import Egress
from prober.model.probe import Probe, Steps, Target
from prober.model.status import Outcome
from prober.probes.tcp import TcpProbe
from tests.engine.targets import PATIENCE
from tests.simulation import START, WALL, Clock


def no_names(name: str) -> tuple[()]:
    raise AssertionError(f"{name} is looked up")


class ByHand:
    """An engine that nothing drives but the test. Close it at the end."""

    def __init__(
        self,
        look_up: Lookup = no_names,
        *,
        threads: int = 0,
        local_ports: Callable[[], range] = local_ports,
    ) -> None:
        self.clock = Clock()
        self.outcomes: list[Outcome] = []
        self.bugs: list[str] = []
        self.taken = 0  # answers and results that were handed over
        self.ticker = Ticker(clock=self.clock, call_later=self.clock.call_later)
        self._answers: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self.resolver = Resolver(clock=self.clock, soon=self._answers.put, look_up=look_up)
        self.engine = Engine(
            ticker=self.ticker,
            resolver=self.resolver,
            wall=lambda: WALL + self.clock.now - START,
            report=lambda error, target: self.bugs.append(f"{target}: {error!r}"),
            threads=Threads(soon=self._answers.put, most=threads) if threads else None,
            local_ports=local_ports,
        )
        self.ticker.start(self._tick)

    def close(self) -> None:
        self.ticker.stop()
        self.engine.close()
        self.resolver.close()

    def _tick(self, now: float, _: float) -> float | None:
        self.engine.drain()
        self.engine.expire(now)
        return self.engine.next_deadline()

    def start(
        self,
        port: int,
        probe: Probe | None = None,
        *,
        host: str = "127.0.0.1",
        timeout: float = 2.0,
        done: Callable[[Outcome], None] | None = None,
        objection: Objection | None = None,
        egress: Egress | None = None,
        ip_order: tuple[int, ...] | None = None,
        rule: AddressRule | None = None,
    ) -> Attempt:
        probe = probe or TcpProbe()
        target = Target(host, port)
        job = Job(
            target,
            probe.bind(target),
            timeout=timeout,
            datagram=probe.datagram,
            echo=probe.echo,
            egress=egress,
            ip_order=ip_order,
            objection=objection,
            rule=rule,
            probe=probe,
        )
        return self.engine.start(job, done or self.outcomes.append)

    def drain(self) -> None:
        """Wait until the engine has something to do, then let it."""
        assert select.select([self.engine], [], [], PATIENCE)[0], "nothing came"
        self.engine.drain()

    def take_answer(self) -> None:
        """Wait for the answer to a name, or the result of a thread, then hand it over."""
        self._answers.get(timeout=PATIENCE)()
        self.taken += 1

    def drain_or_take(self) -> None:
        """Wait until the engine has something to do, or a thread has ended, then let it."""
        for _ in range(1000):
            if not self._answers.empty():
                self.take_answer()
                return
            if select.select([self.engine], [], [], PATIENCE / 1000)[0]:
                self.engine.drain()
                return
        raise AssertionError("nothing came")

    def outcome(self) -> Outcome:
        """Drive the engine until the first outcome is there."""
        while not self.outcomes:
            self.drain()
        return self.outcomes[0]


class Scripted(Probe):
    """A probe that runs a generator of the test's."""

    def __init__(self, steps: Callable[[], Any]) -> None:
        self.steps = steps

    def bind(self, _: Target) -> Callable[[], Steps]:
        return self.steps


def accept(listener: socket.socket) -> socket.socket:
    """Take the next connection; each of its sends is a segment."""
    connection, _ = listener.accept()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.settimeout(PATIENCE)
    return connection
