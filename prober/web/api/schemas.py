"""The JSON schemas of what the native API answers."""

from collections.abc import Mapping

from prober.model.definition import MONITOR, POOL
from prober.model.status import PHASES, Reason, Result, Status
from prober.state.archive import WINDOWS
from prober.state.events import EVENT_KINDS
from prober.state.slots import WIDTH
from prober.web.server.json_answer import Json

_TEXT: Json = {"type": "string"}
_TEXT_OR_NULL: Json = {"type": ["string", "null"]}
_COUNT: Json = {"type": "integer", "minimum": 0}
_SECONDS: Json = {"type": "number", "minimum": 0}
_TIME: Json = {"type": "string", "format": "date-time"}
_TIME_OR_NULL: Json = {"type": ["string", "null"], "format": "date-time"}
_LABELS: Json = {"type": "object", "additionalProperties": _TEXT}
_BACKEND: Json = {**_TEXT, "description": "`address:port`, an IPv6 address in brackets"}
_MARKER: Json = {**_TEXT_OR_NULL, "description": "`marker` of the next page; null on the last"}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _list(items: Json) -> Json:
    return {"type": "array", "items": items}


def _object(
    members: Mapping[str, Json], optional: Mapping[str, Json] | None = None, doc: str = ""
) -> Json:
    """Return the schema of an object that has these members, perhaps some others, and no more."""
    return {
        "type": "object",
        **({"description": doc} if doc else {}),
        "properties": {**members, **(optional or {})},
        "required": list(members),
        "additionalProperties": False,
    }


ORIGIN: Mapping[str, Json] = {
    "origin": {"enum": ["file", "api"], "description": "where it was defined first"},
    "edited": {"type": "boolean", "description": "whether it is other than the file has it"},
}
"""What is told of a monitor or a pool beside its definition."""

_CHECK: Mapping[str, Json] = {
    "monitor": _TEXT,
    "pool": _TEXT,
    "load_balancer": _TEXT,
    "backend": _BACKEND,
    "type": _TEXT,
    "status": _ref("Status"),
    "online": {
        "type": ["boolean", "null"],
        "description": "what rise and fall have decided; null while undecided or disabled",
    },
    "streak": {
        "type": "integer",
        "description": "equal results in a row: positive for good ones, negative for bad ones",
    },
    "rise": _COUNT,
    "fall": _COUNT,
    "since": {**_TIME, "description": "when the status last changed"},
    "next_probe_at": {
        **_TIME_OR_NULL,
        "description": "null for a disabled check",
    },
    "labels": _LABELS,
    "last": {"oneOf": [_ref("Result"), {"type": "null"}]},
}

