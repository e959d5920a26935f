"""The cloud APIs: each module renders the one model in the form of one cloud."""

from prober.web.dialect import Dialect

DIALECTS: tuple[Dialect, ...] = ()
"""All of them; no two have a path in common."""
