"""The compiled build has the path of a probe: what runs for each probe, and what is left out."""

import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import pytest

from prober.engine.attempt import Job
from prober.model.build import BUILD
from prober.model.probe import Probe, Target
from prober.model.status import Reason
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

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
HOOK = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]["mypyc"]
COMPILED = {str(path) for each in HOOK["include"] for path in ROOT.glob(each)} - {
    str(ROOT / each) for each in HOOK["exclude"]
}
PROBES: dict[str, Probe] = {
    "TCP": TcpProbe(),
    "HTTP": HttpProbe(),
    "TLS": TlsProbe(),
    "UDP": UdpProbe(expect=b"pong"),
    "GRPC": GrpcProbe(),
}
LEFT_OUT = {
    "prober/model/probe.py": "its dataclasses have class variables, which mypyc makes read-only",
    "prober/model/wording.py": "cleans words of the target, once for each that is new",
    "prober/engine/stapling.py": "its contexts need weak references, which mypyc gives no class",
    "prober/probes/grpc.py": "as model/probe.py; its reader, protocols/http2_call.py, is compiled",
    "prober/probes/tls.py": "as model/probe.py; a step",
    "prober/probes/udp.py": "as model/probe.py; two steps",
    "prober/probes/http2_talk.py": "runs when something is wrong",
    "prober/probes/http_facts.py": "its results are remembered",
}
"""Modules in which something runs for each probe, and why they stay interpreted all the same."""

pytestmark = pytest.mark.skipif(BUILD == "compiled", reason="what is compiled cannot be followed")


def interpreted(action: Callable[[], object]) -> set[str]:
    """Return the modules of prober that run in an action and would not be compiled."""
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
    own = {file for file in files if file.startswith(f"{ROOT}/prober/")}
    return {str(Path(file).relative_to(ROOT)) for file in own - COMPILED}


@pytest.mark.parametrize("reason", [Reason.OK, Reason.REFUSED, Reason.NO_PORTS])
def test_the_schedule_and_the_state_run_nothing_interpreted(reason: Reason) -> None:
    sim = Simulation()
    sim.engine.answer = lambda _: reason
    sim.watch(model_of("192.0.2.1", "192.0.2.2", interval=1))
    sim.clock.advance(10)
    writes_the_target = {"prober/model/probe.py"}  # the simulated engine does
    assert interpreted(lambda: sim.clock.advance(60)) == writes_the_target


@pytest.mark.parametrize("name", PROBES)
def test_a_probe_runs_nothing_interpreted(
    name: str, by_hand: ByHand, serve: Serve, certificates: Certificates
) -> None:
    reply = b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 2\r\n\r\nok"
    port = serve(over_tls(certificates.server()) if name == "TLS" else answers(reply))
    probe, target = PROBES[name], Target("127.0.0.1", port)
    job = Job(target, probe.bind(target), timeout=2.0, datagram=probe.datagram)

    def one_probe() -> None:
        by_hand.engine.start(job, by_hand.outcomes.append)
        by_hand.outcome()

    assert interpreted(one_probe) <= set(LEFT_OUT)


def test_no_module_is_compiled_and_left_out() -> None:
    assert COMPILED
    assert not COMPILED & {str(ROOT / path) for path in LEFT_OUT}
    assert all((ROOT / path).exists() for path in LEFT_OUT)
