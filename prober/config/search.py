"""Where the configuration is looked for."""

from collections.abc import Callable, Mapping

PLACES = ("config/prober.yaml", "/etc/prober/prober.yaml")
"""The files that are tried, in this order, when none is named."""


def find_config(
    given: str | None, environment: Mapping[str, str], exists: Callable[[str], bool]
) -> str | None:
    """Return the file to read: the one given, `$PROBER_CONFIG`, or the first that exists."""
    named = given or environment.get("PROBER_CONFIG")
    return named or next(filter(exists, PLACES), None)
