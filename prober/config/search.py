"""Finds the configuration file."""

from collections.abc import Callable, Mapping

PLACES = ("prober.yaml", "config/prober.yaml", "/etc/prober/prober.yaml")
"""The files to try, in this order, if none is given."""


def find_config(
    given: str | None, environment: Mapping[str, str], exists: Callable[[str], bool]
) -> str | None:
    """Return the file to read: the one given, `$PROBER_CONFIG`, or the first that exists."""
    named = given or environment.get("PROBER_CONFIG")
    return named or next(filter(exists, PLACES), None)
