"""A monitor's definition as JSON, to show or to compare it."""

from typing import Any

from prober.model.definition import Origin
from prober.model.monitor import Monitor
from prober.model.option import show_options

ORIGIN_KEYS = ("origin", "edited")
"""Keys that are shown in addition to the definition of a monitor or pool: where it comes from."""


def monitor_json(monitor: Monitor) -> dict[str, Any]:
    """Return a monitor's effective configuration, with secrets masked."""
    return {**show_options(monitor), **show_options(monitor.probe), **origin_json(monitor.origin)}


def origin_json(origin: Origin) -> dict[str, Any]:
    """Return the values of ORIGIN_KEYS."""
    source = Origin.API if origin is Origin.API else Origin.FILE
    return dict(zip(ORIGIN_KEYS, (source, origin is Origin.EDITED), strict=True))
