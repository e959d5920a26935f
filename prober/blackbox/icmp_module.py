"""The ICMP prober: one echo request."""

from prober.blackbox.names import NotAHostError, checked_host
from prober.blackbox.runner import ModuleRunner, OwnTrouble
from prober.config.blackbox.modules import IcmpModule
from prober.model.probe import Target
from prober.model.status import PHASES, Reason, Result
from prober.probes.icmp import ICMP_PHASES, REPLY_TTL, RTT, IcmpProbe

USUAL_SIZE = 28
"""Bytes of payload without `payload_size`: as many as blackbox_exporter's own text has."""


async def probe_icmp(runner: ModuleRunner, module: IcmpModule, target: str) -> bool:
    """Send an echo request to a host, and return whether it replies."""
    findings = runner.findings
    for phase, _ in ICMP_PHASES.phases:
        findings.set(ICMP_PHASES.name, 0, phase=phase)
    try:
        host = checked_host(target.removeprefix("[").removesuffix("]"))
    except NotAHostError as error:
        findings.log("Error resolving address", "error", err=error)
        return False
    family, fallback = module.preferred_ip_protocol, module.ip_protocol_fallback
    started = runner.time_left
    address = await runner.choose_address(host, family, fallback=fallback)
    if address is None:
        return False
    findings.set(ICMP_PHASES.name, started - runner.time_left, phase="resolve")
    findings.log("Creating socket")
    to, probe = Target(address, 0), IcmpProbe(size=module.payload_size or USUAL_SIZE)
    run = await runner.run(to, probe.bind(to)(), echo=module.echo, source=module.source_ip_address)
    outcome = run.outcome
    if outcome.reason is Reason.NOT_PERMITTED:
        raise OwnTrouble(outcome.detail)
    facts, times = outcome.facts or {}, dict(zip(PHASES, outcome.phases, strict=True))
    findings.set(ICMP_PHASES.name, times["send"] or 0.0, phase="setup")
    findings.set(ICMP_PHASES.name, float(facts.get(RTT.name, 0.0)), phase="rtt")
    if outcome.result is not Result.OK:
        findings.log("Error reading from socket", "error", err=outcome.detail)
        return False
    if REPLY_TTL.name in facts:
        findings.set("probe_icmp_reply_hop_limit", float(facts[REPLY_TTL.name]))
    findings.log("Found matching reply packet")
    return True
