"""The DNS prober: one query, and the judgement of the records in each section of the reply."""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from prober.blackbox.findings import Findings
from prober.blackbox.names import NotAHostError, checked_host
from prober.blackbox.runner import ModuleRunner
from prober.config.blackbox.modules import DnsModule, RecordRules
from prober.model.option import Rejected
from prober.model.pool import parse_target
from prober.model.probe import RECEIVE, InThread, Send, StartTls, Steps, Target
from prober.model.status import PHASES, Outcome, Reason, Result, Verdict
from prober.probes.tls import handshake
from prober.protocols.dns_message import (
    CLASSES,
    TYPES,
    DnsMessageError,
    DnsReply,
    fits,
    rcode_name,
    read_reply,
    serial_of,
    write_query,
    write_question,
)

SECTIONS: Final = ("answer", "authority", "additional")
"""The sections of a reply, in their order."""
JUDGE_SECONDS: Final = 1.0
"""Limit of processor time for reading and judging the records of a reply."""

_DONE = Verdict(Reason.OK, "answered")


@dataclass(slots=True)
class Consultation:
    """What a name server replied, and whether that is good."""

    reply: DnsReply | None = None
    good: bool = False
    log: list[tuple[str, str, Mapping[str, object]]] = field(default_factory=list)

    def say(self, message: str, level: str = "info", **facts: object) -> None:
        """Keep a line for the log; `Findings` belongs to another thread."""
        self.log.append((message, level, facts))


async def probe_dns(runner: ModuleRunner, module: DnsModule, target: str) -> bool:
    """Ask the name server at `host` or `host:port`, and return whether its reply is good."""
    findings = runner.findings
    _prepare(findings)
    try:
        to = _server(target, 853 if module.dns_over_tls else 53)
    except NotAHostError as error:
        findings.log("Error resolving address", "error", err=error)
        return False
    family, fallback = module.preferred_ip_protocol, module.ip_protocol_fallback
    started = runner.time_left
    address = await runner.choose_address(to.host, family, fallback=fallback)
    if address is None:
        return False
    findings.set("probe_dns_duration_seconds", started - runner.time_left, phase="resolve")
    if module.dns_over_tls and module.transport_protocol == "udp":
        findings.log("Expected transport protocol tcp for DoT", "error")
        return False
    start = None
    if module.dns_over_tls:
        start = handshake(module.tls_config.settings(), to.host)
    found = Consultation()
    findings.log("Making DNS query", query=module.query_name, type=module.query_type)
    datagram = module.transport_protocol == "udp"
    place = Target(address, to.port)
    run = await runner.run(
        place, _ask(module, place, start, found), datagram=datagram, source=module.source_ip_address
    )
    _note(findings, module, found, run.outcome)
    if run.outcome.result is not Result.OK:
        findings.log("Error while sending a DNS query", "error", err=run.outcome.detail)
        return False
    return found.good


def _prepare(findings: Findings) -> None:
    for phase in ("resolve", "connect", "request"):
        findings.set("probe_dns_duration_seconds", 0, phase=phase)
    for section in SECTIONS:
        findings.set(f"probe_dns_{section}_rrs", 0)
    findings.set("probe_dns_query_succeeded", 0)


def _server(target: str, port: int) -> Target:
    """Return the place of a name server; raise `NotAHostError`."""
    try:
        found = parse_target(target)
    except Rejected:
        found = Target(target.removeprefix("[").removesuffix("]"), port)
    return Target(checked_host(found.host), found.port)


def _note(findings: Findings, module: DnsModule, found: Consultation, outcome: Outcome) -> None:
    """Set the gauges, and write the log of the judgement."""
    times = dict(zip(PHASES, outcome.phases, strict=True))
    connect = (times["connect"] or 0.0) + (times["tls"] or 0.0)
    findings.set("probe_dns_duration_seconds", connect, phase="connect")
    findings.set("probe_dns_duration_seconds", outcome.seconds - connect, phase="request")
    for message, level, facts in found.log:
        findings.log(message, level, **facts)
    if found.reply is None:
        return
    findings.set("probe_dns_query_succeeded", 1)
    reply = found.reply
    records = (reply.answers, reply.authority, reply.additional)
    for section, each in zip(SECTIONS, records, strict=True):
        findings.set(f"probe_dns_{section}_rrs", len(each))
    if module.query_type == "SOA":
        findings.set("probe_dns_serial", serial_of(reply) or 0)


