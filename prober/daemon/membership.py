"""What a configuration says about this prober as a member of a cluster."""

import socket
import ssl
from collections.abc import Sequence
from hashlib import blake2b
from ipaddress import ip_address

from prober.cluster.duties import Outline
from prober.cluster.etcd_gateway import EtcdGateway
from prober.config.cluster_section import ClusterSection, EtcdTls
from prober.config.configuration import Config
from prober.model.monitor import Model
from prober.model.probe import Target
from prober.state.check_state import Key


def member_name(section: ClusterSection) -> str:
    """Return the name of this member: the configured one, or that of the host."""
    return section.member or socket.gethostname()


def member_url(config: Config, bound: Sequence[Target]) -> str:
    """Return where others reach the API of this member.

    The configured URL, or the first address that is neither loopback nor unspecified. If all are
    unspecified, the host's name is as good as any; a loopback address serves members on one host.
    """
    section, scheme = config.cluster, "https" if config.endpoint.tls_server_config else "http"
    if section is not None and section.url:
        return section.url
    addresses = list(bound) or list(config.server.listen)
    for target in addresses:
        if not _is(target.host, "is_loopback") and not _is(target.host, "is_unspecified"):
            return f"{scheme}://{target}"
    for target in addresses:
        if _is(target.host, "is_unspecified"):
            return f"{scheme}://{Target(socket.gethostname(), target.port)}"
    return f"{scheme}://{addresses[0]}" if addresses else ""


def _is(host: str, what: str) -> bool:
    try:
        return bool(getattr(ip_address(host), what))
    except ValueError:
        return host == "localhost" and what == "is_loopback"


def outlines_of(config: Config, section: ClusterSection) -> dict[Key, Outline]:
    """Return what the cluster shares of a configuration: its enabled checks."""
    return {
        check.key: Outline(
            check.spread,
            check.monitor.vantages or section.vantages,
            max(check.monitor.interval, check.monitor.down_interval),
        )
        for check in config.model.checks()
        if check.enabled
    }


def shared_hash(model: Model) -> str:
    """Return the hash of what members should have in common: monitors and pools.

    The digest of the file would differ for the name of the member alone.
    """
    text = repr((model.monitors, model.pools)).encode(errors="surrogatepass")
    return blake2b(text, digest_size=8).hexdigest()


def etcd_of(section: ClusterSection) -> EtcdGateway:
    """Return the client of the etcd of a cluster."""
    etcd = section.etcd
    password, tls = etcd.password, etcd.tls
    return EtcdGateway(
        etcd.endpoints,
        username=etcd.username,
        password=(lambda: password.content) if password else str,
        tls=(lambda: _context(tls)) if tls else None,
    )


def _context(tls: EtcdTls) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=tls.ca_file)
    if tls.cert_file:
        context.load_cert_chain(tls.cert_file, tls.key_file)
    return context
