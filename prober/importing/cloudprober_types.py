"""What each probe type of cloudprober is in prober."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from prober.importing.codes import CODES, ranges, span
from prober.importing.draft import Keys, SourcePlace
from prober.importing.fields import Fields

_VERSIONS = {"TLS_1_0": "1.0", "TLS_1_1": "1.1", "TLS_1_2": "1.2", "TLS_1_3": "1.3"}
_HEADERS = {"success_header": "expect_headers", "failure_header": "reject_headers"}
_ECHO = "prober"
_RESOLVING = {"resolve_first"}
_HTTP_TAKEN = {
    *("protocol", "scheme", "relative_url", "port", "method", "headers", "header", "body"),
    *("disable_cert_validation", "tls_config", "user_agent", "max_redirects"),
}
_HTTP_SILENT = {
    *("export_response_as_metrics", "disable_http2", "max_idle_conns", "latency_breakdown"),
    *("interval_between_targets_msec", *_RESOLVING),
}
_GRPC_TAKEN = {"method", "tls_config", "health_check_service", "plaintext", "insecure_transport"}
_GRPC_SILENT = {"num_conns", "keep_alive", "blob_size", "connect_timeout_msec"}


@dataclass
class Counterpart:
    """What becomes of the options of a probe.

    Attributes:
        keys: The keys of the monitor.
        why: The reason if there is no counterpart.
        port, default_port: The port of all targets; that of those which have none.
        needs_port: Whether a target has a port.
        is_http: Whether targets decide about scheme and path, unless `scheme` and `path` do.
        host: The `Host` header, if it is given.
        changed: What works in another way.
        left_out: What is not imported, and where it stands.
    """

    keys: Keys
    why: str = ""
    port: int | None = None
    default_port: int | None = None
    needs_port: bool = True
    is_http: bool = False
    scheme: str = ""
    path: str = ""
    host: str | None = None
    changed: list[str] = field(default_factory=list)
    left_out: list[tuple[SourcePlace, str]] = field(default_factory=list)

    def leave(self, options: Fields, known: set[str]) -> None:
        """Note the options that are not known."""
        for name in options.names:
            if name not in known:
                self.left_out.append((options.at(name), name))


def _http(options: Fields, validators: list[Fields]) -> Counterpart:
    headers = {**options.pairs("headers"), **options.pairs("header")}
    if agent := options.one("user_agent"):
        headers["User-Agent"] = str(agent)
    host = next((headers.pop(name) for name in [*headers] if name.lower() == "host"), None)
    body = "&".join(str(each) for each in options.every("body"))
    if body and not any(name.lower() == "content-type" for name in headers):
        headers |= _content_type(body)
    redirects = options.one("max_redirects", 10)
    made = Counterpart(
        {
            "type": "HTTP",
            "http_method": options.one("method"),
            "domain_name": host,
            "headers": headers or None,
            "body": body or None,
            "follow_redirects": min(int(redirects), 20) or None,
            "tls": _tls(options),
        },
        port=options.one("port"),
        is_http=True,
        scheme=str(options.one("scheme", options.one("protocol", ""))),
        path=str(options.one("relative_url", "")),
        host=host,
    )
    made.leave(options, _HTTP_TAKEN | _HTTP_SILENT)
    made.keys |= _http_validators(made, validators)
    return made


def _content_type(body: str) -> dict[str, str]:
    """Return the header that cloudprober adds: it guesses from the body."""
    try:
        json.loads(body)
    except ValueError:
        form = bool(parse_qsl(body, strict_parsing=True)) if "=" in body else False
        return {"Content-Type": "application/x-www-form-urlencoded"} if form else {}
    return {"Content-Type": "application/json"}


def _http_validators(made: Counterpart, validators: list[Fields]) -> Keys:
    """Return the keys of the validators; without one, every reply is good."""
    keys: Keys = {}
    codes = set(CODES)
    for validator in validators:
        given = validator.message("http_validator")
        if (good := given.one("success_status_codes")) is not None:
            codes &= _codes(good)
        codes -= _codes(given.one("failure_status_codes", ""))
        for name, key in (
            ("success_header", "expect_headers"),
            ("failure_header", "reject_headers"),
        ):
            header = given.message(name)
            if header.one("name"):
                pattern = str(header.one("value_regex") or "^")
                keys.setdefault(key, {})[str(header.one("name"))] = pattern
        if "max_last_modified_diff_sec" in given:
            made.left_out.append((given.at(), "max_last_modified_diff_sec"))
        if (pattern := validator.one("regex")) is not None and "body_regex" not in keys:
            keys["body_regex"] = str(pattern)
        elif pattern is not None:
            made.left_out.append((validator.at(), f"regex {pattern}: there is another one already"))
        _leave_validators(made, validator, {"name", "http_validator", "regex"})
    keys["expected_codes"] = ranges(sorted(codes))
    return keys


def _leave_validators(made: Counterpart, validator: Fields, known: set[str]) -> None:
    for name in validator.names:
        if name not in known:
            made.left_out.append((validator.at(name), f"validator {name}"))


def _codes(written: object) -> set[int]:
    found: set[int] = set()
    for each in str(written).split(","):
        if each.strip():
            found |= set(span(each))
    return found


def _tls(options: Fields) -> Keys:
    given = options.message("tls_config")
    off = given.one("disable_cert_validation", options.one("disable_cert_validation", False))
    keys: Keys = {"verify": not off}
    for name, key in (
        ("ca_cert_file", "ca_file"),
        ("tls_cert_file", "cert_file"),
        ("tls_key_file", "key_file"),
        ("server_name", "server_name"),
    ):
        if given.one(name) and not (off and key == "ca_file"):
            keys[key] = str(given.one(name))
    for name, key in (("min_tls_version", "min_version"), ("max_tls_version", "max_version")):
        if version := _VERSIONS.get(str(given.one(name))):
            keys[key] = version
    return keys


def _tcp(options: Fields, validators: list[Fields]) -> Counterpart:
    keys: Keys = {"type": "TCP"}
    if options.one("tls_handshake"):
        keys = {"type": "TLS", "tls": _tls(options)}
    made = Counterpart(keys, port=options.one("port"))
    known = {"port", "tls_handshake", "tls_config", "interval_between_targets_msec", *_RESOLVING}
    return _plain(made, options, validators, known)


def _ping(options: Fields, validators: list[Fields]) -> Counterpart:
    keys = {"type": "ICMP", "count": options.one("packets_per_probe", 2)}
    made = Counterpart(keys, needs_port=False)
    known = {"packets_per_probe", "packets_interval_msec", "resolve_targets_interval"}
    known |= {"use_datagram_socket", "disable_integrity_check"}
    return _plain(made, options, validators, known)


def _udp(options: Fields, validators: list[Fields]) -> Counterpart:
    keys = {"type": "UDP_CONNECT", "send": {"text": _ECHO}, "expect": {"text": _ECHO}}
    made = Counterpart(keys, port=options.one("port"), default_port=31122)
    made.changed.append("the payload is another one; a server that echoes sends back either")
    known = {"port", "num_tx_ports", "max_length", "payload_size", "export_metrics_by_port"}
    return _plain(made, options, validators, known | {"use_all_tx_ports_per_probe"})


def _dns(options: Fields, validators: list[Fields]) -> Counterpart:
    transport = {"TCP": "tcp", "TCP_TLS": "tls"}.get(str(options.one("dns_proto", "UDP")), "udp")
    keys: Keys = {
        "type": "DNS",
        "query_name": options.one("resolved_domain", "www.google.com."),
        "query_type": options.one("query_type", "MX"),
        "query_class": options.one("query_class"),
        "min_answers": options.one("min_answers"),
        "recursion_desired": options.one("recursion_desired"),
        "transport": transport if transport != "udp" else None,
        "tls": {"verify": True} if transport == "tls" else None,
    }
    made = Counterpart(keys, default_port=853 if transport == "tls" else 53)
    known = {"resolved_domain", "query_type", "min_answers", "recursion_desired", "query_class"}
    return _plain(made, options, validators, known | {"dns_proto", *_RESOLVING})


def _grpc(options: Fields, validators: list[Fields]) -> Counterpart:
    method = str(options.one("method", "ECHO"))
    if method not in ("HEALTH_CHECK", "4"):
        why = f"the method {method} is that of cloudprober's own server; HEALTH_CHECK is known"
        return Counterpart({}, why)
    encrypted = "tls_config" in options and not options.one("plaintext")
    keys: Keys = {
        "type": "GRPC",
        "service": options.one("health_check_service"),
        "tls": _tls(options) if encrypted else None,
    }
    made = Counterpart(keys, default_port=443)
    return _plain(made, options, validators, _GRPC_TAKEN | _GRPC_SILENT)


def _plain(
    made: Counterpart, options: Fields, validators: list[Fields], known: set[str]
) -> Counterpart:
    """Return what was made of a type without validators, with what is left out."""
    made.leave(options, known)
    for validator in validators:
        _leave_validators(made, validator, {"name"})
    return made


MAKERS: Mapping[str, Callable[[Fields, list[Fields]], Counterpart]] = {
    "HTTP": _http,
    "PING": _ping,
    "TCP": _tcp,
    "UDP": _udp,
    "DNS": _dns,
    "GRPC": _grpc,
}
"""The types that have a counterpart."""
