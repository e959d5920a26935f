"""The DNS module without sockets: which replies are good, and what is found of them."""

import dns.message
import dns.rcode
import dns.rrset
import pytest

from prober.blackbox.dns_module import probe_dns, sections_of
from prober.config.blackbox.modules import DnsModule
from prober.model.option import ReadContext, section
from prober.model.probe import StartTls, Target
from tests.blackbox.scripted import CONNECT, SECONDS, Reply, ScriptedEngine, gauges, scripted

OUTSIDE = ReadContext("/", str, {})
ONE = "www.example.test. 60 IN A 192.0.2.80"
TWO = "www.example.test. 60 IN A 192.0.2.81"
SOA = "example.test. 60 IN SOA ns.example.test. root.example.test. 2024 1 2 3 4"
SERVER = "127.0.0.1"


def module(**more: object) -> DnsModule:
    given: dict[str, object] = {"query_name": "www.example.test", "query_type": "A", **more}
    found: DnsModule = section(DnsModule).read(given, OUTSIDE)
    return found


def reply(*answers: str, authority: str = "", rcode: int = 0) -> Reply:
    """Return what answers a query over UDP."""

    def make(query: bytes) -> bytes:
        message = dns.message.make_response(dns.message.from_wire(query))
        message.set_rcode(dns.rcode.Rcode(rcode))
        for part, records in ((message.answer, answers), (message.authority, [authority])):
            for record in filter(None, records):
                name, ttl, space, kind, data = record.split(" ", 4)
                part.append(dns.rrset.from_text(name, int(ttl), space, kind, data))
        return message.to_wire()

    return make


def framed(made: Reply) -> Reply:
    """Return what answers a query over TCP."""

    def make(query: bytes) -> bytes:
        message = made(query[2:])
        return len(message).to_bytes(2) + message

    return make


async def asked(
    *replies: Reply, target: str = SERVER, **more: object
) -> tuple[bool, dict[str, float], str]:
    """Return whether it is good, the gauges, and the log."""
    runner = scripted(ScriptedEngine(*replies))
    good = await probe_dns(runner, module(**more), target)
    return good, gauges(runner), runner.findings.logs()


async def test_a_good_reply_is_counted_by_its_sections() -> None:
    good, found, _ = await asked(reply(ONE, TWO, authority=SOA))
    assert good
    assert found["probe_dns_query_succeeded"] == 1
    counts = {name: found[f"probe_dns_{name}_rrs"] for name in ("answer", "authority")}
    assert counts == {"answer": 2, "authority": 1}
    assert found['probe_dns_duration_seconds{phase="connect"}'] == CONNECT
    assert found['probe_dns_duration_seconds{phase="request"}'] == SECONDS - CONNECT
    assert "probe_dns_serial" not in found


@pytest.mark.parametrize(("answers", "serial"), [([SOA], 2024), ([], 0)])
async def test_the_serial_of_a_zone_is_found(answers: list[str], serial: int) -> None:
    _, found, _ = await asked(reply(*answers), query_name="example.test", query_type="SOA")
    assert found["probe_dns_serial"] == serial


async def test_only_valid_codes_are_good() -> None:
    good, found, log = await asked(reply(rcode=3))
    assert (good, found["probe_dns_query_succeeded"]) == (False, 1)
    assert "Rcode is not one of the valid rcodes" in log
    assert (await asked(reply(rcode=3), valid_rcodes=["NXDOMAIN"]))[0]


