"""The option `steps`: what a probe says to a target, and what it expects to hear, in turn."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from prober.model.kinds import PAYLOAD, list_of
from prober.model.option import (
    Complaint,
    Kind,
    ReadContext,
    Rejected,
    expected,
    mapping,
    unknown_keys,
)
from prober.model.pattern_kind import PATTERN
from prober.probes.pattern import bytes_searcher

SEND: Final = "send"
EXPECT: Final = "expect"
EXPECT_REGEX: Final = "expect_regex"
STARTTLS: Final = "starttls"

_MOST = 100
_SHOWN = 80  # bytes
_VARIABLE = re.compile(rb"\$(?:\$(?=\{\w+\})|\{(\w+)\})", re.ASCII)
Groups = Mapping[str, bytes]
"""What the groups of patterns have matched, by number and by name."""


class DialogueStep(NamedTuple):
    """One step: the bytes to send or to find, the pattern to find, or neither for `starttls`."""

    action: str
    content: bytes | str = b""

    def __str__(self) -> str:
        """Write it as in a message: `expect_regex '^220'`."""
        shown = excerpt(self.content) if isinstance(self.content, bytes) else f"'{self.content}'"
        return f"{self.action} {shown}" if self.content else self.action


def excerpt(content: bytes) -> str:
    """Return the beginning of some bytes, quoted, for a message."""
    shown = repr(content[:_SHOWN])[1:]
    return f"{shown}..." if len(content) > _SHOWN else shown


def has_variables(content: bytes) -> bool:
    """Return whether `insert` changes a content."""
    return _VARIABLE.search(content) is not None


def insert(content: bytes, groups: Groups) -> bytes:
    """Return a content with what groups have matched for `${1}` and `${name}`; `$${1}` is `${1}`.

    A group that took no part in the match is empty.
    """
    return _VARIABLE.sub(lambda found: groups[found[1].decode()] if found[1] else b"$", content)


def _read_pattern(value: object, outside: ReadContext) -> str:
    pattern = PATTERN.read(value, outside)
    try:
        bytes_searcher(pattern)
    except ValueError as error:
        raise Rejected(f"not a regular expression for bytes: {error}") from None
    return pattern


def _read_starttls(value: object, _: ReadContext) -> bytes:
    if value != {}:
        raise Rejected("expected {}; the key `tls` of the monitor has the settings")
    return b""


_KINDS: dict[str, Kind[Any]] = {
    SEND: PAYLOAD,
    EXPECT: PAYLOAD,
    EXPECT_REGEX: Kind(_read_pattern, PATTERN.schema),
    STARTTLS: Kind(_read_starttls, {"type": "object", "maxProperties": 0}, lambda _: {}),
}


def _read_step(value: object, outside: ReadContext) -> DialogueStep:
    if not isinstance(value, dict):
        raise expected(" or ".join(f"{{{name}: …}}" for name in _KINDS), value)
    given = mapping(value)
    if complaints := unknown_keys(given, _KINDS):
        raise Rejected(*complaints)
    if len(given) != 1:
        raise Rejected(f"expected exactly one of {', '.join(_KINDS)}")
    ((action, content),) = given.items()
    try:
        return DialogueStep(action, _KINDS[action].read(content, outside))
    except Rejected as rejected:
        complaints = [Complaint((action, *c.path), c.message) for c in rejected.complaints]
        raise Rejected(*complaints) from None


_STEP = Kind(
    _read_step,
    {
        "type": "object",
        "properties": {name: dict(kind.schema) for name, kind in _KINDS.items()},
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    },
    lambda step: {step.action: _KINDS[step.action].show(step.content)},
)
_LIST = list_of(_STEP, shortest=1)


def _read_steps(value: object, outside: ReadContext) -> tuple[DialogueStep, ...]:
    steps = _LIST.read(value, outside)
    if len(steps) > _MOST:
        raise Rejected(f"expected at most {_MOST} steps, got {len(steps)}")
    if complaints := [*_unknown_groups(steps), *_repeated_starttls(steps)]:
        raise Rejected(*complaints)
    return steps


def _unknown_groups(steps: Sequence[DialogueStep]) -> Iterator[Complaint]:
    """Yield the variables that no expectation before them has a group for."""
    known: frozenset[str] = frozenset()
    for number, (action, content) in enumerate(steps):
        if isinstance(content, str):
            pattern = bytes_searcher(content)
            known = pattern.groups | {name for name in known if not name.isdigit()}
        elif action == SEND:
            used = {found[1].decode() for found in _VARIABLE.finditer(content) if found[1]}
            for name in sorted(used - known):
                written = f"${{{name}}}"
                what = f"no expect_regex before has a group for {written}"
                yield Complaint((number, SEND), f"{what}; ${written} stands for {written} itself")


def _repeated_starttls(steps: Sequence[DialogueStep]) -> list[Complaint]:
    places = [number for number, step in enumerate(steps) if step.action == STARTTLS]
    return [Complaint((number, STARTTLS), "TLS has been started before") for number in places[1:]]


STEPS = Kind(_read_steps, {**_LIST.schema, "maxItems": _MOST}, _LIST.show)
"""The steps of a dialogue."""


def starts_tls(steps: Sequence[DialogueStep]) -> bool:
    """Return whether the steps change to TLS."""
    return any(step.action == STARTTLS for step in steps)
