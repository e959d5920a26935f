"""The JSON schema of the configuration file, for editors and the OpenAPI description."""

from collections.abc import Mapping

from prober.config.cluster_section import ClusterSection
from prober.config.monitors import NO_DEFAULT, WHERE, types_by_key
from prober.config.output_section import output_schema
from prober.config.settings import HealthSection, PageSection, Server
from prober.model.maintenance import MaintenanceWindow
from prober.model.monitor import Monitor
from prober.model.option import schema_of
from prober.model.pool import Pool
from prober.model.probe import Probe
from prober.outputs.output_types import OUTPUT_TYPES
from prober.probes import PROBE_TYPES

Schema = Mapping[str, object]


def json_schema() -> Schema:
    """Return the schema of a whole configuration file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "prober configuration",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "server": schema_of(Server),
            "page": schema_of(PageSection),
            "health": schema_of(HealthSection),
            "cluster": schema_of(ClusterSection),
            "defaults": _defaults_schema(),
            "pools": {"type": "array", "items": schema_of(Pool)},
            "monitors": {
                "type": "array",
                "items": {"anyOf": list(map(monitor_schema, PROBE_TYPES))},
            },
            "maintenance": {"type": "array", "items": schema_of(MaintenanceWindow)},
            "outputs": {
                "type": "array",
                "items": {"anyOf": list(map(output_schema, OUTPUT_TYPES))},
            },
            "include": {"type": "array", "items": {"type": "string"}},
        },
    }


def monitor_schema(type_name: str) -> Schema:
    """Return the schema of a monitor of one probe type."""
    cls = PROBE_TYPES[type_name]
    return {
        **schema_of(Monitor),
        "title": f"{type_name} monitor",
        "description": f"Good when {cls.good_when.replace('`', '')}.",
        "examples": [_example(type_name, cls)],
        "properties": {
            **_properties(Monitor),
            **_properties(cls),
            "type": {"const": type_name},
        },
        "oneOf": [{"required": [key]} for key in WHERE],
    }


def _example(type_name: str, cls: type[Probe]) -> Mapping[str, object]:
    target = f"10.0.0.3:{cls.default_port or 9000}"
    return {"name": "example", "type": type_name, "targets": [target], **cls.example}


def _defaults_schema() -> Schema:
    common = {key: each for key, each in _properties(Monitor).items() if key not in NO_DEFAULT}
    own: dict[str, object] = {}
    for key, types in types_by_key().items():
        choices: list[object] = []
        for each in (_properties(PROBE_TYPES[name])[key] for name in types):
            if each not in choices:
                choices.append(each)
        own[key] = choices[0] if len(choices) == 1 else {"anyOf": choices}
    return {"type": "object", "additionalProperties": False, "properties": {**common, **own}}


def _properties(cls: type) -> dict[str, object]:
    properties = schema_of(cls)["properties"]
    assert isinstance(properties, dict)  # noqa: S101  (for the type checker)
    return properties
