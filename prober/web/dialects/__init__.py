"""The cloud APIs: each module renders the one model in the form of one cloud."""

from prober.web.dialect import Dialect
from prober.web.dialects import oracle_lb, oracle_nlb

DIALECTS: tuple[Dialect, ...] = (oracle_lb.DIALECT, oracle_nlb.DIALECT)
"""All of them; no two have a path in common."""
