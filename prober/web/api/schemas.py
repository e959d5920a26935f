"""The JSON schemas of the native API's answers, by name."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from prober.model.admin import AdminState
from prober.model.notice import NOTICE as NOTICE_OF_CONFIGURATION
from prober.model.status import Status
from prober.web.api import check_shapes as checks
from prober.web.api import cluster_shapes as clusters
from prober.web.api import event_shapes as events
from prober.web.api import pool_shapes as pools
from prober.web.api.admin_shapes import ADMIN, ADMIN_ENTRIES, ADMIN_ENTRY
from prober.web.api.notice_shapes import NOTICE, NOTICES
from prober.web.api.service_discovery import TARGET_GROUP
from prober.web.api.shape import COUNT, TEXT, Shape, keyed, listed, one_word_of
from prober.web.server.json_answer import Json

_SHAPES: tuple[Shape[Any], ...] = (
    *(clusters.CLUSTER, clusters.MEMBER, checks.VOTE),
    *(checks.RESULT, checks.CHECK, checks.CHECK_IN_FULL, checks.CHECKS),
    *(checks.UPTIME, checks.HISTORY, checks.SLOT),
    *(events.EVENT, events.EVENTS, events.EDIT, events.EDITS),
    *(ADMIN, ADMIN_ENTRY, ADMIN_ENTRIES),
    *(NOTICE, NOTICES),
    *(pools.MONITORS, pools.BACKEND, pools.POOL, pools.POOLS),
    *(pools.GATE, pools.BACKEND_GATE, pools.CHECK_GATE, pools.OVERVIEW, pools.RELOADED),
)
_NO_MORE: Mapping[str, Any] = MappingProxyType({})
_PATH = "`path` is the key that the problem is about, such as `targets[0].port`"


def schemas() -> dict[str, Mapping[str, Any]]:
    """Return the schemas of all answers except monitors."""
    problem = keyed(("path", "message"), TEXT)
    return {
        "Status": one_word_of(Status).schema,
        "Counts": keyed(Status, COUNT).schema,
        **{shape.name: shape.schema() for shape in _SHAPES},
        "TargetGroups": listed(TARGET_GROUP.type).schema,
        "Error": _error(),
        "Problems": {"description": _PATH, **_error({"problems": listed(problem).schema})},
        "ReloadFailed": _error({"problems": listed(TEXT).schema}, required=("problems",)),
        "OpenApi": {"type": "object"},
        "AdminDefinition": {
            "type": "object",
            "description": "a state, its end, the reason and who sets it",
            "properties": {
                "state": one_word_of(AdminState).schema,
                "until": {"description": "a time in RFC 3339, or a duration such as `2h`"},
                "reason": TEXT.schema,
                "by": TEXT.schema,
            },
            "required": ["state", "until"],
            "additionalProperties": False,
        },
        "AdminForm": {
            "type": "object",
            "description": "`of` is `*` for the whole pool; the state `end` ends one",
            "properties": {
                "of": TEXT.schema,
                "state": one_word_of((*AdminState, "end")).schema,
                "until": TEXT.schema,
                "reason": TEXT.schema,
            },
            "required": ["of", "state"],
            "additionalProperties": False,
        },
        "NoticeDefinition": NOTICE_OF_CONFIGURATION.schema,
        "PastQuestion": {
            "type": "object",
            "description": "pairs of monitor and backend; start, end and step of slots in seconds",
            "properties": {
                "checks": {"type": "array", "items": _several(2, TEXT.schema)},
                "slots": _several(3, COUNT.schema),
            },
            "required": ["checks"],
            "additionalProperties": False,
        },
        "Pasts": {
            "type": "object",
            "description": "in a form that only members of one version agree on",
            "properties": {"pasts": {"type": "array", "items": {"type": ["object", "null"]}}},
            "required": ["pasts"],
            "additionalProperties": False,
        },
        "DiscoveryRequest": _envoy("DiscoveryRequest"),
        "DiscoveryResponse": _envoy("DiscoveryResponse"),
    }


def _several(count: int, items: Mapping[str, Any]) -> Json:
    return {"type": "array", "items": items, "minItems": count, "maxItems": count}


def _error(more: Mapping[str, Any] = _NO_MORE, required: Sequence[str] = ()) -> Json:
    """Return the schema of an answer from `error_response`."""
    schema = keyed(("code", "message"), TEXT).schema
    return {
        **schema,
        "properties": {**schema["properties"], **more},
        "required": [*schema["required"], *required],
    }


def _envoy(message: str) -> Json:
    return {
        "type": "object",
        "description": f"envoy.service.discovery.v3.{message} in JSON",
    }
