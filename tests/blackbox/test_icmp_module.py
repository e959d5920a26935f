"""The ICMP module without sockets: what becomes of a reply, of silence and of a missing right."""

import pytest

from prober.blackbox.icmp_module import USUAL_SIZE, probe_icmp
from prober.blackbox.runner import OwnTrouble
from prober.config.blackbox.modules import IcmpModule
from prober.model.probe import EchoOptions, Target
from prober.model.status import Reason, Verdict
from prober.probes.icmp import REPLY_TTL, RTT
from tests.blackbox.scripted import ScriptedEngine, gauges, scripted

RTT_GAUGE = 'probe_icmp_duration_seconds{phase="rtt"}'
HOPS = "probe_icmp_reply_hop_limit"


@pytest.mark.parametrize("ttl", [64, None])
async def test_a_reply_is_good_and_tells_its_time_and_its_hop_limit(ttl: int | None) -> None:
    facts = {RTT.name: 0.25, **({REPLY_TTL.name: ttl} if ttl else {})}
    engine = ScriptedEngine(verdict=Verdict(Reason.OK, "reply", facts))
    runner = scripted(engine)
    assert await probe_icmp(runner, IcmpModule(ttl=9, dont_fragment=True), "[::1]")
    found = gauges(runner)
    assert (found[RTT_GAUGE], found.get(HOPS)) == (0.25, ttl)
    (job,) = engine.jobs
    assert (job.target, job.echo) == (Target("::1", 0), EchoOptions(9, True))


@pytest.mark.parametrize(("given", "size"), [(0, USUAL_SIZE), (1000, 1000)])
async def test_a_request_is_as_long_as_the_module_says(given: int, size: int) -> None:
    engine = ScriptedEngine()
    assert not await probe_icmp(scripted(engine), IcmpModule(payload_size=given), "127.0.0.1")
    assert [each.size for each in engine.wishes] == [size]


async def test_silence_is_bad() -> None:
    runner = scripted(ScriptedEngine())
    assert not await probe_icmp(runner, IcmpModule(), "127.0.0.1")
    assert gauges(runner)[RTT_GAUGE] == 0
    assert "Error reading from socket" in runner.findings.logs()


async def test_a_missing_right_says_nothing_about_the_target() -> None:
    runner = scripted(ScriptedEngine(verdict=Verdict(Reason.NOT_PERMITTED, "no right", None)))
    with pytest.raises(OwnTrouble, match="no right"):
        await probe_icmp(runner, IcmpModule(), "127.0.0.1")


@pytest.mark.parametrize(
    ("target", "message"),
    [("a b", "Error resolving address"), ("127.0.0.1", "Resolution with IP protocol failed")],
)
async def test_a_host_without_a_usable_address_is_bad(target: str, message: str) -> None:
    engine = ScriptedEngine()
    runner = scripted(engine)
    strict = IcmpModule(preferred_ip_protocol="ip6", ip_protocol_fallback=False)
    assert not await probe_icmp(runner, strict, target)
    assert message in runner.findings.logs()
    assert not engine.jobs