@pytest.mark.parametrize(
    ("rule", "patterns", "answers", "flaw"),
    [
        ("fail_if_matches_regexp", [r"\.80$"], [ONE, TWO], "At least one RR matched regexp"),
        ("fail_if_matches_regexp", [r"\.99$"], [ONE, TWO], ""),
        ("fail_if_matches_regexp", [r"\.80$"], [], ""),
        ("fail_if_all_match_regexp", [r"\.80$"], [ONE, TWO], "Not all RRs matched regexp"),
        ("fail_if_all_match_regexp", [r"\.8"], [ONE, TWO], ""),
        ("fail_if_not_matches_regexp", [r"\.80$"], [ONE, TWO], "At least one RR did not match"),
        ("fail_if_not_matches_regexp", [r"\.8"], [ONE, TWO], ""),
        ("fail_if_not_matches_regexp", ["."], [], "a regexp must match, but no RRs returned"),
        ("fail_if_none_matches_regexp", [r"\.99$"], [ONE, TWO], "None of the RRs did matched"),
        ("fail_if_none_matches_regexp", [r"\.99$", r"\.81$"], [ONE, TWO], ""),
        ("fail_if_none_matches_regexp", ["."], [], "a regexp must match, but no RRs returned"),
    ],
)
async def test_the_records_of_a_section_are_judged_by_its_rules(
    rule: str, patterns: list[str], answers: list[str], flaw: str
) -> None:
    good, _, log = await asked(reply(*answers), validate_answer_rrs={rule: patterns})
    assert good is not bool(flaw)
    assert f'msg="{flaw}' in log


async def test_a_reply_to_another_query_is_passed_over_until_the_deadline() -> None:
    def other(query: bytes) -> bytes:
        return bytes([query[0] ^ 1]) + reply(ONE)(query)[1:]

    assert (await asked(other, reply(ONE)))[0]
    good, found, log = await asked(other)
    assert (good, found["probe_dns_query_succeeded"]) == (False, 0)
    assert "Error while sending a DNS query" in log


async def test_over_tcp_a_reply_comes_in_pieces() -> None:
    whole = framed(reply(ONE))

    def piece(start: int, end: int | None = None) -> Reply:
        return lambda query: whole(query)[start:end]

    pieces = piece(0, 1), piece(1, 9), piece(9)
    assert (await asked(*pieces, transport_protocol="tcp"))[0]


@pytest.mark.parametrize(
    ("last", "detail"),
    [
        (lambda _: b"", "closed without a whole reply"),
        (framed(lambda query: b"\0" * len(query)), "the reply does not fit the query"),
        (framed(lambda query: query[:2] + b"\x80\0\0\1\0\2\0\0\0\0" + query[12:]), "not a valid"),
    ],
)
async def test_over_tcp_every_reply_must_fit(last: Reply, detail: str) -> None:
    good, found, log = await asked(last, transport_protocol="tcp")
    assert (good, found["probe_dns_query_succeeded"]) == (False, 0)
    assert detail in log


async def test_dns_over_tls_has_a_port_of_its_own_and_needs_tcp() -> None:
    engine = ScriptedEngine(framed(reply(ONE)))
    tls = module(dns_over_tls=True, transport_protocol="tcp")
    assert await probe_dns(scripted(engine), tls, "[::1]")
    assert [job.target for job in engine.jobs] == [Target("::1", 853)]
    (handshake,) = (each for each in engine.wishes if isinstance(each, StartTls))
    assert handshake.server_name == "::1"
    good, _, log = await asked(dns_over_tls=True)
    assert not good
    assert "Expected transport protocol tcp for DoT" in log


@pytest.mark.parametrize(
    ("target", "message"),
    [("a b", "Error resolving address"), ("127.0.0.1", "Resolution with IP protocol failed")],
)
async def test_a_target_without_a_usable_address_is_bad(target: str, message: str) -> None:
    strict = {"preferred_ip_protocol": "ip6", "ip_protocol_fallback": False}
    good, found, log = await asked(target=target, **strict)
    assert (good, found["probe_dns_query_succeeded"]) == (False, 0)
    assert message in log


@pytest.mark.parametrize("message", [b"", b"\0" * 11, b"\0\1\x80\0\0\0\0\1\0\0\0\0\xff"])
def test_what_cannot_be_read_has_no_records(message: bytes) -> None:
    with pytest.raises(ValueError, match=r".*"):
        sections_of(message)
