"""The probe types, one file each: sans-IO generators whose fields are their options."""

from collections.abc import Iterator, Mapping, MutableMapping
from functools import cache
from importlib import import_module

from prober.model.fact import Fact
from prober.model.probe import Probe


class _ProbeTypes(MutableMapping[str, type[Probe]]):
    """A table whose rows say where each class is; its module is imported when it is looked up."""

    def __init__(self, rows: Mapping[str, tuple[str, str]]) -> None:
        self._rows: dict[str, tuple[str, str] | type[Probe]] = {**rows}

    def __getitem__(self, name: str) -> type[Probe]:
        row = self._rows[name]
        if isinstance(row, tuple):
            module, cls = row
            row = self._rows[name] = getattr(import_module(f"{__name__}.{module}"), cls)
        return row

    def __setitem__(self, name: str, cls: type[Probe]) -> None:
        self._rows[name] = cls

    def __delitem__(self, name: str) -> None:
        del self._rows[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


PROBE_TYPES: Mapping[str, type[Probe]] = _ProbeTypes(
    {
        "TCP": ("tcp", "TcpProbe"),
        "UDP_CONNECT": ("udp", "UdpProbe"),
        "HTTP": ("http", "HttpProbe"),
        "HTTPS": ("http", "HttpsProbe"),
        "TLS": ("tls", "TlsProbe"),
        "GRPC": ("grpc", "GrpcProbe"),
        "HTTP2_PING": ("http2_ping", "Http2PingProbe"),
        "DNS": ("dns", "DnsProbe"),
        "ICMP": ("icmp", "IcmpProbe"),
    }
)
"""All probe types, by name in the configuration: the module and the class of each."""


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
