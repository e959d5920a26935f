"""What a host lacks for prober, and what to do about it."""

from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from prober.cli.host import Host

_FEW_DESCRIPTORS = 4096
_FEW_PORTS = 10_000


class Grade(StrEnum):
    """How a finding is meant: in order, usable without limits, or not usable."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


class Finding(NamedTuple):
    """One thing that was looked at; `remedy` is empty where nothing is lacking."""

    grade: Grade
    subject: str
    text: str
    remedy: str = ""


def examine(host: Host, address: str) -> Iterator[Finding]:
    """Judge a host; `address` is where the API would listen."""
    yield Finding(Grade.OK, "python", host.python)
    yield _descriptors(host)
    yield _local_ports(host)
    yield _trust_store(host)
    yield _clock(host)
    yield _resolver(host)
    yield from _rights(host)
    yield _ipv6(host)
    yield _listener(host, address)
    yield from _extras(host)


def _descriptors(host: Host) -> Finding:
    text = f"{host.descriptors:,} open files; each probe in flight takes one"
    if host.descriptors >= _FEW_DESCRIPTORS:
        return Finding(Grade.OK, "descriptors", text)
    remedy = f"raise the hard limit to {_FEW_DESCRIPTORS:,} or more: LimitNOFILE= or ulimit -Hn"
    return Finding(Grade.WARNING, "descriptors", text, remedy)


def _local_ports(host: Host) -> Finding:
    text = f"{host.local_ports:,} ports for connections that probes open"
    if host.local_ports >= _FEW_PORTS:
        return Finding(Grade.OK, "local ports", text)
    remedy = "widen net.ipv4.ip_local_port_range if there are thousands of checks of one target"
    return Finding(Grade.WARNING, "local ports", text, remedy)


def _trust_store(host: Host) -> Finding:
    if host.trust_store:
        return Finding(Grade.OK, "trust store", "root certificates are installed")
    text = "no root certificates: checks that verify by them are UNKNOWN (no_trust_store)"
    return Finding(Grade.PROBLEM, "trust store", text, "install ca-certificates, or set ca_file")


def _clock(host: Host) -> Finding:
    if host.synchronised:
        return Finding(Grade.OK, "clock", "synchronised")
    if host.synchronised is None:
        return Finding(Grade.OK, "clock", "the kernel does not say whether it is synchronised")
    text = "not synchronised: ends of certificates and times of events may be wrong"
    return Finding(Grade.WARNING, "clock", text, "run chrony or systemd-timesyncd")


def _resolver(host: Host) -> Finding:
    if host.nameservers:
        return Finding(Grade.OK, "resolver", ", ".join(host.nameservers))
    text = "no nameserver in /etc/resolv.conf: names are found in /etc/hosts only"
    return Finding(Grade.WARNING, "resolver", text, "add one, or use addresses as targets")


def _rights(host: Host) -> Iterator[Finding]:
    for kind, (right, is_given) in host.rights.items():
        if is_given:
            yield Finding(Grade.OK, right.subject, f"this user may {right.act}")
            continue
        text = f"this user may not {right.act}: {kind} probes are UNKNOWN (not_permitted)"
        remedy = f"{right.remedy}, if you want {kind} probes"
        yield Finding(Grade.WARNING, right.subject, text, remedy)


def _ipv6(host: Host) -> Finding:
    if host.ipv6:
        return Finding(Grade.OK, "IPv6", "available")
    text = "switched off: targets that have only IPv6 addresses are UNKNOWN"
    return Finding(Grade.WARNING, "IPv6", text, "switch it on if you probe such targets")


def _listener(host: Host, address: str) -> Finding:
    if host.listener is None:
        return Finding(Grade.OK, "listener", f"{address} is free")
    text = f"cannot listen on {address}: {host.listener}"
    remedy = "stop what listens there (is it prober itself?), or choose another with --listen"
    return Finding(Grade.PROBLEM, "listener", text, remedy)


_NEEDED_BY = {
    "bcrypt": "basic_auth_users",
    "cryptography": "oracle_keys or tls.ocsp",
    "jsonpath": "expect_json",
    "pyOpenSSL": "tls.ocsp",
}


def _extras(host: Host) -> Iterator[Finding]:
    for name, installed in host.extras.items():
        text = "installed" if installed else f"not installed; only {_NEEDED_BY[name]} needs it"
        yield Finding(Grade.OK, name, text)
