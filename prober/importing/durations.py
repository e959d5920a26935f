"""Durations as Go and Prometheus write them, such as `1m30s`."""

import re

from prober.model.kinds import in_units

_UNIT = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_UNIT |= {"d": 86400.0, "w": 604800.0, "y": 31536000.0}
_PART = re.compile(r"([0-9.]+)(ns|us|µs|ms|s|m|h|d|w|y)")


def seconds(given: object) -> float | None:
    """Return a duration in seconds, also for a bare number; None if it is not a duration."""
    if isinstance(given, int | float) and not isinstance(given, bool):
        return float(given)
    text = str(given or "").strip()
    if text.replace(".", "", 1).isdecimal():
        return float(text)
    parts = _PART.findall(text)
    if not parts or "".join(map("".join, parts)) != text:
        return None
    return sum(float(number) * _UNIT[unit] for number, unit in parts)


def shown(given: object) -> str | None:
    """Return a duration as the configuration writes it."""
    found = seconds(given)
    return None if found is None else in_units(round(found, 3))
