"""The tables of keys in the documents: `python -m prober.config.reference docs/configuration.md`.

They stand between `<!-- keys: NAME -->` and `<!-- end -->` and say what the options declare.
"""

import json
import pathlib
import re
import sys
from collections.abc import Mapping
from dataclasses import Field, is_dataclass
from typing import Any

from prober.config.blackbox.modules import (
    Authorization,
    BasicAuth,
    GrpcModule,
    HeaderMatch,
    HttpModule,
    Module,
    QueryResponse,
    TcpModule,
    TlsConfig,
)
from prober.config.settings import PageSection, Server
from prober.config.targets import TargetGroup
from prober.model.auth_settings import Auth, HuaweiKey, OracleKey, Token
from prober.model.endpoint import Endpoint, HttpServer, RateLimit, TlsServer
from prober.model.kinds import in_units
from prober.model.monitor import Monitor, TargetList
from prober.model.option import is_required, options_of
from prober.model.pool import Backend, Pool
from prober.model.reach import TargetRules
from prober.model.tls_settings import TlsSettings
from prober.probes import PROBE_TYPES

_SECTIONS = {
    "server": Server,
    "api_targets": TargetRules,
    "auth": Auth,
    "token": Token,
    "oracle_key": OracleKey,
    "huawei_key": HuaweiKey,
    "web_config_file": Endpoint,
    "tls_server_config": TlsServer,
    "http_server_config": HttpServer,
    "rate_limit": RateLimit,
    "page": PageSection,
    "pool": Pool,
    "backend": Backend,
    "monitor": Monitor,
    "targets_from": TargetList,
    "target_group": TargetGroup,
    "tls": TlsSettings,
    "module": Module,
    "module http": HttpModule,
    "module tcp": TcpModule,
    "module grpc": GrpcModule,
    "module tls": TlsConfig,
    "module query_response": QueryResponse,
    "module header": HeaderMatch,
    "module basic_auth": BasicAuth,
    "module authorization": Authorization,
}
_IN_WORDS = {
    "boolean": "`true`, `false`",
    "integer": "number",
    "object": "mapping",
    "regex": "regular expression",
    "uuid": "UUID",
}
_TABLE = re.compile(r"(<!-- keys: ([\w ]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def with_tables(page: str) -> str:
    """Return a page with its tables brought up to date."""
    return _TABLE.sub(lambda found: f"{found[1]}{table(found[2])}{found[3]}", page)


def table(name: str) -> str:
    """Return the table of one section's keys; `probe` holds those of the probe types."""
    heads, rows = ["key", "values", "default", "meaning"], []
    if name == "probe":
        heads.insert(1, "types")
        for (key, _), types in _probe_keys().items():
            field = options_of(PROBE_TYPES[types[0]])[key]
            rows.append([f"`{key}`", ", ".join(types), *_row(field)])
    else:
        for key, field in options_of(_SECTIONS[name]).items():
            rows.append([f"`{key}`", *_row(field)])
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _probe_keys() -> dict[tuple[str, str], list[str]]:
    """Return the types that mean the same by a key, by the key and what it means."""
    types: dict[tuple[str, str], list[str]] = {}
    for name, probe in PROBE_TYPES.items():
        for key, field in options_of(probe).items():
            types.setdefault((key, field.metadata["doc"]), []).append(name)
    return types


def _row(field: Field[Any]) -> list[str]:
    kind = field.metadata["kind"]
    return [in_words(kind.schema), _default(field), field.metadata["doc"]]


def _default(field: Field[Any]) -> str:
    if is_required(field):
        return "required"
    if not field.default and field.default is not False:
        return ""  # nothing, or what the meaning says
    if isinstance(field.default, TlsSettings):
        return "`verify: false`"
    if is_dataclass(field.default):
        return ""
    shown = field.metadata["kind"].show(field.default)
    if not shown and isinstance(shown, dict):
        return ""
    is_duration = isinstance(shown, float)
    return f"`{in_units(shown) if is_duration else json.dumps(shown)}`"


def in_words(schema: Mapping[str, Any]) -> str:
    """Say in a few words what a JSON schema of ours accepts."""
    match schema:
        case {"enum": words}:
            return ", ".join(f"`{word}`" for word in words if isinstance(word, str))
        case {"not": _}:
            return "none"
        case {"oneOf": [{"type": "number", "minimum": low, "maximum": high}, _]}:
            return f"duration, {in_units(low)} to {in_units(high)}"
        case {"oneOf": choices}:
            return " or ".join(map(in_words, choices))
        case {"minimum": low, "maximum": high}:
            return f"{low} to {high}"
        case {"type": "array", "items": items}:
            return f"list of {in_words(items)}"
        case {"maxProperties": 1, "properties": properties}:
            return " or ".join(f"`{{{key}: …}}`" for key in properties)
    return _IN_WORDS.get(schema.get("format", schema.get("type")), "text")


if __name__ == "__main__":
    file = pathlib.Path(sys.argv[1])
    file.write_text(with_tables(file.read_text(encoding="utf-8")), encoding="utf-8")
