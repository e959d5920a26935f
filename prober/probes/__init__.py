"""The probe types, one file each: sans-IO generators that are also their own options."""

from collections.abc import Mapping

from prober.model.probe import Probe
from prober.probes.grpc import GrpcProbe
from prober.probes.http import HttpProbe, HttpsProbe
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
}
"""Every probe type by its name in the configuration."""