def _ask(module: DnsModule, place: Target, start: StartTls | None, found: Consultation) -> Steps:
    question = write_question(
        module.query_name, TYPES[module.query_type], CLASSES[module.query_class]
    )
    number = hash((*place, module.query_name)) & 0xFFFF
    query = write_query(number, question, recursion_desired=module.recursion_desired)
    if module.transport_protocol == "udp":
        yield Send(query)
        while not fits(message := (yield RECEIVE), number, question):
            pass
    else:
        if start is not None:
            yield start
        yield Send(len(query).to_bytes(2) + query, until_answered=True)
        received = b""
        while len(received) < 2 or len(received) < 2 + int.from_bytes(received[:2]):
            content: bytes = yield RECEIVE
            if not content:
                return Verdict(Reason.CLOSED, "closed without a whole reply")
            received += content
        message = received[2 : 2 + int.from_bytes(received[:2])]
        if not fits(message, number, question):
            return Verdict(Reason.BAD_RESPONSE, "the reply does not fit the query")
    try:
        reply = read_reply(message)
        serial_of(reply)
    except DnsMessageError as error:
        return Verdict(Reason.BAD_RESPONSE, f"not a valid DNS reply: {error}")
    judged = yield InThread(lambda seconds: _judge(module, reply, seconds, found), JUDGE_SECONDS)
    if isinstance(judged, TimeoutError):
        return Verdict(Reason.REGEX_TIMEOUT, "judging the records took too long")
    return judged  # type: ignore[no-any-return]  # what the work returned


def _judge(module: DnsModule, reply: DnsReply, seconds: float, found: Consultation) -> Verdict:
    """Judge a reply; everything that is wrong with it is in the log, as the exporter has it."""
    try:
        texts = sections_of(reply.message)
    except ValueError as error:
        return Verdict(Reason.BAD_RESPONSE, f"not a valid DNS reply: {error}")
    found.reply = reply
    rcode = rcode_name(reply.rcode)
    if rcode not in module.valid_rcodes:
        found.say("Rcode is not one of the valid rcodes", "error", string_rcode=rcode)
        return _DONE
    found.say("Rcode is valid", string_rcode=rcode)
    rules = (
        module.validate_answer_rrs,
        module.validate_authority_rrs,
        module.validate_additional_rrs,
    )
    for section, records, each in zip(SECTIONS, texts, rules, strict=True):
        found.say(f"Validating {section.capitalize()} RRs")
        if flaw := next(_flaws(records, each, seconds), ""):
            found.say(flaw, "error")
            return _DONE
    found.good = True
    return _DONE


def _flaws(records: list[str], rules: RecordRules, seconds: float) -> Iterator[str]:
    """Yield what is wrong with the records of a section, by the rules of blackbox_exporter.

    `fail_if_all_match_regexp` fails there if not all match; so it does here.
    """
    patterns = (
        *rules.fail_if_matches_regexp,
        *rules.fail_if_all_match_regexp,
        *rules.fail_if_not_matches_regexp,
        *rules.fail_if_none_matches_regexp,
    )
    share = seconds / max(1, len(records) * len(patterns))
    matches = {
        pattern: [
            pattern.compiled().search(text, timeout=max(share, 0.001), concurrent=True) is not None
            for text in records
        ]
        for pattern in patterns
    }
    if not records and (rules.fail_if_not_matches_regexp or rules.fail_if_none_matches_regexp):
        yield "a regexp must match, but no RRs returned"
    if any(any(matches[each]) for each in rules.fail_if_matches_regexp):
        yield "At least one RR matched regexp"
    if not all(all(matches[each]) for each in rules.fail_if_not_matches_regexp):
        yield "At least one RR did not match regexp"
    if not all(all(matches[each]) for each in rules.fail_if_all_match_regexp):
        yield "Not all RRs matched regexp"
    none = rules.fail_if_none_matches_regexp
    if none and not any(any(matches[each]) for each in none):
        yield "None of the RRs did matched any regexp"


def sections_of(message: bytes) -> tuple[list[str], list[str], list[str]]:
    """Return the records of each section as text: name, TTL, class, type and data, with tabs.

    Raise ValueError.
    """
    # Only a file with such a module pays for it.
    from dns.exception import DNSException  # noqa: PLC0415
    from dns.message import from_wire  # noqa: PLC0415

    try:
        found = from_wire(message, one_rr_per_rrset=True, raise_on_truncation=False)
        answer, authority, additional = (
            [
                f"{each.name}\t{each.ttl}\t{each.rdclass.name}\t{each.rdtype.name}\t{data.to_text()}"
                for each in section
                for data in each
            ]
            for section in (found.answer, found.authority, found.additional)
        )
    except (DNSException, IndexError, struct.error) as error:
        raise ValueError(str(error)) from None
    return answer, authority, additional
