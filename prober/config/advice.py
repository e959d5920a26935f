"""Warnings about a valid configuration that probably does not do what its author intended."""

from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

from prober.model.file_kinds import Secret
from prober.model.kinds import in_units
from prober.model.monitor import UDP_PACE, Model
from prober.model.option import dotted
from prober.model.secret import secrets_of
from prober.model.wording import counted


class Advice(NamedTuple):
    """A sentence about a monitor, a pool or a host."""

    kind: str
    name: str
    text: str

    def __str__(self) -> str:
        """Write it as a sentence."""
        return f"{self.kind} {self.name!r}: {self.text}"


def advice(model: Model, *, in_cluster: bool = False) -> Iterator[Advice]:
    """Yield a sentence for each setting that is valid but probably not intended."""
    if not in_cluster:
        yield from _votes_of_one(model)
    yield from _idle_pools(model)
    yield from _long_timeouts(model)
    yield from _bounds_never_met(model)
    yield from _secrets_in_clear(model)
    yield from _from_the_types(model)
    yield from _crowded_udp_hosts(model)


def _votes_of_one(model: Model) -> Iterator[Advice]:
    for monitor in model.monitors:
        for key in ("vantages", "vote"):
            if getattr(monitor, key):
                text = f"{key} has no effect without a section `cluster`"
                yield Advice("monitor", monitor.name, text)


def _idle_pools(model: Model) -> Iterator[Advice]:
    probed = {monitor.pool_name for monitor in model.monitors if monitor.enabled}
    asked_for = {m.name for m in model.monitors if m.targets_from and m.targets_from.asked_every}
    for pool in model.pools:
        if not pool.backends and pool.name not in asked_for:
            yield Advice("pool", pool.name, "no backends, so its status is UNKNOWN")
        elif pool.name not in probed:
            text = "not probed by any enabled monitor, so its status is UNKNOWN"
            yield Advice("pool", pool.name, text)


def _long_timeouts(model: Model) -> Iterator[Advice]:
    for monitor in model.monitors:
        if monitor.timeout > monitor.interval:
            yield Advice(
                "monitor",
                monitor.name,
                f"timeout {in_units(monitor.timeout)} is longer than "
                f"interval {in_units(monitor.interval)}: a probe that takes longer than the "
                "interval causes the next ones to be skipped",
            )


def _bounds_never_met(model: Model) -> Iterator[Advice]:
    for monitor in model.monitors:
        if monitor.slow is not None and monitor.slow >= monitor.timeout:
            yield Advice(
                "monitor",
                monitor.name,
                f"slow {in_units(monitor.slow)} is not shorter than "
                f"timeout {in_units(monitor.timeout)}, so it can never take effect",
            )


def _secrets_in_clear(model: Model) -> Iterator[Advice]:
    for monitor in model.monitors:
        for path, option, value in chain(secrets_of(monitor), secrets_of(monitor.probe)):
            in_clear = not (isinstance(value, Secret) and value.masked)
            if in_clear and option.hides(str(path[-1])):
                yield Advice(
                    "monitor",
                    monitor.name,
                    f"{dotted(path)} is a secret in plain text; "
                    "use {file: PATH} or {env: NAME} to keep it out of the configuration",
                )


def _from_the_types(model: Model) -> Iterator[Advice]:
    for monitor in model.monitors:
        for advised in monitor.probe.advice():
            yield Advice("monitor", monitor.name, advised)


def _crowded_udp_hosts(model: Model) -> Iterator[Advice]:
    """Compare the configured rate for each host with the pace of UDP probes."""
    wanted: dict[str, list[float]] = {}
    for check in model.checks():
        if check.monitor.probe.paced and check.enabled:
            wanted.setdefault(check.target.host, []).append(1 / check.monitor.interval)
    for host, rates in wanted.items():
        if sum(rates) * UDP_PACE > 1 + 1e-9:
            yield Advice(
                "host",
                host,
                f"{counted(f'{sum(rates):.3g}', 'UDP probe')} per second would be too many: those "
                f"of one host are kept {UDP_PACE} s apart; with "
                f"{counted(len(rates), 'check')} each is probed about every "
                f"{len(rates) * UDP_PACE:.3g} s",
            )
