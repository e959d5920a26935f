"""One probe by itself: what each of its steps ended with."""

import pytest

from prober.engine.once import probe_once
from prober.model.probe import Probe
from prober.model.status import Reason
from prober.probes.tcp import TcpProbe
from prober.probes.tls import TlsProbe
from tests.engine.targets import PATIENCE, check_of, close, hold, listening
from tests.ports import free_port


async def last_step(probe: Probe, port: int, patience: float = PATIENCE) -> tuple[str, str]:
    """Return the last step of a probe and its detail; probe again if this machine stood still."""
    check = check_of(probe, port, timeout=patience)
    while True:
        steps = dict[str, str]()

        def trace(step: str, _: float, detail: str, steps: dict[str, str] = steps) -> None:
            steps[step] = detail

        found = await probe_once(check, trace)
        if found.reason is not Reason.STALLED:
            return steps.popitem()


@pytest.mark.parametrize("probe", [TcpProbe(), TlsProbe()], ids=["TCP", "TLS"])
async def test_a_step_that_fails_says_why(probe: Probe) -> None:
    assert await last_step(probe, free_port()) == ("connect", "connection refused")


async def test_a_step_that_the_target_cuts_off_says_what_happened() -> None:
    with listening(close) as port:
        step, detail = await last_step(TlsProbe(), port)
    assert step == "tls"
    assert "closed" in detail or "reset" in detail  # before or during the handshake


async def test_a_step_that_ends_with_the_timeout_has_not_finished() -> None:
    with listening(hold) as port:
        _, detail = await last_step(TlsProbe(), port, patience=0.1)
    assert detail == "not finished"
