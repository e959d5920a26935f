"""How a `backend` of HAProxy checks its servers, as keys of a monitor."""

import re
from typing import Any

from prober.importing.codes import CODES, ranges, span
from prober.importing.dialogues import without_variables
from prober.importing.draft import Draft, DraftEntry, Keys, SourcePlace
from prober.importing.haproxy_file import Line, Proxy, seconds

_CHECKS = (
    *("httpchk", "tcp-check", "ssl-hello-chk", "mysql-check", "pgsql-check", "redis-check"),
    *("smtpchk", "ldap-check", "spop-check", "external-check"),
)
_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "TRACE", "OPTIONS", "PATCH")
PRESETS = {
    "mysql-check": "mysql",
    "pgsql-check": "postgres",
    "redis-check": "redis",
    "smtpchk": "smtp",
    "ldap-check": "ldap",
}
"""Checks of HAProxy that speak a protocol, and the preset that does."""


class BackendCheck:
    """The check of one proxy: its kind and its keys.

    Args:
        proxy: The section.
        file: The name of the source.
        draft: Receives notes.
    """

    def __init__(self, proxy: Proxy, file: str, draft: Draft) -> None:
        self._proxy, self._file, self._draft = proxy, file, draft
        chosen = [line for name in _CHECKS for line in proxy.all("option", name)]
        self.line = max(chosen, key=lambda line: line.number, default=None)
        self.kind = self.line.words[1] if self.line else ""
        self._left_out: list[tuple[int, str]] = []

    def keys(self, *, tls: bool) -> Keys | None:
        """Return the type and its keys; None if prober has no such check."""
        self._left_out = []
        match self.kind:
            case "httpchk":
                return {"type": "HTTPS" if tls else "HTTP", **self._http()}
            case "ssl-hello-chk":
                return {"type": "TLS"}
            case "tcp-check":
                tls = tls or any("ssl" in line.words for line in self._connects())
                return {"type": "TLS" if tls else "TCP", **self._dialogue(tls=tls)}
            case kind if kind in PRESETS:
                return {"type": "TLS" if tls else "TCP", "preset": PRESETS[kind]}
            case "":
                return {"type": "TLS" if tls else "TCP"}
        return None

    def tell(self, entry: DraftEntry) -> None:
        """Note what of the check is not in the monitor."""
        for number, text in self._left_out:
            self._draft.left_out(SourcePlace(self._file, number), text, entry)

    def timeout(self, inter: float) -> float:
        """Return the deadline of a whole check, in seconds.

        Without `timeout check`, it is the interval; otherwise the time to connect comes on top.
        """
        given = self._seconds("check")
        if given is None:
            return inter
        return given + min(self._seconds("connect") or inter, inter)

    def _seconds(self, name: str) -> float | None:
        line = self._proxy.last("timeout", name)
        return seconds(line.words[2]) if line and len(line.words) > 2 else None

    def _omit(self, line: Line) -> None:
        self._left_out.append((line.number, f"{' '.join(line.words)}: prober has no such check"))

    def _http(self) -> Keys:
        keys = self._request_line(self.line.words[2:] if self.line else ())
        headers: dict[str, str] = {}
        for line in self._proxy.all("http-check"):
            match line.words[1:]:
                case ("send", *words):
                    keys |= self._sent(line, list(words), headers)
                case ("expect", *words):
                    keys |= self._expected(line, list(words))
                case _:
                    self._omit(line)
        if host := headers.pop("Host", headers.pop("host", None)):
            keys["domain_name"] = host
        if headers:
            keys["headers"] = headers
        return {"expected_codes": "200-399", **keys}

    def _request_line(self, words: tuple[str, ...]) -> Keys:
        """Return the keys of `[METHOD] URI [VERSION]`; HAProxy's own default is OPTIONS /."""
        keys: Keys = {"http_method": "OPTIONS", "url_path": "/", "http_version": "1.0"}
        if len(words) == 1:
            keys["url_path"] = words[0]
        elif words:
            keys |= {"http_method": words[0], "url_path": words[1]}
            version, _, rest = " ".join(words[2:]).partition("\r\n")
            keys["http_version"] = "1.1" if version.strip() == "HTTP/1.1" else "1.0"
            if found := re.search(r"[Hh]ost:\s*(\S+)", rest):
                keys["domain_name"] = found[1]
        return keys

    def _sent(self, line: Line, words: list[str], headers: dict[str, str]) -> Keys:
        keys: Keys = {}
        while words:
            word = words.pop(0)
            if word in ("meth", "uri", "ver", "body") and words:
                value = words.pop(0)
                if word == "ver":
                    value = "1.1" if value == "HTTP/1.1" else "1.0"
                keys[_SENT[word]] = value
            elif word == "hdr" and len(words) > 1:
                name = words.pop(0)
                headers[name] = words.pop(0)
            elif word in ("uri-lf", "body-lf") and words:
                self._left_out.append((line.number, f"{word} {words.pop(0)}: a log format"))
        return keys

    def _expected(self, line: Line, words: list[str]) -> Keys:
        while words and words[0] in ("min-recv", "comment", "ok-status", "error-status"):
            del words[:2]
        negated = bool(words) and words[0] == "!"
        if negated:
            del words[0]
        if len(words) < 2:
            self._omit(line)
            return {}
        how, pattern = words[0], " ".join(words[1:])
        if how in ("status", "rstatus"):
            return {"expected_codes": _codes(how, pattern, negated=negated)}
        if how in ("string", "rstring"):
            key = "reject_body_regex" if negated else "body_regex"
            return {key: re.escape(pattern) if how == "string" else pattern}
        self._omit(line)
        return {}

    def _dialogue(self, *, tls: bool) -> Keys:
        """Return the keys of `tcp-check` rules: a `connect` at the start is what a probe does."""
        steps: list[tuple[str, Any]] = []
        for line in self._proxy.all("tcp-check"):
            words = line.words[1:]
            if words[:1] == ("comment",) or (words[:1] == ("connect",) and not steps):
                continue
            if (step := _step(words)) is None:
                self._omit(line)
            else:
                steps.append(step)
        simple = [how for how, _ in steps] in (["send"], ["expect"], ["send", "expect"])
        if not tls and (simple or not steps):
            return dict(steps)
        return {"steps": [{how: _literal(what)} for how, what in steps]} if steps else {}

    def _connects(self) -> list[Line]:
        """Return the rule that opens the connection, if there is one."""
        rules = [line for line in self._proxy.all("tcp-check") if line.words[1:2] != ("comment",)]
        return [line for line in rules[:1] if line.words[1:2] == ("connect",)]


def _step(words: tuple[str, ...]) -> tuple[str, Any] | None:
    """Return the step of a dialogue for a rule; None if there is none like it."""
    match words:
        case ("send", text, *_):
            return "send", {"text": text}
        case ("send-binary", digits, *_):
            return "send", {"hex": digits}
        case ("expect", "string", text, *_):
            return "expect", {"text": text}
        case ("expect", "binary", digits, *_):
            return "expect", {"hex": digits}
        case ("expect", "rstring", pattern, *_):
            return "expect_regex", pattern
    return None


def _literal(what: Any) -> Any:
    """Return the content of a step in which nothing is a variable."""
    if isinstance(what, dict) and "text" in what:
        return {"text": without_variables(what["text"])}
    return what


_SENT = {"meth": "http_method", "uri": "url_path", "ver": "http_version", "body": "body"}


def _codes(how: str, pattern: str, *, negated: bool) -> str:
    """Return the codes that HAProxy accepts, as ranges."""
    if how == "rstatus":
        expression = re.compile(pattern)
        accepted = {code for code in CODES if expression.search(str(code))}
    else:
        accepted = {code for part in pattern.split(",") for code in span(part)}
    if negated:
        accepted = set(CODES) - accepted
    return ranges(sorted(accepted))
