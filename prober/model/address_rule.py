"""The option `addresses`: how many addresses of a target's name must be good."""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from prober.model.kinds import integer
from prober.model.option import (
    Kind,
    ReadContext,
    Rejected,
    expected,
    gather,
    mapping,
    unknown_keys,
)
from prober.model.probe import certificate_end
from prober.model.status import Outcome, Reason

MOST_ADDRESSES: Final = 16
"""Maximum number of addresses of a name to probe."""

_WORDS = ("first", "any", "all")
_QUORUM = integer(1, MOST_ADDRESSES)
_SHORT = re.compile(r"quorum:\s*([0-9]{1,9})")
_LONGEST_DETAIL = 120  # characters of what one address has to say


class AddressRule(NamedTuple):
    """`first`: the addresses are tried in turn; otherwise all are probed and judged together."""

    word: str
    quorum: int = 0

    def needed(self, count: int) -> int:
        """Return how many of so many addresses must be good."""
        return {"all": count, "quorum": self.quorum}.get(self.word, 1)


FIRST: Final = AddressRule("first")


def _read(value: object, outside: ReadContext) -> AddressRule:
    if isinstance(value, str) and (short := _SHORT.fullmatch(value)):
        value = {"quorum": int(short[1])}
    if isinstance(value, dict):
        given = mapping(value)
        if complaints := unknown_keys(given, ("quorum",)):
            raise Rejected(*complaints)
        if "quorum" not in given:
            raise Rejected("missing key 'quorum'")
        (quorum,) = gather([(("quorum",), lambda: _QUORUM.read(given["quorum"], outside))])
        return AddressRule("quorum", quorum)
    if value not in _WORDS:
        raise expected(f"one of {', '.join(_WORDS)}, or {{quorum: NUMBER}}", value)
    return AddressRule(str(value))


ADDRESSES: Final = Kind(
    _read,
    {
        "oneOf": [
            {"enum": list(_WORDS)},
            {
                "type": "object",
                "properties": {"quorum": _QUORUM.schema},
                "required": ["quorum"],
                "additionalProperties": False,
                "maxProperties": 1,
            },
        ]
    },
    lambda rule: {"quorum": rule.quorum} if rule.quorum else rule.word,
)


class JointVerdict(NamedTuple):
    """What the outcomes of all addresses mean together.

    `telling` is the number of the outcome that decided it.
    """

    reason: Reason
    detail: str
    telling: int


def judge(rule: AddressRule, addresses: Sequence[str], outcomes: Sequence[Outcome]) -> JointVerdict:
    """Judge the addresses of a name together.

    It is good if enough of them are, inconclusive if the inconclusive ones could make it so. A good
    result is decided when the last address that is needed is good. Silence after a refusal proves
    nothing, because a host with several addresses reports closed UDP ports only now and then.
    """
    count, needed = len(outcomes), rule.needed(len(outcomes))
    refused = any(each.reason is Reason.REFUSED for each in outcomes)
    weak = {Reason.SILENT: Reason.WEAK_SILENCE} if refused else {}
    reasons = [weak.get(each.reason, each.reason) for each in outcomes]
    good = [number for number, reason in enumerate(reasons) if reason.is_good]
    failed = [number for number, reason in enumerate(reasons) if not reason.is_good]
    bad = [number for number in failed if reasons[number].is_conclusive]
    words = f"{len(good)} of {count} addresses good"
    if len(good) >= needed:
        good.sort(key=lambda number: outcomes[number].seconds)
        telling = _shows_most(good[:needed], outcomes)
        reason = Reason.SILENT if reasons[telling] is Reason.SILENT else Reason.OK
    else:
        words += f", {needed} needed"
        inconclusive = len(good) + len(failed) - len(bad) >= needed
        blamed = [each for each in failed if each not in bad] if inconclusive else bad
        telling = next(iter(blamed or good))
        reason = reasons[telling] if blamed else Reason.DNS_NOT_FOUND
    said = [f"{addresses[each]}: {outcomes[each].detail[:_LONGEST_DETAIL]}" for each in failed]
    return JointVerdict(reason, "; ".join([words, *said]), telling)


def _shows_most(good: Sequence[int], outcomes: Sequence[Outcome]) -> int:
    """Return the good outcome to show: that of the first certificate to expire, or the last."""
    ends = {each: end for each in good if (end := certificate_end(outcomes[each].facts))}
    return min(ends, key=lambda each: ends[each]) if ends else good[-1]
