"""HAProxy's `backend` and `listen` sections: a pool for the servers with `check`, and a monitor."""

import re
from typing import NamedTuple

from prober.importing.draft import Draft, Keys, SourcePlace
from prober.importing.haproxy_check import BackendCheck
from prober.importing.haproxy_file import Proxy, proxies, seconds
from prober.model.egress import version_of
from prober.model.kinds import in_units
from prober.model.pool import normal_host, parse_path
from prober.model.probe import UNIX

_FLAGS = {
    *("check", "no-check", "ssl", "no-ssl", "check-ssl", "no-check-ssl", "backup", "no-backup"),
    *("disabled", "enabled", "send-proxy", "send-proxy-v2", "check-send-proxy", "agent-check"),
    *("no-check-send-proxy", "no-send-proxy", "no-send-proxy-v2", "no-agent-check", "stick"),
    *("non-stick", "allow-0rtt", "tfo", "force-tlsv12", "force-tlsv13", "no-tlsv10", "no-tlsv11"),
    *("send-proxy-v2-ssl", "send-proxy-v2-ssl-cn", "check-via-socks4", "no-verifyhost"),
}
_DEFAULTS = {"interval": 2.0, "rise": 2, "fall": 3}  # HAProxy's own defaults
_ADDRESS = re.compile(r"(?:(ipv4|ipv6|unix|abns|udp|udp4|udp6|tcp|tcp4|tcp6)@)?(.*)")


class CheckedServer(NamedTuple):
    """A `server` line, with what `default-server` adds."""

    name: str
    address: str
    options: dict[str, str]
    origin: SourcePlace


def read(text: str, file: str, draft: Draft) -> None:
    """Add what a configuration checks; raise ValueError if it cannot be read."""
    for proxy in proxies(text):
        servers = [server for server in _servers(proxy, file, draft) if _is_checked(server, draft)]
        check = BackendCheck(proxy, file, draft)
        origin = SourcePlace(file, proxy.number)
        if not servers:
            if proxy.last("server"):
                draft.left_out(origin, f"backend {proxy.name}: no server has check")
            continue
        with draft.reading(origin, f"backend {proxy.name}"):
            for alike in _groups(check, servers):
                _add(draft, proxy, check, alike)
        _tell_of_agents(draft, servers)


def _servers(proxy: Proxy, file: str, draft: Draft) -> list[CheckedServer]:
    defaults: dict[str, str] = {}
    source = proxy.last("source")
    starts = _options(list(source.words)) if source else {}
    found = []
    for line in (*proxy.inherited, *proxy.lines):
        origin = SourcePlace(file, line.number)
        match line.words:
            case ("default-server", *words):
                defaults |= _options(words)
            case ("server", name, address, *words):
                options = {**defaults, **_options(words)}
                if "source" not in options:  # otherwise that of the section has no force at all
                    options = starts | options
                found.append(CheckedServer(name, address, options, origin))
            case ("server-template", name, *_):
                why = "a template has no addresses before HAProxy runs; use targets_from"
                draft.left_out(origin, f"server-template {name}: {why}")
    return found


def _options(words: list[str]) -> dict[str, str]:
    """Return the options of a server; `no-x` takes `x` back."""
    options: dict[str, str] = {}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word in _FLAGS:
            options[word.removeprefix("no-")] = "" if word.startswith("no-") else "yes"
        elif rest:
            options[word] = rest.pop(0)
    return options


def _is_checked(server: CheckedServer, draft: Draft) -> bool:
    if not server.options.get("check"):
        return False
    family, address = _ADDRESS.fullmatch(_checked_address(server)).groups()  # type: ignore[union-attr]
    is_relative = family == "unix" and not address.startswith("/")
    if "$" in server.address or family == "abns" or is_relative:
        draft.left_out(server.origin, f"server {server.name}: the address {server.address}")
        return False
    return True


def _checked_address(server: CheckedServer) -> str:
    """Return the address that is checked; that of a Unix socket has the prefix `unix@`."""
    address = server.options.get("addr") or server.address
    return f"unix@{address}" if address.startswith("/") else address


def _groups(check: BackendCheck, servers: list[CheckedServer]) -> list[list[CheckedServer]]:
    """Group servers that are checked in the same way: each group is a pool with a monitor."""
    groups: dict[str, list[CheckedServer]] = {}
    for server in servers:
        groups.setdefault(repr(_settings(check, server)), []).append(server)
    return list(groups.values())


