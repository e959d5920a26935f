"""Runs one probe with the engine of the daemon."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from prober.engine.attempt import Attempt, Job
from prober.engine.reactor import Engine
from prober.engine.resolver import Lookup, Resolver, look_up
from prober.engine.ticker import Ticker
from prober.model.monitor import Check
from prober.model.status import PHASES, Outcome, Reason, Result

Trace = Callable[[str, float, str], None]
_SILENCE: Final = frozenset({Reason.TIMEOUT, Reason.SILENT, Reason.WEAK_SILENCE})


async def probe_once(
    check: Check,
    trace: Trace = lambda _step, _seconds, _detail: None,
    *,
    look_up: Lookup = look_up,
) -> Outcome:
    """Probe a check once and return the outcome.

    `trace` is then called with each step that the probe reached: its name, the seconds from the
    start to the end of the step, and a detail. `look_up` resolves the name, if the target has one.
    """
    loop = asyncio.get_running_loop()
    finished: asyncio.Future[Outcome] = loop.create_future()
    bugs: list[Exception] = []
    ticker = Ticker(clock=time.monotonic, call_later=loop.call_later)
    resolver = Resolver(clock=time.monotonic, soon=loop.call_soon_threadsafe, look_up=look_up)
    engine = Engine(
        ticker=ticker,
        resolver=resolver,
        wall=time.time,
        report=lambda error, _: bugs.append(error),
    )

    def tick(now: float, _: float) -> float | None:
        engine.drain()
        engine.expire(now)
        return engine.next_deadline()

    ticker.start(tick)
    loop.add_reader(engine.fileno(), engine.drain)
    try:
        attempt = engine.start(Job.of(check), finished.set_result)
        outcome = await finished
    finally:
        loop.remove_reader(engine.fileno())
        ticker.stop()
        engine.close()
        resolver.close()
    for bug in bugs:
        raise bug
    _tell(outcome, attempt, trace)
    return outcome


def _tell(outcome: Outcome, attempt: Attempt, trace: Trace) -> None:
    address = attempt.job.target.path or (attempt.endpoint.address[0] if attempt.endpoint else "")
    source = f" from {outcome.source_ip}" if outcome.source_ip else ""
    details = {
        "resolve": address,
        "connect": f"{address}{source}".strip(),
        "tls": attempt.session.version if attempt.session else "",
    }
    steps = [pair for pair in zip(PHASES, outcome.phases, strict=True) if pair[1] is not None]
    cut_off = outcome.result is not Result.OK or outcome.reason is Reason.SILENT
    is_silent = outcome.reason in _SILENCE
    passed = 0.0
    for number, (phase, seconds) in enumerate(steps, 1):
        passed += seconds or 0.0
        unfinished = cut_off and number == len(steps) and phase != "transfer"
        last_words = "not finished" if is_silent else outcome.detail
        trace(phase, passed, last_words if unfinished else details.get(phase, ""))
