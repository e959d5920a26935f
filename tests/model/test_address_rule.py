"""All addresses of a name judged together: what they mean, and what is said of those that fail."""

import pytest

from prober.model.address_rule import ADDRESSES, FIRST, AddressRule, judge
from prober.model.monitor import Monitor
from prober.model.option import ReadContext, Rejected
from prober.model.probe import Target
from prober.model.status import Outcome, Reason
from prober.probes.http import HttpProbe

OUTSIDE = ReadContext("/", str, {})
ANY, ALL, TWO = AddressRule("any"), AddressRule("all"), AddressRule("quorum", 2)
G, B, U = Reason.OK, Reason.REFUSED, Reason.NO_ROUTE


def outcome(reason: Reason, seconds: float = 0.1, **facts: float) -> Outcome:
    return Outcome(reason, f"it is {reason}", facts or None, 0.0, seconds)


def reason(rule: AddressRule, *reasons: Reason) -> Reason:
    outcomes = [outcome(each) for each in reasons]
    return judge(rule, [str(number) for number in range(len(reasons))], outcomes).reason


@pytest.mark.parametrize(
    ("reasons", "of_any", "of_all", "of_two"),
    [
        ([G], G, G, Reason.DNS_NOT_FOUND),
        ([B], B, B, B),
        ([G, G], G, G, G),
        ([G, B], G, B, B),
        ([G, U], G, U, U),
        ([B, U], U, B, B),
        ([U, U], U, U, U),
        ([G, G, B], G, B, G),
        ([G, B, U], G, B, U),
        ([B, B, B], B, B, B),
        ([Reason.TIMEOUT, B, B], Reason.TIMEOUT, Reason.TIMEOUT, Reason.TIMEOUT),
        ([U, G, G], G, U, G),
    ],
)
def test_enough_addresses_must_be_good(
    reasons: list[Reason], of_any: Reason, of_all: Reason, of_two: Reason
) -> None:
    assert reason(ANY, *reasons) is of_any
    assert reason(ALL, *reasons) is of_all
    assert reason(TWO, *reasons) is of_two


def test_the_detail_names_each_address_that_failed() -> None:
    outcomes = [outcome(G), outcome(B), outcome(Reason.TIMEOUT)]
    addresses = ["127.0.0.1", "127.0.0.2", "::1"]
    failed = "127.0.0.2: it is refused; ::1: it is timeout"
    assert judge(ALL, addresses, outcomes).detail == f"1 of 3 addresses good, 3 needed; {failed}"
    assert judge(ANY, addresses, outcomes).detail == f"1 of 3 addresses good; {failed}"
    assert judge(ANY, addresses[:1], outcomes[:1]).detail == "1 of 1 addresses good"
    long = [outcome(B)._replace(detail="x" * 5000)] * 16
    assert len(judge(ALL, ["a"] * 16, long).detail) < 16 * 130


def test_a_good_result_is_told_by_the_last_address_that_was_needed() -> None:
    outcomes = [outcome(G, 0.3), outcome(B, 0.1), outcome(G, 0.2), outcome(G, 0.9)]
    assert judge(ANY, "abcd", outcomes).telling == 2
    assert judge(TWO, "abcd", outcomes).telling == 0
    assert judge(ALL, "abcd", outcomes).telling == 1


def test_the_certificate_that_expires_first_is_told_of() -> None:
    outcomes = [outcome(G, tls_not_after=end) for end in (30.0, 10.0, 20.0)]
    assert judge(ALL, "abc", outcomes).telling == 1


def test_silence_beside_a_refusal_proves_nothing() -> None:
    silent = Reason.SILENT
    assert reason(ANY, silent, silent) is silent
    assert reason(ANY, silent, B) is Reason.WEAK_SILENCE
    assert reason(ALL, silent, B) is B
    assert reason(ANY, silent, B, G) is G


@pytest.mark.parametrize(
    ("written", "rule"),
    [
        ("first", FIRST),
        ("any", ANY),
        ("all", ALL),
        ({"quorum": 2}, TWO),
        ("quorum:2", TWO),
        ("quorum: 2", TWO),
    ],
)
def test_a_rule_is_read_and_shown(written: object, rule: AddressRule) -> None:
    assert ADDRESSES.read(written, OUTSIDE) == rule
    assert ADDRESSES.read(ADDRESSES.show(rule), OUTSIDE) == rule


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("most", "expected one of first, any, all, or {quorum: NUMBER}, got 'most'"),
        (2, "expected one of first, any, all, or {quorum: NUMBER}, got 2"),
        ({}, "missing key 'quorum'"),
        ({"quorum": 0}, "expected a whole number from 1 to 16, got 0"),
        ("quorum:0", "expected a whole number from 1 to 16, got 0"),
        ({"quorum": 17}, "expected a whole number from 1 to 16, got 17"),
        ({"quorun": 1}, "unknown key; did you mean 'quorum'?"),
    ],
)
def test_a_mistake_in_a_rule_is_named(written: object, words: str) -> None:
    with pytest.raises(Rejected) as caught:
        ADDRESSES.read(written, OUTSIDE)
    assert words in str(caught.value)


def test_a_proxy_looks_up_the_names_itself() -> None:
    probe = HttpProbe(proxy=Target("proxy.example", 3128))
    with pytest.raises(Rejected, match="no effect with a proxy"):
        Monitor(name="m", type="HTTP", pool="p", probe=probe, addresses=ALL)
    assert Monitor(name="m", type="HTTP", pool="p", probe=probe).address_rule is None
    of_all = Monitor(name="m", type="HTTP", pool="p", probe=HttpProbe(), addresses=ALL)
    assert of_all.address_rule == ALL