def _settings(check: BackendCheck, server: CheckedServer) -> Keys:
    """Return the keys of a monitor that depend on the server."""
    given = server.options
    tls = bool(given.get("check-ssl", given.get("ssl") if "port" not in given else ""))
    keys: Keys = {"tls": tls, **_DEFAULTS}
    for name, option in (("interval", "inter"), ("fast_interval", "fastinter")):
        if (found := seconds(given.get(option, ""))) is not None:
            keys[name] = found
    keys["fast_interval"] = keys.get("fast_interval", keys["interval"])
    keys["down_interval"] = seconds(given.get("downinter", ""))
    keys["timeout"] = check.timeout(keys["interval"])
    keys |= {name: int(given[name]) for name in ("rise", "fall") if name in given}
    keys["port"] = int(given["port"]) if "port" in given else None
    keys["send_proxy"] = _proxy_header(given)
    keys["source"] = _source(given.get("source", ""))
    keys["interface"] = given.get("interface")
    keys["verify"] = given.get("verify", "required") == "required"
    keys["ca_file"] = given.get("ca-file")
    keys["server_name"] = given.get("check-sni") or _constant(given.get("sni", ""))
    keys["alpn"] = given.get("check-alpn")
    if given.get("check-proto", given.get("proto")) == "h2" or keys["alpn"] == "h2":
        keys["http_version"] = "2"
    return keys


def _source(written: str) -> str | None:
    """Return the address in the `source` of a server, if it is one: `10.0.0.2` or `10.0.0.2:0`."""
    for host in (written, written.rpartition(":")[0]):
        found = normal_host(host.removeprefix("[").removesuffix("]"))
        if found and version_of(found) and found not in ("0.0.0.0", "::"):  # noqa: S104  (compared)
            return found
    return None


def _proxy_header(given: dict[str, str]) -> str | None:
    """Return the header that checks begin with; they send none to another port or address."""
    elsewhere = "port" in given or "addr" in given
    if not given.get("check-send-proxy") and elsewhere:
        return None
    if any(given.get(name) for name in ("send-proxy-v2", "send-proxy-v2-ssl")):
        return "v2"
    return "v1" if given.get("send-proxy") or given.get("check-send-proxy") else None


def _constant(expression: str) -> str | None:
    found = re.fullmatch(r"str\((.*)\)", expression)
    return found[1] if found else None


def _add(draft: Draft, proxy: Proxy, check: BackendCheck, servers: list[CheckedServer]) -> None:
    origin = SourcePlace(servers[0].origin.file, proxy.number)
    settings = _settings(check, servers[0])
    tls = settings.pop("tls")
    keys = check.keys(tls=tls)
    if keys is None:
        draft.left_out(
            SourcePlace(origin.file, check.line.number if check.line else origin.line),
            f"backend {proxy.name}: prober has no check like option {check.kind}",
        )
        return
    version = settings.pop("http_version", None)
    if version and keys["type"] in ("HTTP", "HTTPS"):
        keys["http_version"] = version
    verified = {name: settings.pop(name) for name in ("verify", "ca_file", "server_name", "alpn")}
    if keys["type"] in ("TLS", "HTTPS") and check.kind != "ssl-hello-chk":
        if verified["alpn"]:
            verified["alpn"] = verified["alpn"].split(",")
        keys["tls"] = {name: value for name, value in verified.items() if value not in (None, "")}
    name = draft.name(proxy.name)
    pool = draft.pool({"name": name, "backends": [_backend(each) for each in servers]}, origin)
    for server in servers:
        if "addr" in server.options:
            draft.changed(pool, server.origin, "addr: the checked address is the backend's here")
    monitor = draft.monitor({"name": name, "pool": name, **keys, **_in_units(settings)}, origin)
    check.tell(monitor)
    count = "1 server" if len(servers) == 1 else f"{len(servers)} servers"
    draft.taken(origin, f"backend {proxy.name}: {count}, {keys['type']}")


def _backend(server: CheckedServer) -> str | Keys:
    address = _ADDRESS.fullmatch(_checked_address(server))
    assert address is not None  # noqa: S101  (it matches everything)
    host, _, port = address[2].rpartition(":")
    keys: Keys
    if address[1] == "unix":
        host = parse_path(f"{UNIX}{address[2]}")
        keys = {"address": host}
    else:
        if not port.isdecimal():
            host, port = address[2], server.options.get("port", "")
        host = host.strip("[]")
        keys = {"address": host, "port": int(port or server.options.get("port", 0))}
    if server.name != host:
        keys["name"] = server.name
    if (weight := server.options.get("weight", "1")) not in ("0", "1"):
        keys["weight"] = int(weight)
    if server.options.get("backup"):
        keys["backup"] = True
    if server.options.get("disabled"):
        keys["enabled"] = False
    if keys.keys() == {"address"}:
        return host
    if keys.keys() == {"address", "port"}:
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return keys


def _in_units(settings: Keys) -> Keys:
    """Write durations as people do, and leave away what is the same as another key."""
    names = ("interval", "fast_interval", "down_interval", "timeout")
    shown = {
        name: in_units(value) if name in names and value is not None else value
        for name, value in settings.items()
    }
    if shown["down_interval"] == shown["interval"]:
        shown["down_interval"] = None
    return shown


def _tell_of_agents(draft: Draft, servers: list[CheckedServer]) -> None:
    for server in servers:
        if server.options.get("agent-check"):
            why = "agent-check: prober asks no agent; it can be one (the output haproxy_agent)"
            draft.left_out(server.origin, f"server {server.name}: {why}")
