"""What validates a configuration by its schema; made once, since checking the schema takes long."""

from functools import cache

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it ships no types

from prober.config.schema import json_schema, monitor_schema


@cache
def judge_of_all() -> Draft202012Validator:
    """Return what validates a whole configuration."""
    schema = json_schema()
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@cache
def judge_of_monitors(type_name: str) -> Draft202012Validator:
    """Return what validates monitors of a type."""
    return Draft202012Validator(monitor_schema(type_name))