SCHEMAS: Mapping[str, Json] = {
    "Status": {"enum": [str(status) for status in Status]},
    "Counts": _object({str(status): _COUNT for status in Status}),
    "Error": _object({"code": _TEXT, "message": _TEXT}),
    "Problems": _object(
        {"code": _TEXT, "message": _TEXT},
        {"problems": _list(_object({"path": _TEXT, "message": _TEXT}))},
        doc="`path` is the key that a problem is about, such as `targets[0].port`",
    ),
    "Result": _object(
        {
            "result": {"enum": [str(result) for result in Result]},
            "reason": {"enum": [str(reason) for reason in Reason]},
        },
        {
            "detail": _TEXT,
            "at": {**_TIME, "description": "when the probe began"},
            "duration_seconds": _SECONDS,
            "phases": _object({}, dict.fromkeys(PHASES, _SECONDS)),
            "source_ip": _TEXT_OR_NULL,
            "attempts_skipped": _COUNT,
        },
        "what one probe found; of a disabled check only `result` and `reason` are given",
    ),
    "Check": _object(_CHECK),
    "CheckInFull": _object(
        {
            **_CHECK,
            "recent": {**_list(_ref("Result")), "description": "newest first, in short"},
            "explain": {**_TEXT, "description": "what would change the status"},
            "uptime": {
                "oneOf": [_object(dict.fromkeys(WINDOWS, _ref("Uptime"))), {"type": "null"}],
                "description": "null if no state is kept",
            },
        }
    ),
    "Uptime": _object(
        {
            "uptime": {
                "type": ["number", "null"],
                "minimum": 0,
                "maximum": 1,
                "description": "the part of the known time in OK or WARNING; null if there is none",
            },
            "known_seconds": {**_SECONDS, "description": "time in OK, WARNING or CRITICAL"},
        }
    ),
    "History": _object(
        {
            "from": _TIME,
            "to": _TIME,
            "step": {"type": "integer", "minimum": WIDTH, "description": "seconds"},
            "slots": _list(_ref("Slot")),
        }
    ),
    "Slot": _object(
        {
            "start": _TIME,
            "seconds": {**_SECONDS, "description": "its length; the last may not have ended"},
            "probes": _COUNT,
            "good": _COUNT,
            "bad": _COUNT,
            "inconclusive": _COUNT,
            "latency": {
                "oneOf": [
                    _object(
                        dict.fromkeys(("min", "mean", "max", "p50", "p95", "p99"), _SECONDS),
                        doc="of the good probes; the quantiles are estimates out of buckets",
                    ),
                    {"type": "null"},
                ]
            },
            "status_seconds": _object({str(status): _SECONDS for status in Status}),
            "not_running_seconds": {
                **_SECONDS,
                "description": "time in which nobody kept the history of this check",
            },
        }
    ),
    "Checks": _object({"checks": _list(_ref("Check")), "next_marker": _MARKER}),
    "Event": _object(
        {
            "id": _COUNT,
            "at": _TIME,
            "kind": {"enum": list(EVENT_KINDS)},
            "monitor": _TEXT_OR_NULL,
            "pool": _TEXT_OR_NULL,
            "backend": {**_BACKEND, "type": ["string", "null"]},
            "from": {"oneOf": [_ref("Status"), {"type": "null"}]},
            "to": {"oneOf": [_ref("Status"), {"type": "null"}]},
            "result": {"enum": [*(str(result) for result in Result), None]},
            "reason": {"enum": [*(str(reason) for reason in Reason), None]},
            "cause": _TEXT,
        },
        doc="a change of a check's status, or something else that happened",
    ),
    "Events": _object({"events": _list(_ref("Event")), "next_marker": _MARKER}),
    "Edits": _object({"edits": _list(_ref("Edit"))}),
    "Edit": _object(
        {
            "kind": {"enum": [MONITOR, POOL]},
            "id": {**_TEXT, "format": "uuid"},
            "name": _TEXT,
            "action": {"enum": ["created", "changed", "deleted"]},
            "content": {
                "type": ["object", "null"],
                "description": "the definition, or the keys that differ from the file's; null for "
                "what was deleted",
            },
            "base": {
                **_TEXT_OR_NULL,
                "description": "a digest of the definition in the file; null if there is none",
            },
            "at": _TIME,
            "idle": {**_TEXT_OR_NULL, "description": "why it is not in force, if it is not"},
        }
    ),
    "Monitors": _object({"monitors": _list(_ref("Monitor"))}),
    "Backend": _object(
        {
            "backend": _BACKEND,
            "name": _TEXT_OR_NULL,
            "status": _ref("Status"),
            "checks": _list(_object({"monitor": _TEXT, "type": _TEXT, "status": _ref("Status")})),
        }
    ),
    "Pool": _object(
        {
            "name": _TEXT,
            "id": {**_TEXT, "format": "uuid"},
            "load_balancer": _TEXT,
            "project_id": _TEXT,
            **ORIGIN,
            "status": _ref("Status"),
            "counts": _ref("Counts"),
            "backends": _list(_ref("Backend")),
        },
        doc="`counts` are of its enabled checks",
    ),
    "Pools": _object({"pools": _list(_ref("Pool"))}),
    "Overview": _object(
        {
            "status": _ref("Status"),
            "counts": _ref("Counts"),
            "prober": _object(
                {
                    "name": _TEXT,
                    "version": _TEXT,
                    "started_at": _TIME,
                    "config_hash": _TEXT,
                    "checks": _COUNT,
                    "probes_in_flight": _COUNT,
                    "loop_lag_seconds": _SECONDS,
                    "overloaded": {"type": "boolean"},
                    "overload": {
                        **_TEXT_OR_NULL,
                        "description": "how far the schedule is not kept, and why",
                    },
                }
            ),
            "load_balancers": _list(_object({"name": _TEXT, "status": _ref("Status")})),
            "pools": _list(
                _object(
                    {
                        "name": _TEXT,
                        "load_balancer": _TEXT,
                        "status": _ref("Status"),
                        "counts": _ref("Counts"),
                    }
                )
            ),
        },
        doc="`status` is the worst of the load balancers'; `counts` are of the enabled checks",
    ),
    "Gate": _object(
        {
            "pool": _TEXT,
            "status": _ref("Status"),
            "healthy": _COUNT,
            "backends": _COUNT,
            "min_healthy": _COUNT,
        }
    ),
    "BackendGate": _object(
        {
            "pool": _TEXT,
            "backend": _BACKEND,
            "status": _ref("Status"),
            "in_service": {"type": "boolean"},
            "held": {"type": "boolean"},
        },
        doc="`held`: the status is UNKNOWN, and the last known one holds",
    ),
    "CheckGate": _object(
        {
            "monitor": _TEXT,
            "backend": _BACKEND,
            "status": _ref("Status"),
            "in_service": {"type": "boolean"},
            "held": {"type": "boolean"},
        },
        doc="`held`: the status is UNKNOWN, and the last known one holds",
    ),
    "DiscoveryRequest": {
        "type": "object",
        "description": "envoy.service.discovery.v3.DiscoveryRequest in JSON",
    },
    "DiscoveryResponse": {
        "type": "object",
        "description": "envoy.service.discovery.v3.DiscoveryResponse in JSON",
    },
    "Reloaded": _object({"config_hash": _TEXT}),
    "TargetGroups": _list(_object({"targets": _list(_BACKEND), "labels": _LABELS})),
    "ReloadFailed": _object({"code": _TEXT, "message": _TEXT, "problems": _list(_TEXT)}),
    "OpenApi": {"type": "object"},
}
