"""The TCP and gRPC probers."""

from prober.blackbox.http_module import parse_url
from prober.blackbox.query_response import Course, dialogue
from prober.blackbox.runner import ModuleRunner
from prober.config.blackbox.modules import GrpcModule, TcpModule
from prober.model.option import Rejected
from prober.model.pool import parse_target
from prober.model.probe import Target
from prober.model.status import Outcome, Result
from prober.probes.grpc import GRPC_SERVING_STATUS, GRPC_STATUS_CODE, GrpcProbe, code_of_client
from prober.probes.tls import handshake

SERVING_STATUSES = ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")


async def probe_tcp(
    runner: ModuleRunner, module: TcpModule, target: str, hostname: str | None
) -> bool:
    """Probe `host:port` and return whether it is good."""
    findings = runner.findings
    findings.set("probe_failed_due_to_regex", 0)
    try:
        host, port = parse_target(target)
    except Rejected as rejected:
        findings.log("Error splitting target address and port", "error", err=rejected)
        return False
    family, fallback = module.preferred_ip_protocol, module.ip_protocol_fallback
    address = await runner.choose_address(host, family, fallback=fallback)
    if address is None:
        return False
    start = handshake(module.tls_config.settings(), hostname or host)
    course = Course()
    findings.log(f"Dialing TCP {'with' if module.tls else 'without'} TLS")
    run = await runner.run(
        Target(address, port), dialogue(module, start, course), source=module.source_ip_address
    )
    if run.session is not None:
        findings.saw_tls(run.session)
    findings.set("probe_failed_due_to_regex", course.by_pattern)
    if any(entry.expect_bytes for entry in module.query_response):
        findings.set("probe_failed_due_to_bytes", course.by_bytes)
    if course.labels:
        findings.set("probe_expect_info", 1, **course.labels)
    return _told(runner, run.outcome)


async def probe_grpc(runner: ModuleRunner, module: GrpcModule, target: str) -> bool:
    """Ask the health service at `host:port`, and return whether it is serving."""
    findings = runner.findings
    findings.set("probe_grpc_duration_seconds", 0, phase="resolve")
    for name in ("grpc_ssl", "grpc_status_code", "ssl_earliest_cert_expiry"):
        findings.set(f"probe_{name}", 0)
    url = target if target.startswith(("http://", "https://")) else f"http://{target}"
    try:
        place = parse_url(url)
        port = int(place.netloc.rpartition(":")[2]) if _names_port(place.netloc) else 0
    except (ValueError, UnicodeError) as error:
        findings.log("Could not parse target URL", "error", err=error)
        return False
    to = Target(place.host, port or (443 if module.tls else 80))
    family, fallback = module.preferred_ip_protocol, module.ip_protocol_fallback
    started = runner.time_left
    address = await runner.choose_address(to.host, family, fallback=fallback)
    if address is None:
        return False
    findings.set("probe_grpc_duration_seconds", started - runner.time_left, phase="resolve")
    tls = module.tls_config.settings() if module.tls else None
    begin = GrpcProbe(service=module.service, tls=tls).bind(to)
    run = await runner.run(Target(address, to.port), begin())
    findings.set("probe_grpc_duration_seconds", run.outcome.seconds, phase="check")
    if run.session is not None:
        findings.set("probe_grpc_ssl", 1)
        findings.saw_tls(run.session, chain_expiry=False)
    facts = run.outcome.facts or {}
    code = facts.get(GRPC_STATUS_CODE.name, code_of_client(run.outcome))
    findings.set("probe_grpc_status_code", float(code))
    for status in SERVING_STATUSES:
        is_it = facts.get(GRPC_SERVING_STATUS.name) == status
        findings.set("probe_grpc_healthcheck_response", is_it, serving_status=status)
    return _told(runner, run.outcome)


def _names_port(netloc: str) -> bool:
    return netloc.rpartition(":")[2].isdigit() and not netloc.endswith("]")


def _told(runner: ModuleRunner, outcome: Outcome) -> bool:
    """Log a bad outcome; return whether the outcome is good."""
    if outcome.result is not Result.OK:
        runner.findings.log(outcome.reason.sentence, "error", err=outcome.detail)
    return outcome.result is Result.OK
