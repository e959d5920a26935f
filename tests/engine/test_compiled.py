"""The compiled build has the whole path of a probe: what runs for each probe, and what is left out."""

import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import pytest

from prober.model.probe import Probe
from prober.model.status import Reason
from prober.probes.dns import DnsProbe
from prober.probes.grpc import GrpcProbe
from prober.probes.http import HttpProbe
from prober.probes.tcp import TcpProbe
from prober.probes.tls import TlsProbe
from prober.probes.udp import UdpProbe
from tests import ROOT
from tests.engine.by_hand import ByHand
from tests.engine.conftest import Certificates, Serve
from tests.engine.targets import answers, over_tls
from tests.simulation import Simulation, model_of

HOOK = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"][
    "targets"
]["wheel"]["hooks"]["mypyc"]
COMPILED = {path.relative_to(ROOT) for each in HOOK["include"] for path in ROOT.glob(each)}
PROBES: dict[str, Probe] = {
    "TCP": TcpProbe(),
    "HTTP": HttpProbe(body_regex="ok"),
    "TLS": TlsProbe(),
    "UDP": UdpProbe(send=b"x"),
    "DNS": DnsProbe(query_name="example.org"),
    "GRPC": GrpcProbe(),
}
LEFT_OUT = {
    "prober/model/probe.py": "dataclasses with class variables, which mypyc makes read-only",
    "prober/model/monitor.py": "the same",
    "prober/model/status.py": "an enum with a constructor of its own, which mypyc refuses",
    "prober/model/kinds.py": "a metaclass of dataclasses",
}
"""Modules that each probe runs through, and why they stay interpreted."""


def interpreted(action: Callable[[], object]) -> set[str]:
    """Return the modules of prober that run in an action and are not to be compiled."""
    files: set[str] = set()

    def called(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            files.add(frame.f_code.co_filename)

    before = sys.getprofile()
    sys.setprofile(called)
    try:
        action()
    finally:
        sys.setprofile(before)
    own = {Path(file).relative_to(ROOT) for file in files if file.startswith(f"{ROOT}/prober/")}
    return {str(path) for path in own - COMPILED}


@pytest.mark.parametrize("reason", [Reason.OK, Reason.REFUSED, Reason.NO_PORTS])
def test_the_schedule_and_the_state_run_nothing_interpreted(reason: Reason) -> None:
    sim = Simulation()
    sim.engine.answer = lambda _: reason
    sim.watch(model_of("192.0.2.1", "192.0.2.2", interval=1))
    sim.clock.advance(10)
    print(interpreted(lambda: sim.clock.advance(60)))


@pytest.mark.parametrize("name", PROBES)
def test_a_probe_runs_nothing_interpreted(name, by_hand: ByHand, serve: Serve, certificates) -> None:
    ok = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nServer: x\r\n\r\nok"
    script = over_tls(certificates.server_context("127.0.0.1")) if name == "TLS" else answers(ok)
    port = serve(script)
    probe = PROBES[name]

    def run():
        by_hand.outcomes.clear()
        by_hand.start(port, probe, timeout=0.2)
        by_hand.clock.advance(0.0)
        try: by_hand.outcome()
        except AssertionError: by_hand.clock.advance(1)
    print(name, interpreted(run), by_hand.outcomes)
