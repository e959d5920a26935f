"""The probe types, one file each: sans-IO generators whose fields are their options."""

from collections.abc import Mapping
from functools import cache

from prober.model.fact import Fact
from prober.model.probe import Probe
from prober.probes.dns import DnsProbe
from prober.probes.grpc import GrpcProbe
from prober.probes.http import HttpProbe, HttpsProbe
from prober.probes.http2_ping import Http2PingProbe
from prober.probes.icmp import IcmpProbe
from prober.probes.tcp import TcpProbe
from prober.probes.tls import TlsProbe
from prober.probes.udp import UdpProbe

PROBE_TYPES: Mapping[str, type[Probe]] = {
    "TCP": TcpProbe,
    "UDP_CONNECT": UdpProbe,
    "HTTP": HttpProbe,
    "HTTPS": HttpsProbe,
    "TLS": TlsProbe,
    "GRPC": GrpcProbe,
    "HTTP2_PING": Http2PingProbe,
    "DNS": DnsProbe,
    "ICMP": IcmpProbe,
}
"""All probe types, by name in the configuration."""


def declared_facts() -> Mapping[str, Fact]:
    """Return every fact that a probe type declares, by name."""
    return _facts_of(tuple(PROBE_TYPES.values()))


@cache
def _facts_of(types: tuple[type[Probe], ...]) -> Mapping[str, Fact]:
    found: dict[str, Fact] = {}
    for cls in types:
        for fact in cls.facts:
            found.setdefault(fact.name, fact)
    return found
