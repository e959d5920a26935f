"""What every probe type owes to those that know it only by its table entry."""

import dataclasses
import json
import pickle

import pytest

from prober.model.option import ReadContext, options_of, schema_of, section, show_options
from prober.model.probe import Probe, Steps, Target
from prober.model.status import Verdict
from prober.probes import PROBE_TYPES

OUTSIDE = ReadContext("/", str, {})
TARGET = Target("example.org", 8443)

every_type = pytest.mark.parametrize("cls", PROBE_TYPES.values(), ids=PROBE_TYPES)


def test_the_types_are_those_of_the_contract() -> None:
    assert list(PROBE_TYPES) == ["TCP", "UDP_CONNECT", "HTTP", "HTTPS", "TLS", "GRPC"]


@every_type
def test_a_type_is_a_documented_frozen_dataclass(cls: type[Probe]) -> None:
    assert cls.__doc__
    assert cls.__doc__.strip().endswith(".")
    assert cls.__dataclass_params__.frozen  # type: ignore[attr-defined]  # dataclasses have it
    assert cls() == cls()
    assert hash(cls()) == hash(cls())


@every_type
def test_every_field_is_an_option_with_a_default_and_a_description(cls: type[Probe]) -> None:
    options = options_of(cls)
    assert [field.name for field in dataclasses.fields(cls)] == list(options)  # type: ignore[arg-type]  # it is one
    for option in options.values():
        assert option.doc.strip()
        assert not option.is_required


@every_type
def test_each_start_is_a_probe_of_its_own(cls: type[Probe]) -> None:
    start = cls().bind(TARGET)
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
def test_the_defaults_are_shown_so_that_they_can_be_read_again(cls: type[Probe]) -> None:
    shown = json.loads(json.dumps(show_options(cls())))
    assert section(cls).read(shown, OUTSIDE) == cls()
    assert section(cls).read({}, OUTSIDE) == cls()


@every_type
def test_the_schema_is_json_and_names_every_option(cls: type[Probe]) -> None:
    schema = json.loads(json.dumps(schema_of(cls)))
    assert list(schema["properties"]) == list(options_of(cls))
    assert schema["required"] == []


@every_type
def test_a_probe_can_be_handed_from_one_process_to_another(cls: type[Probe]) -> None:
    assert pickle.loads(pickle.dumps(cls())) == cls()
