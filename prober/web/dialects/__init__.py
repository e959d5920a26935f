"""The cloud APIs: each module renders the one model in the form of one cloud."""

from prober.web.dialects.huawei import huawei_v3
from prober.web.dialects.openstack import discovery_and_tokens, octavia
from prober.web.dialects.oracle import load_balancer, network_load_balancer
from prober.web.server.dialect import Dialect

DIALECTS: tuple[Dialect, ...] = (
    huawei_v3.DIALECT,
    octavia.DIALECT,
    discovery_and_tokens.DIALECT,
    load_balancer.DIALECT,
    network_load_balancer.DIALECT,
)
"""All dialects; no two of them share a path."""
