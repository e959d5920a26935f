"""Gatus's endpoints, and their conditions."""

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from prober.importing import urls
from prober.importing.codes import CODES, ranges
from prober.importing.dialogues import without_variables
from prober.importing.draft import Draft, DraftEntry, Keys, SourcePlace
from prober.importing.durations import shown
from prober.importing.source import SourceText, items, mapping

_CONDITION = re.compile(r"\s*(.+?)\s*(==|!=|<=|>=|<|>)\s*(.*?)\s*")
_CALL = re.compile(r"(any|pat)\((.*)\)")
_ANYTHING = "[\\s\\S]*"  # what `*` stands for in a pattern
_OTHERS = {"tcp": "TCP", "tls": "TLS", "icmp": "ICMP", "udp": "UDP_CONNECT"}
_SPOKEN = ("TCP", "TLS")
_TESTS: Mapping[str, Callable[[int, int], bool]] = {
    "==": lambda code, limit: code == limit,
    "!=": lambda code, limit: code != limit,
    "<": lambda code, limit: code < limit,
    "<=": lambda code, limit: code <= limit,
    ">": lambda code, limit: code > limit,
    ">=": lambda code, limit: code >= limit,
}
_WITHOUT_EFFECT = {"name", "group", "url", "conditions", "interval", "ui", "enabled", "client"}
_TAKEN = {"method", "body", "headers", "dns", "alerts", "extra-labels"}


def read(source: SourceText, draft: Draft) -> None:
    """Add a monitor for each endpoint."""
    for number, endpoint in enumerate(items(mapping(source.value).get("endpoints"))):
        with draft.reading(source.origin("endpoints", number), "endpoint"):
            _Endpoint(source, number, mapping(endpoint), draft).read()
    for number, _ in enumerate(items(mapping(source.value).get("external-endpoints"))):
        origin = source.origin("external-endpoints", number)
        draft.left_out(origin, "an external endpoint is not probed, but reports by itself")


