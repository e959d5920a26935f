"""The `outputs` section: the receivers of statuses."""

from collections.abc import Mapping

from prober.model.kinds import choice
from prober.model.option import (
    Complaint,
    ReadContext,
    Rejected,
    build,
    mapping,
    options_of,
    read_options,
    schema_of,
    unknown_keys,
)
from prober.outputs.output import Output
from prober.outputs.output_types import OUTPUT_TYPES

ONCE = ("envoy_eds",)
"""Types of which at most one output may exist."""


def read_output(value: object, outside: ReadContext) -> Output:
    """Read one output, or raise `Rejected`."""
    given = mapping(value)
    own, complaints = read_options(Output, given, outside)
    complaints = [each for each in complaints if each.path != ("type",)]
    name = _type_of(given, outside, complaints)
    if name is None:
        raise Rejected(*complaints)
    cls = OUTPUT_TYPES[name]
    of_type, wrong = read_options(cls, given, outside)
    known = (*options_of(Output), *options_of(cls))
    complaints += wrong + unknown_keys(given, known)
    settings = build(cls, of_type, []) if not wrong else None
    return build(Output, {**own, "type": name, "settings": settings}, complaints)


def _type_of(
    given: Mapping[str, object], outside: ReadContext, complaints: list[Complaint]
) -> str | None:
    if "type" not in given:
        return None  # which is complained of already
    try:
        return choice(*OUTPUT_TYPES).read(given["type"], outside)
    except Rejected as rejected:
        complaints += [Complaint(("type",), each.message) for each in rejected.complaints]
        return None


def repeated(outputs: list[tuple[int, Output]]) -> list[Complaint]:
    """Return what is wrong with outputs beside each other; each with its place in the list."""
    names: dict[str, int] = {}
    types: dict[str, int] = {}
    complaints = []
    for i, output in outputs:
        if (first := names.setdefault(output.name, i)) != i:
            message = f"duplicate {output.name!r}; first defined at outputs[{first}]"
            complaints.append(Complaint((i, "name"), message))
        if output.type in ONCE and (first := types.setdefault(output.type, i)) != i:
            message = f"only one output of type {output.type}; first defined at outputs[{first}]"
            complaints.append(Complaint((i, "type"), message))
    return complaints


def output_schema(type_name: str) -> dict[str, object]:
    """Return the schema of an output of one type."""
    common, own = schema_of(Output), schema_of(OUTPUT_TYPES[type_name])
    return {
        **common,
        "title": f"{type_name} output",
        "properties": {**_dict(common["properties"]), **_dict(own["properties"])}
        | {"type": {"const": type_name}},
        "required": [*_list(common["required"]), *_list(own["required"])],
    }


def _dict(value: object) -> dict[str, object]:
    assert isinstance(value, dict)  # noqa: S101  (for the type checker: schema_of says so)
    return value


def _list(value: object) -> list[object]:
    assert isinstance(value, list)  # noqa: S101  (the same)
    return value
