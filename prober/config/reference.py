"""Tables of keys for the documentation: `python -m prober.config.reference docs/configuration.md`.

They replace what is between `<!-- keys: NAME -->` and `<!-- end -->`, and follow from the options.
"""

import json
import pathlib
import re
import sys
from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any

from prober.config.blackbox.modules import (
    Authorization,
    BasicAuth,
    DnsModule,
    ExpectLabel,
    GrpcModule,
    HeaderMatch,
    HttpModule,
    IcmpModule,
    Module,
    QueryResponse,
    RecordRules,
    TcpModule,
    TlsConfig,
)
from prober.config.cluster_section import ClusterSection, EtcdSection, EtcdTls
from prober.config.settings import HealthSection, PageSection, Server
from prober.config.targets import TargetGroup
from prober.config.type_tables import TYPE_TABLES, Table
from prober.model.auth_settings import Auth, HuaweiKey, OracleKey, Token
from prober.model.endpoint import Endpoint, HttpServer, RateLimit, TlsServer
from prober.model.kinds import in_units
from prober.model.maintenance import MaintenanceWindow
from prober.model.monitor import Monitor, TargetList
from prober.model.option import FIRST_VERSION, Option, options_of
from prober.model.pool import Backend, Pool
from prober.model.reach import TargetRules
from prober.model.tls_settings import TlsSettings
from prober.outputs.kubernetes import ApiServer
from prober.outputs.output import Output
from prober.outputs.output_types import OUTPUT_TYPES
from prober.probes import PROBE_TYPES
from prober.probes.dns import AnswerPatterns

SECTIONS = {
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
    "health": HealthSection,
    "cluster": ClusterSection,
    "etcd": EtcdSection,
    "etcd_tls": EtcdTls,
    "pool": Pool,
    "backend": Backend,
    "monitor": Monitor,
    "targets_from": TargetList,
    "target_group": TargetGroup,
    "tls": TlsSettings,
    "expect_answers": AnswerPatterns,
    "maintenance": MaintenanceWindow,
    "output": Output,
    "output kubernetes api": ApiServer,
    **{f"output {name}": cls for name, cls in OUTPUT_TYPES.items()},
    "module": Module,
    "module http": HttpModule,
    "module tcp": TcpModule,
    "module grpc": GrpcModule,
    "module dns": DnsModule,
    "module icmp": IcmpModule,
    "module records": RecordRules,
    "module tls": TlsConfig,
    "module query_response": QueryResponse,
    "module label": ExpectLabel,
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
    """Return a page with updated tables."""
    return _TABLE.sub(lambda found: f"{found[1]}{table(found[2])}{found[3]}", page)


def table(name: str) -> str:
    """Return the table of one section's keys, or one of TYPE_TABLES.

    `probe` has the keys of the probe types.
    """
    if name in TYPE_TABLES:
        return _written(TYPE_TABLES[name]())
    heads, rows = ["key", "values", "default", "meaning"], []
    if name == "probe":
        heads.insert(1, "types")
        for (key, _), types in _probe_keys().items():
            option = options_of(PROBE_TYPES[types[0]])[key]
            rows.append([f"`{key}`", ", ".join(types), *_row(option)])
    else:
        options = options_of(SECTIONS[name])
        rows = [[f"`{key}`", *_row(option)] for key, option in options.items()]
        if not all(option.live for option in options.values()):
            heads.append("takes effect")
            for row, option in zip(rows, options.values(), strict=True):
                row.append("on reload" if option.live else "on restart")
    return _written([heads, *rows])


def _written(table: Table) -> str:
    heads, *rows = table
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _probe_keys() -> dict[tuple[str, str], list[str]]:
    """Return the probe types that share each key and its meaning."""
    types: dict[tuple[str, str], list[str]] = {}
    for name, probe in PROBE_TYPES.items():
        for key, option in options_of(probe).items():
            types.setdefault((key, option.doc), []).append(name)
    return types


def _row(option: Option) -> list[str]:
    return [_values(option), _default(option), _meaning(option)]


def _values(option: Option) -> str:
    words = in_words(option.kind.schema)
    return words if option.unit in ("", option.kind.unit) else f"{words} {option.unit}"


def _meaning(option: Option) -> str:
    words = [option.doc]
    if callable(option.secret):
        words.append("never shown if the name suggests a secret, such as `Authorization`")
    elif option.secret:
        words.append("never shown")
    if option.since != FIRST_VERSION:
        words.append(f"since {option.since}")
    return "; ".join(words)


def _default(option: Option) -> str:
    default: Any = option.default
    if option.is_required:
        return "required"
    if not default and default is not False:
        return ""  # none, or given in the meaning
    if isinstance(default, TlsSettings):
        return "`verify: false`"
    if is_dataclass(default):
        return ""
    shown = option.show(default)
    if not shown and isinstance(shown, dict):
        return ""
    if isinstance(shown, float) and "oneOf" in option.kind.schema:
        return f"`{in_units(shown)}`"  # a duration
    return f"`{json.dumps(shown)}`"


def in_words(schema: Mapping[str, Any]) -> str:
    """Describe in a few words what one of our JSON schemas accepts."""
    match schema:
        case {"oneOf": [{"const": _}, *_] as words}:
            return ", ".join(f"`{word['const']}`" for word in words)
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