class _Endpoint:
    """Reads one endpoint."""

    def __init__(
        self, source: SourceText, number: int, given: Mapping[str, Any], draft: Draft
    ) -> None:
        self._source, self._number, self._given = source, number, given
        self._draft = draft
        self._left_out: list[tuple[SourcePlace, str]] = []

    def _at(self, *steps: str | int) -> SourcePlace:
        return self._source.origin("endpoints", self._number, *steps)

    def read(self) -> None:
        """Add the monitor, or note why there is none."""
        name, group = str(self._given.get("name", "")), self._given.get("group")
        full = f"{group}/{name}" if group else name
        target = self._target()
        if target is None:
            url = self._given.get("url")
            self._draft.left_out(self._at(), f"endpoint {full}: prober cannot probe {url}")
            return
        keys = {**target.keys, **self._request(target.keys)}
        keys |= self._conditions(keys)
        alerts = [mapping(each) for each in items(self._given.get("alerts"))]
        fall = [each["failure-threshold"] for each in alerts if "failure-threshold" in each]
        rise = [each["success-threshold"] for each in alerts if "success-threshold" in each]
        client = mapping(self._given.get("client"))
        entry = self._draft.monitor(
            {
                "name": self._draft.name(full),
                **keys,
                "targets": [target.address],
                "labels": {"group": str(group)} if group else None,
                "enabled": False if self._given.get("enabled") is False else None,
                "interval": shown(self._given.get("interval", "60s")),
                "timeout": shown(client.get("timeout", "10s")),
                "rise": min(rise, default=None),
                "fall": min(fall, default=None),
            },
            self._at(),
        )
        self._tell(entry)
        self._draft.taken(self._at(), f"endpoint {full}: {keys['type']} {target.address}")

    def _target(self) -> urls.UrlTarget | None:
        url = str(self._given.get("url", ""))
        if found := urls.of_url(url):
            return found
        if dns := mapping(self._given.get("dns")):
            asked = {"query_name": dns.get("query-name"), "query_type": dns.get("query-type", "A")}
            host = url if ":" in url else f"{url}:53"
            return urls.UrlTarget(host, {"type": "DNS", **asked})
        parts = urlsplit(url)
        type_name = _OTHERS.get(parts.scheme)
        if type_name == "ICMP":
            return urls.UrlTarget(parts.netloc, {"type": "ICMP"})
        if parts.scheme == "starttls" and parts.netloc:
            return urls.UrlTarget(parts.netloc, {"type": "TCP", "preset": "smtp_starttls"})
        if type_name is None or not parts.netloc:
            return None
        return urls.UrlTarget(parts.netloc, {"type": type_name})

    def _request(self, of_target: Keys) -> Keys:
        client = mapping(self._given.get("client"))
        type_name, body = of_target["type"], self._given.get("body")
        keys: Keys = {}
        if type_name in _SPOKEN and body:
            keys["steps"] = [{"send": {"text": without_variables(str(body))}}]
        if type_name in ("HTTP", "HTTPS"):
            headers = {str(k): str(v) for k, v in mapping(self._given.get("headers")).items()}
            host = next((headers.pop(name) for name in [*headers] if name.lower() == "host"), None)
            keys = {
                "http_method": self._given.get("method"),
                "body": body,
                "domain_name": host,
                "headers": headers or None,
            }
            if not client.get("ignore-redirect"):
                keys["follow_redirects"] = True
        if type_name in ("HTTPS", "TLS") or "preset" in of_target:
            keys["tls"] = {"verify": not client.get("insecure")}
        return keys

    def _conditions(self, keys: Keys) -> Keys:
        """Return the keys that the conditions ask for."""
        found: Keys = {}
        codes = set(CODES)
        for number, written in enumerate(items(self._given.get("conditions"))):
            parts = _CONDITION.fullmatch(str(written))
            subject, sign, value = parts.groups() if parts else ("", "", "")
            if subject == "[STATUS]":
                codes &= _codes(sign, value)
            elif subject == "[CONNECTED]" and (sign, value) == ("==", "true"):
                continue
            elif not self._of(subject, sign, value, keys, found):
                self._left_out.append((self._at("conditions", number), f"condition {written}"))
        if keys["type"] in ("HTTP", "HTTPS"):
            found["expected_codes"] = ranges(sorted(codes))
        return found

    def _of(self, subject: str, sign: str, value: str, keys: Keys, found: Keys) -> bool:
        """Add the keys of a condition to `found`; return whether there are such keys."""
        if subject == "[RESPONSE_TIME]" and sign in ("<", "<="):
            found["slow"] = shown(f"{value}ms")
        elif subject == "[CERTIFICATE_EXPIRATION]" and sign in (">", ">=") and "tls" in keys:
            found["tls"] = {**keys["tls"], "expires_within": shown(value)}
        elif subject == "[DNS_RCODE]" and sign == "==":
            found["expected_rcodes"] = [value]
        elif subject == "[BODY]" and sign == "==" and keys["type"] == "DNS":
            found["expect_answers"] = {"any": [_pattern(value)]}
        elif subject == "[BODY]" and sign == "==" and keys["type"] in _SPOKEN:
            said: list[Keys] = found.get("steps") or keys.get("steps") or []
            found["steps"] = [*said, {"expect_regex": _pattern(value)}]
        elif subject == "[BODY]" and sign == "==" and "body_regex" not in found:
            found["body_regex"] = _pattern(value)
        elif subject.startswith("[BODY]."):
            clause = _clause(subject, sign, value)
            if clause is None:
                return False
            found.setdefault("expect_json", []).append(clause)
        else:
            return False
        return True

    def _tell(self, entry: DraftEntry) -> None:
        for origin, text in self._left_out:
            self._draft.left_out(origin, text, entry)
        if "slow" in entry.keys:
            text = "[RESPONSE_TIME] makes a check WARNING (slow), not bad"
            self._draft.changed(entry, self._at("conditions"), text)
        for key in self._given:
            if key not in _WITHOUT_EFFECT | _TAKEN:
                self._draft.left_out(self._at(key), key, entry)


def _codes(sign: str, value: str) -> set[int]:
    """Return the codes that a condition on [STATUS] accepts; all if it cannot be read."""
    wanted = _CALL.fullmatch(value)
    limits = [each.strip() for each in (wanted[2] if wanted else value).split(",")]
    if not all(map(str.isdecimal, limits)):
        return set(CODES)
    return {code for code in CODES if any(_TESTS[sign](code, int(n)) for n in limits)}


def _pattern(value: str) -> str:
    """Return the expression for a value, `pat(a*b)` or `any(a, b)`."""
    call = _CALL.fullmatch(value)
    if call and call[1] == "pat":
        if not call[2].strip("*"):
            return "^"
        whole = "^" + re.escape(call[2]).replace(r"\*", _ANYTHING) + "$"
        return whole.removeprefix(f"^{_ANYTHING}").removesuffix(f"{_ANYTHING}$")
    options = [each.strip() for each in call[2].split(",")] if call else [value]
    return "|".join(f"^{re.escape(each)}$" for each in options)


def _clause(subject: str, sign: str, value: str) -> Keys | None:
    """Return the clause of `expect_json` for a condition on a part of the body."""
    path = "$" + subject.removeprefix("[BODY]")
    call = _CALL.fullmatch(value)
    if call and sign == "==":
        if call[1] == "any":
            return {"path": path, "in": [_scalar(each.strip()) for each in call[2].split(",")]}
        return {"path": path, "matches": _pattern(value)}
    if sign == "==":
        return {"path": path, "equals": _scalar(value)}
    if sign in (">=", "<="):
        return {"path": path, "at_least" if sign == ">=" else "at_most": _scalar(value)}
    return None


def _scalar(text: str) -> Any:
    if text in ("true", "false"):
        return text == "true"
    return int(text) if re.fullmatch(r"-?\d+", text) else text
