"""blackbox_exporter's modules, with the scrape jobs of Prometheus that use them."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from prober.importing.codes import ranges
from prober.importing.dialogues import steps_of_queries
from prober.importing.draft import Draft, DraftEntry, Keys
from prober.importing.durations import seconds, shown
from prober.importing.source import SourceText, items, mapping
from prober.model.option import Rejected

_DEFAULT_INTERVAL, _DEFAULT_TIMEOUT = "1m", "10s"  # of Prometheus
_PATH = "/probe"
_USUAL = {"source_labels": ["__address__"], "target_label": "__param_target"}
_TLS_KEYS = ("ca_file", "cert_file", "key_file", "server_name")
_VERSIONS = {"TLS10": "1.0", "TLS11": "1.1", "TLS12": "1.2", "TLS13": "1.3"}
_PORTS = {"http": 80, "https": 443}


class ScrapeJob(NamedTuple):
    """A scrape job that asks blackbox_exporter."""

    keys: Mapping[str, Any]
    steps: tuple[str | int, ...]
    interval: str
    timeout: str

    @property
    def module(self) -> str:
        """The name of its module."""
        return str(next(iter(items(mapping(self.keys.get("params")).get("module"))), "http_2xx"))


def read(modules: SourceText, prometheus: list[SourceText], draft: Draft) -> None:
    """Add a monitor for each job, or for each scheme and path of its targets."""
    known = mapping(mapping(modules.value).get("modules"))
    used = set()
    for source in prometheus:
        for job in _jobs(source):
            used.add(job.module)
            if job.module not in known:
                draft.left_out(source.origin(*job.steps), f"no module {job.module!r} is given")
                continue
            with draft.reading(source.origin(*job.steps), f"module {job.module}"):
                _Reader(modules, source, job, draft).read(mapping(known[job.module]))
    for name in known:
        if name not in used:
            draft.left_out(modules.origin("modules", name), f"module {name}: no job uses it")


def _jobs(source: SourceText) -> Iterator[ScrapeJob]:
    top = mapping(mapping(source.value).get("global"))
    for number, job in enumerate(items(mapping(source.value).get("scrape_configs"))):
        if mapping(job).get("metrics_path") == _PATH:
            interval = str(
                job.get("scrape_interval", top.get("scrape_interval", _DEFAULT_INTERVAL))
            )
            timeout = str(job.get("scrape_timeout", top.get("scrape_timeout", _DEFAULT_TIMEOUT)))
            yield ScrapeJob(job, ("scrape_configs", number), interval, timeout)


class _Reader:
    """Reads one job."""

    def __init__(
        self, modules: SourceText, source: SourceText, job: ScrapeJob, draft: Draft
    ) -> None:
        self._modules, self._source, self._job = modules, source, job
        self._draft = draft

    def read(self, module: Mapping[str, Any]) -> None:
        """Add the monitors of the job."""
        kind = str(module.get("prober", ""))
        origin = self._source.origin(*self._job.steps)
        make: dict[str, Callable[[Mapping[str, Any]], Keys]]
        make = {
            "http": self._http,
            "tcp": self._tcp,
            "grpc": self._grpc,
            "dns": self._dns,
            "icmp": self._icmp,
        }
        if kind not in make:
            why = f"module {self._job.module}: prober {kind} has no counterpart"
            self._draft.left_out(origin, why)
            return
        if not self._is_usual():
            self._draft.left_out(origin, "its relabelling chooses targets in a way of its own")
            return
        options = mapping(module.get(kind))
        timeout = str(module.get("timeout") or self._job.timeout)
        for place, targets in self._targets(kind).items():
            self._add({**make[kind](options), **place_keys(place)}, targets, timeout, options)

    def _is_usual(self) -> bool:
        """Return whether relabelling makes targets of addresses, and nothing else of them."""
        rules = items(self._job.keys.get("relabel_configs"))
        targets = [rule for rule in map(mapping, rules) if rule.get("target_label") in _TARGETS]
        return all(
            rule.get("source_labels") == _USUAL["source_labels"]
            and rule.get("replacement", "$1") in ("$1", "${1}")
            and rule.get("regex", "(.*)") in ("(.*)", "(.+)", ".*")
            for rule in targets
            if rule.get("target_label") == "__param_target"
        ) and any(rule.get("target_label") == "__param_target" for rule in targets)

    def _targets(self, kind: str) -> dict["UrlShape", list[str] | Keys]:
        """Return the targets by scheme, host name and path; files and URLs by themselves."""
        found: dict[UrlShape, list[str] | Keys] = {}
        for group in items(self._job.keys.get("static_configs")):
            for target in items(mapping(group).get("targets")):
                place, address = _place(str(target), kind)
                listed = found.setdefault(place, [])
                if isinstance(listed, list):
                    listed.append(address)
        for number, each in enumerate(items(self._job.keys.get("file_sd_configs"))):
            for name in items(mapping(each).get("files")):
                found[UrlShape("", "", f"file {number} {name}")] = {"file": name}
        for number, each in enumerate(items(self._job.keys.get("http_sd_configs"))):
            url = mapping(each).get("url")
            found[UrlShape("", "", f"url {number} {url}")] = {"url": url}
        return found

    def _add(self, keys: Keys, targets: list[str] | Keys, timeout: str, options: Any) -> None:
        origin = self._source.origin(*self._job.steps)
        name = self._draft.name(str(self._job.keys.get("job_name", self._job.module)))
        listed = {"targets": targets} if isinstance(targets, list) else {"targets_from": targets}
        given = {
            "interval": shown(self._job.interval),
            "timeout": _shorter(timeout, self._job.timeout),
        }
        keys |= {"ip_family": _family(options), "source": options.get("source_ip_address")}
        if keys["type"] == "HTTPS":
            keys["tls"] = self._tls(options)
        entry = self._draft.monitor({"name": name, **keys, **listed, **given}, origin)
        if not isinstance(targets, list):
            self._draft.changed(entry, origin, "targets of lists are host:port here, not URLs")
        self._tell(entry, options)
        shown_targets = ", ".join(targets) if isinstance(targets, list) else "a list"
        self._draft.taken(origin, f"job {name}: {keys['type']} {shown_targets}")

    def _tell(self, entry: DraftEntry, options: Mapping[str, Any]) -> None:
        """Note what of the module is not in the monitor."""
        for key in options:
            if key in _SILENT or key in _TAKEN:
                continue
            origin = self._modules.origin("modules", self._job.module)
            self._draft.left_out(origin, f"module {self._job.module}: {key}", entry)

    def _http(self, options: Mapping[str, Any]) -> Keys:
        codes = sorted(code for code in items(options.get("valid_status_codes")))
        keys: Keys = {
            "type": "HTTPS" if options.get("fail_if_not_ssl") else "HTTP",
            "http_method": options.get("method"),
            "expected_codes": ranges(codes) if codes else "200-299",
            "body": options.get("body"),
        }
        headers = {name: str(value) for name, value in mapping(options.get("headers")).items()}
        host = next((headers.pop(name) for name in [*headers] if name.lower() == "host"), None)
        keys["domain_name"] = host
        versions = items(options.get("valid_http_versions"))
        if versions and not any("HTTP/1" in str(each) for each in versions):
            keys["http_version"] = "2"
        keys |= self._credentials(options, headers)
        keys |= self._proxy(options)
        keys["headers"] = headers or None
        for key, of_prober in _PATTERNS.items():
            patterns = items(options.get(key))
            if len(patterns) == 1:
                keys[of_prober] = patterns[0]
        follows = options.get("follow_redirects", True) and not options.get("no_follow_redirects")
        if follows:
            keys["follow_redirects"] = True
        return keys

    def _proxy(self, options: Mapping[str, Any]) -> Keys:
        """Return the proxy; a password in plain text becomes a variable."""
        parts = urlsplit(str(options.get("proxy_url") or ""))
        if parts.scheme != "http":
            return {}
        keys: Keys = {"proxy": f"http://{parts.netloc.rpartition('@')[2]}"}
        if parts.port is None:
            keys["proxy"] += ":80"
        if parts.username is not None:
            secret = {"env": f"{_upper(self._job.module)}_PROXY_PASSWORD"}
            keys["proxy_auth"] = {"username": unquote(parts.username), "password": secret}
        return keys

    def _credentials(self, options: Mapping[str, Any], headers: dict[str, Any]) -> Keys:
        """Return how to authenticate; a password in plain text becomes a variable."""
        variable = {"env": f"{_upper(self._job.module)}_AUTHORIZATION"}
        if basic := mapping(options.get("basic_auth")):
            file = basic.get("password_file")
            secret = {"file": file} if file else {"env": f"{_upper(self._job.module)}_PASSWORD"}
            return {"basic_auth": {"username": basic.get("username", ""), "password": secret}}
        if file := options.get("bearer_token_file"):
            return {"bearer": {"file": file}}
        if options.get("bearer_token") or options.get("authorization"):
            headers["Authorization"] = variable
        return {}

    def _tls(self, options: Mapping[str, Any]) -> Keys:
        given = mapping(options.get("tls_config"))
        verify = not given.get("insecure_skip_verify")
        keys: Keys = {"verify": verify}
        names = [name for name in _TLS_KEYS if name != "ca_file" or verify]
        keys |= {name: given[name] for name in names if given.get(name)}
        keys |= {
            name: _VERSIONS[given[name]]
            for name in ("min_version", "max_version")
            if given.get(name) in _VERSIONS
        }
        return keys

    def _tcp(self, options: Mapping[str, Any]) -> Keys:
        keys: Keys = {"type": "TLS" if options.get("tls") else "TCP"}
        try:
            queries = map(mapping, items(options.get("query_response")))
            keys["steps"] = steps_of_queries(queries) or None
        except Rejected as rejected:
            origin = self._modules.origin("modules", self._job.module)
            what = f"module {self._job.module}: query_response: {rejected}"
            self._draft.left_out(origin, what)
        starts_tls = any("starttls" in step for step in keys.get("steps") or ())
        if options.get("tls") or starts_tls:
            keys["tls"] = self._tls(options)
        return keys

    def _grpc(self, options: Mapping[str, Any]) -> Keys:
        tls = self._tls(options) if options.get("tls") else None
        return {"type": "GRPC", "service": options.get("service"), "tls": tls}

    def _icmp(self, options: Mapping[str, Any]) -> Keys:
        return {
            "type": "ICMP",
            "size": options.get("payload_size") or None,
            "ttl": options.get("ttl") or None,
            "dont_fragment": options.get("dont_fragment"),
        }

    def _dns(self, options: Mapping[str, Any]) -> Keys:
        transport = options.get("transport_protocol", "udp")
        answers = mapping(options.get("validate_answer_rrs"))
        patterns: Keys = {}
        if wanted := items(answers.get("fail_if_none_matches_regexp")):
            patterns["any"] = wanted
        if unwanted := items(answers.get("fail_if_matches_regexp")):
            patterns["none"] = unwanted
        return {
            "type": "DNS",
            "query_name": options.get("query_name"),
            "query_type": options.get("query_type", "ANY"),
            "query_class": options.get("query_class"),
            "recursion_desired": options.get("recursion_desired"),
            "transport": "tls" if options.get("dns_over_tls") else transport,
            "expected_rcodes": options.get("valid_rcodes"),
            "expect_answers": patterns or None,
            "tls": self._tls(options) if options.get("dns_over_tls") else None,
        }


_TARGETS = ("__param_target", "__address__")
_PATTERNS = {
    "fail_if_body_not_matches_regexp": "body_regex",
    "fail_if_body_matches_regexp": "reject_body_regex",
}
_SILENT = {
    "enable_http2",
    *("no_follow_redirects", "fail_if_ssl", "proxy_from_environment", "compression"),
}
_TAKEN = {
    *("valid_status_codes", "method", "body", "headers", "tls_config", "tls", "query_response"),
    *("basic_auth", "bearer_token", "bearer_token_file", "authorization", "fail_if_not_ssl"),
    *(
        "valid_http_versions",
        "follow_redirects",
        "service",
        "query_name",
        "query_type",
        "query_class",
        "valid_rcodes",
    ),
    *("recursion_desired", "transport_protocol", "dns_over_tls", "validate_answer_rrs"),
    *("proxy_url", "skip_resolve_phase_with_proxy", "use_proxy_dns"),
    *("preferred_ip_protocol", "ip_protocol_fallback", "source_ip_address"),
    *("payload_size", "ttl", "dont_fragment"),
    *_PATTERNS,
}


def _family(options: Mapping[str, Any]) -> str | None:
    """Return the IP versions that a module asks for, if it does."""
    preferred = {"ip4": "4", "ip6": "6"}.get(str(options.get("preferred_ip_protocol")))
    if preferred is None or not options.get("ip_protocol_fallback", True):
        return preferred
    return f"{preferred}-then-{'6' if preferred == '4' else '4'}"


class UrlShape(NamedTuple):
    """What targets of one monitor share: the scheme of URLs, and what follows the host."""

    scheme: str
    domain_name: str
    path: str


def _place(target: str, kind: str) -> tuple[UrlShape, str]:
    """Return what a target shares with others, and its `host:port`."""
    if kind == "icmp":
        return UrlShape("", "", ""), target
    if kind != "http":
        return UrlShape("", "", ""), target if ":" in target else f"{target}:53"
    url = urlsplit(target if "://" in target else f"http://{target}")
    host = f"[{url.hostname}]" if ":" in (url.hostname or "") else url.hostname
    path = (url.path or "/") + (f"?{url.query}" if url.query else "")
    return UrlShape(url.scheme, "", path), f"{host}:{url.port or _PORTS.get(url.scheme, 80)}"


def place_keys(place: UrlShape) -> Keys:
    """Return the keys that URLs of one kind ask for."""
    keys: Keys = {"url_path": place.path} if place.scheme else {}
    if place.scheme == "https":
        keys |= {"type": "HTTPS"}
    return keys


def _shorter(one: str, other: str) -> str | None:
    return shown(min(seconds(one) or 0.0, seconds(other) or 0.0))


def _upper(name: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in name.upper())
