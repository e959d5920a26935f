"""The kinds of values that the keys of a module accept."""

import re
from base64 import b64encode
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from prober.config.blackbox.re2 import RE2
from prober.config.blackbox.unsupported import Unsupported, unsupported
from prober.model.file_kinds import ABSENT, Secret, read_file, read_secret_file
from prober.model.kinds import BOOLEAN, choice, list_of, mapping_of, matching, reject_surrogates
from prober.model.option import Kind, ReadContext, Rejected, expected
from prober.model.pool import normal_host
from prober.model.probe import Target
from prober.probes.dns import NAMED_TYPE

_DURATION = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:ns|us|µs|ms|s|m|h))+")
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ns|us|µs|ms|s|m|h)")
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_SIZE = re.compile(r"([0-9]+)\s*([KMGTPE]?i?B?)", re.IGNORECASE)
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5, "E": 6}
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105  (RFC 9110, section 5.6.2)
_FRAMING = ("content-length", "transfer-encoding", "trailer")
_ELSEWHERE = ("unix", "websocket")


def _read_duration(value: object, _: ReadContext) -> float:
    if not isinstance(value, str) or not _DURATION.fullmatch(value):
        raise expected("a duration such as 5s, 500ms or 1m30s", value)
    return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(value))


def _read_size(value: object, _: ReadContext) -> int:
    found = _SIZE.fullmatch(str(value)) if isinstance(value, str | int) else None
    if not found or isinstance(value, bool):
        raise expected("a size such as 10MB or 512KiB", value)
    size: int = int(found[1]) * 1024 ** _POWERS[found[2][:1].upper().rstrip("B")]
    return size


def refusing(reason: str) -> Kind[Any]:
    """Return the kind of a key that asks for something prober does not support."""

    def read(_: object, __: ReadContext) -> Any:
        raise unsupported(reason)

    return Kind(read, {"not": {}})


def off(reason: str) -> Kind[bool]:
    """Return the kind of a switch that must stay off."""

    def read(value: object, outside: ReadContext) -> bool:
        if BOOLEAN.read(value, outside):
            raise unsupported(reason)
        return False

    return Kind(read, BOOLEAN.schema)


def _read_secret(value: object, outside: ReadContext) -> Secret:
    return Secret(_read_text(value, outside), masked=True)


def _read_secret_file(value: object, outside: ReadContext) -> Secret:
    content = read_secret_file(_read_text(value, outside), outside)
    return Secret(ABSENT if content is None else content.strip(), masked=True)


def _read_text(value: object, _: ReadContext) -> str:
    if not isinstance(value, str):
        raise expected("text", value)
    reject_surrogates(value)
    return value


def _read_text_file(value: object, outside: ReadContext) -> str:
    return read_file(_read_text(value, outside), outside)


def _read_header_value(value: object, outside: ReadContext) -> str:
    content = _read_text(value, outside)
    if re.search(r"[\r\n\x00]", content):
        raise Rejected("a header value cannot contain line breaks")
    return content


def _wrong_header_name(name: str) -> str | None:
    if not re.fullmatch(_TOKEN, name):
        return "expected a header name"
    if name.lower() in _FRAMING:
        return Unsupported("prober sets the headers that frame the request's body")
    return None


def _read_method(value: object, outside: ReadContext) -> str:
    if value == "CONNECT":
        raise unsupported("CONNECT requests a tunnel from a proxy")
    return _METHOD.read(value, outside)


def _read_record_type(value: object, outside: ReadContext) -> str:
    try:
        return NAMED_TYPE.read(value, outside)
    except Rejected:
        if isinstance(value, str) and re.fullmatch(r"[A-Z0-9]+", value):
            raise unsupported(f"prober does not know the record type {value}") from None
        raise


def _read_prober(value: object, outside: ReadContext) -> str:
    if value in _ELSEWHERE:
        raise unsupported(f"prober does not support {value}")
    return _PROBER.read(value, outside)


class ProxyUrl(NamedTuple):
    """A proxy, and the credentials in its URL as a header value, if there are any."""

    address: Target
    credentials: str | None


def _read_proxy_url(value: object, _: ReadContext) -> ProxyUrl:
    try:
        parts = urlsplit(value if isinstance(value, str) else "")
        port = parts.port or 80
    except ValueError:
        raise expected("the URL of a proxy", "a URL") from None
    if parts.scheme in _OTHER_PROXIES:
        raise unsupported(f"prober does not support proxies over {parts.scheme}")
    host = normal_host(parts.hostname or "")
    if parts.scheme != "http" or host is None:
        raise Rejected("expected the URL of a proxy, such as http://proxy.example:3128")
    if parts.username is None:
        return ProxyUrl(Target(host, port), None)
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return ProxyUrl(Target(host, port), f"Basic {b64encode(pair.encode()).decode()}")


_OTHER_PROXIES = ("https", "socks5", "socks5h")
_STRING = {"type": "string"}
_METHOD = matching(_TOKEN, "a method", 32)
_PROBER = choice("http", "tcp", "grpc", "dns", "icmp")

TEXT = Kind(_read_text, _STRING)
TEXT_FILE = Kind(_read_text_file, _STRING)
SECRET = Kind(_read_secret, _STRING, str, holds_secrets=True)
SECRET_FILE = Kind(_read_secret_file, _STRING, str, holds_secrets=True)
DURATION = Kind(_read_duration, _STRING, lambda seconds: f"{seconds:g}s")
SIZE = Kind(_read_size, _STRING)
PATTERNS = list_of(RE2)
FAMILY = choice("ip4", "ip6")
METHOD = Kind(_read_method, _METHOD.schema)
RECORD_TYPE = Kind(_read_record_type, NAMED_TYPE.schema)
PROBER = Kind(_read_prober, _PROBER.schema)
TLS_VERSION = choice("TLS10", "TLS11", "TLS12", "TLS13")
HEADER_NAME = matching(_TOKEN, "a header name", 256)
HEADER_VALUE = Kind(_read_header_value, _STRING)
PROXY_URL = Kind(_read_proxy_url, _STRING, str)
HEADERS = mapping_of(HEADER_VALUE, _wrong_header_name, same=str.lower)
IGNORED: Kind[object] = Kind(lambda value, _: value, {"type": "object"})
