"""What every probe type declares: enough, and in agreement with the others."""

import dataclasses
import json
import pickle
import re
from collections import Counter
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # it has no types
import pytest

from prober.config.schema import json_schema, monitor_schema
from prober.model.fact import INTEGER, NUMBER, TEXT, TIME, Fact
from prober.model.monitor import Monitor
from prober.model.option import ReadContext, options_of, schema_of, section, show_options
from prober.model.probe import TLS_FACTS, Probe, Steps, Target
from prober.model.status import Outcome, Reason, Verdict
from prober.probes import PROBE_TYPES, declared_facts
from prober.web.api.check_shapes import RESULT
from prober.web.metrics.check_metrics import Metrics
from tests.contract.made_up import TYPES
from tests.web.world import World

OUTSIDE = ReadContext("/", str, {})
TARGET = Target("example.org", 8443)
ALL_FACTS = [fact for cls in TYPES.values() for fact in cls.facts]

every_type = pytest.mark.parametrize("cls", TYPES.values(), ids=TYPES)
every_fact = pytest.mark.parametrize("fact", ALL_FACTS, ids=lambda fact: fact.name)


def example(cls: type[Probe]) -> Probe:
    """Return the probe that the type shows as its example."""
    probe: Probe = section(cls).read(dict(cls.example), OUTSIDE)
    return probe


def test_the_types_of_the_contract_are_there() -> None:
    names = ["TCP", "UDP_CONNECT", "HTTP", "HTTPS", "TLS", "GRPC"]
    assert list(PROBE_TYPES)[: len(names)] == names


@pytest.mark.parametrize("name", TYPES)
def test_a_name_can_be_written_everywhere(name: str) -> None:
    assert re.fullmatch(r"[A-Z][A-Z0-9_]*", name)


# The options


@every_type
def test_a_type_is_a_documented_frozen_dataclass(cls: type[Probe]) -> None:
    assert cls.__doc__
    assert cls.__doc__.strip().endswith(".")
    assert cls.__dataclass_params__.frozen  # type: ignore[attr-defined]  # dataclasses have it
    assert not hasattr(example(cls), "__dict__")
    assert example(cls) == example(cls)
    assert hash(example(cls)) == hash(example(cls))


@every_type
def test_every_field_is_an_option_with_a_description_of_its_own(cls: type[Probe]) -> None:
    options = options_of(cls)
    assert [field.name for field in dataclasses.fields(cls)] == list(options)  # type: ignore[arg-type]  # it is one
    assert all(each.doc.strip() for each in options.values())
    assert not options.keys() & options_of(Monitor).keys()
    assert all(each.live for each in options.values()), "a reload changes every monitor"


@every_type
def test_each_start_is_a_probe_of_its_own(cls: type[Probe]) -> None:
    start = example(cls).bind(TARGET)
    if isinstance(start, Verdict):
        return
    first, second = start(), start()
    assert first is not second
    assert first_wish(first) == first_wish(second) == first_wish(start())


def first_wish(steps: Steps) -> object:
    """Return the first wish of a probe, or its verdict if it has none."""
    try:
        return next(steps)
    except StopIteration as stop:
        return stop.value
    finally:
        steps.close()


@every_type
def test_what_is_shown_can_be_read_again(cls: type[Probe]) -> None:
    shown = json.loads(json.dumps(show_options(example(cls))))
    assert section(cls).read(shown, OUTSIDE) == example(cls)


@every_type
def test_the_schema_is_json_and_names_every_option(cls: type[Probe]) -> None:
    schema = json.loads(json.dumps(schema_of(cls)))
    assert list(schema["properties"]) == list(options_of(cls))
    assert set(schema["required"]) <= cls.example.keys()


@every_type
def test_a_probe_can_be_handed_from_one_process_to_another(cls: type[Probe]) -> None:
    assert pickle.loads(pickle.dumps(example(cls))) == example(cls)


@pytest.mark.parametrize("name", TYPES)
def test_the_example_is_a_monitor_of_the_schema(name: str) -> None:
    schema: Any = monitor_schema(name)
    (monitor,) = schema["examples"]
    jsonschema.Draft202012Validator(json_schema()).validate({"monitors": [monitor]})
    assert monitor["type"] == name


# What it says of itself


@every_type
def test_a_type_says_when_it_is_good(cls: type[Probe]) -> None:
    assert re.fullmatch(r"[^|\n]+[^.|\n]", cls.good_when)


@every_type
def test_a_port_is_one(cls: type[Probe]) -> None:
    assert cls.default_port is None or 1 <= cls.default_port <= 65535


@every_type
def test_only_what_speaks_over_udp_keeps_its_pace(cls: type[Probe]) -> None:
    assert example(cls).datagram or not cls.paced


@every_type
def test_a_type_is_called_as_what_it_is_carried_by(cls: type[Probe]) -> None:
    assert cls.nearest in ("TCP", "UDP", "HTTP")
    assert (cls.nearest == "UDP") == example(cls).datagram


def test_no_two_types_share_a_name_in_the_clouds() -> None:
    names = Counter([*TYPES, *(alias for cls in TYPES.values() for alias in cls.aliases)])
    assert max(names.values()) == 1


# The facts


@every_type
def test_the_facts_of_a_type_have_different_names(cls: type[Probe]) -> None:
    assert len({fact.name for fact in cls.facts}) == len(cls.facts)


@every_type
def test_a_type_that_speaks_tls_declares_what_the_engine_learns_of_it(cls: type[Probe]) -> None:
    if "tls" in options_of(cls):
        assert set(TLS_FACTS) <= set(cls.facts)


@every_fact
def test_facts_of_one_name_mean_the_same(fact: Fact) -> None:
    for other in ALL_FACTS:
        if other.name == fact.name:
            assert dataclasses.replace(other, gauge_if_absent=fact.gauge_if_absent) == fact
        elif fact.gauge and other.gauge:
            assert fact.gauge.name != other.gauge.name


@every_fact
def test_a_fact_is_named_and_documented(fact: Fact) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]*", fact.name)
    assert fact.doc
    assert not fact.doc.endswith(".")
    assert "|" not in fact.doc


def test_no_fact_has_the_name_of_what_every_result_has() -> None:
    result = RESULT.render(Outcome(Reason.OK, "", None, 1.0, 1.0))
    assert not result.keys() & declared_facts().keys()


@every_fact
def test_a_fact_is_said_as_the_api_gives_it(fact: Fact) -> None:
    if fact.said:
        assert fact.said.count("{") == 1
        assert fact.kind is not TIME
        assert fact.said.format("x" if fact.kind is TEXT else 0)


@every_fact
def test_what_is_remembered_has_few_values(fact: Fact) -> None:
    assert not fact.remembered or fact.kind in (TEXT, INTEGER)


@every_fact
def test_a_gauge_shows_a_number(fact: Fact) -> None:
    assert fact.gauge is None or fact.kind in (INTEGER, NUMBER, TIME)
    assert fact.gauge_if_absent is None or fact.gauge is not None
    assert fact.gauge is None or re.fullmatch(r"probe_[a-z0-9_]+", fact.gauge.name)


def test_every_metric_has_a_name_of_its_own() -> None:
    world = World()
    text = "".join(Metrics(world.store, world.vitals).pieces(as_openmetrics=False))
    names = Counter(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))
    assert max(names.values()) == 1
    assert {fact.gauge.name for fact in ALL_FACTS if fact.gauge} <= names.keys()


@every_type
def test_the_key_that_expects_a_fact_is_an_option(cls: type[Probe]) -> None:
    assert {fact.expected_by for fact in cls.facts} - {""} <= options_of(cls).keys()
