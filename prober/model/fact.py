"""Facts: what a probe type learns beside its verdict, and everything that is known of each.

A type declares its facts in `Probe.facts`. The API and its description, the metrics, the words for
the last result, the remembered results, the stored state and the documentation follow from that.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from prober.model.status import FactValue, Outcome
from prober.model.wording import END_OF_TIME, time_text


@dataclass(frozen=True, slots=True, eq=False)
class FactKind:
    """One sort of fact.

    `schema` is the JSON schema of what `show` makes of a value; `holds` tells a value of this sort
    from others.
    """

    schema: Mapping[str, object]
    holds: Callable[[object], bool]
    show: Callable[[FactValue], FactValue] = lambda value: value


_LARGEST: Final = 2**53  # beyond it JSON numbers are not exact everywhere


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and abs(value) <= _LARGEST  # type: ignore[arg-type]  # one of the two


TEXT = FactKind({"type": "string"}, lambda value: isinstance(value, str))
INTEGER = FactKind({"type": "integer"}, lambda value: type(value) is int and _is_number(value))
NUMBER = FactKind({"type": "number"}, _is_number)
TIME = FactKind(
    {"type": "string", "format": "date-time"},
    lambda value: _is_number(value) and 0 <= float(value) <= END_OF_TIME,  # type: ignore[arg-type]  # a number
    lambda value: time_text(float(value)),
)
"""Unix seconds in a verdict, RFC 3339 in JSON."""


class Gauge(NamedTuple):
    """The metric that shows a fact of the last result: its name and its help."""

    name: str
    help: str


class Info(NamedTuple):
    """A metric that is always 1 and shows a fact of the last result as a label.

    `word` returns the value of the `label`, in which nothing needs escaping.
    """

    name: str
    help: str
    label: str
    word: Callable[[FactValue], str]


class IfAbsent(NamedTuple):
    """What a gauge shows for a conclusive result without its fact: the value, and its words."""

    value: Callable[[Outcome], float]
    doc: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One thing that a probe type learns.

    Attributes:
        name: Its name in a verdict and in the API. Types that share a name mean the same by it.
        kind: What sort of value it has.
        doc: What it is, for the description of the API and the documentation.
        said: How it is written as the last result, `{}` standing for the value: `HTTP {}`. Empty
            if it is not. Of several facts of one result, the first that the type declares is.
        remembered: Whether the last results of a check keep it. They keep one fact each, and at
            most VALUES different values of it, so it is for codes and the like.
        gauge: The metric that shows it, if there is one.
        gauge_if_absent: What the gauge shows for a conclusive result without this fact, if not
            nothing.
        info: The metric that shows it as a label, if there is one.
        expected_by: The option that says which values are good, if there is one.
    """

    name: str
    kind: FactKind
    doc: str
    said: str = ""
    remembered: bool = False
    gauge: Gauge | None = None
    gauge_if_absent: IfAbsent | None = None
    info: Info | None = None
    expected_by: str = ""


VALUES: Final = 1000
"""Different values of one fact that are remembered."""


def remembered(declared: Iterable[Fact]) -> tuple[str, ...]:
    """Return the names of the facts that the last results of a check keep."""
    return tuple(fact.name for fact in declared if fact.remembered)


def said(declared: Iterable[Fact], facts: Mapping[str, object]) -> str:
    """Return the words for the facts of a result, empty if its type has none.

    `facts` may be those of a verdict or a RESULT of the API.
    """
    for fact in declared:
        if fact.said and fact.name in facts:
            return fact.said.format(facts[fact.name])
    return ""
