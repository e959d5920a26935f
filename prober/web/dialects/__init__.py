"""The cloud APIs: each module renders the one model in the form of one cloud."""

from prober.web.dialects import huawei_v3, octavia, openstack, oracle_lb, oracle_nlb
from prober.web.server.dialect import Dialect

DIALECTS: tuple[Dialect, ...] = (
    huawei_v3.DIALECT,
    octavia.DIALECT,
    openstack.DIALECT,
    oracle_lb.DIALECT,
    oracle_nlb.DIALECT,
)
"""All of them; no two have a path in common."""
