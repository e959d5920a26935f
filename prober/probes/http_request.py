"""What a monitor may say about its request of HTTP: the method, the headers."""

import re
from dataclasses import replace

from prober.model.file_kinds import SECRET, Secret
from prober.model.kinds import choice, mapping_of
from prober.model.option import Kind, ReadContext, Rejected
from prober.protocols.http1 import NAME

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "TRACE", "OPTIONS", "PATCH")
_OWN_HEADERS = frozenset({"connection", "content-length", "transfer-encoding"})


def _read_method(value: object, outside: ReadContext) -> str:
    if value == "CONNECT":
        raise Rejected("CONNECT cannot be probed, it requests a tunnel; probe the port with TCP")
    return _METHOD.read(value, outside)


_METHOD = choice(*METHODS)
METHOD = Kind(_read_method, _METHOD.schema)


def _wrong_header(name: str) -> str | None:
    if not re.fullmatch(NAME, name):
        return "expected a header name"
    if name.lower() in _OWN_HEADERS:
        return "the probe sets this header itself"
    return None


def _read_header(value: object, outside: ReadContext) -> Secret:
    secret = SECRET.read(value, outside)
    if re.search(r"[\r\n\x00]", secret.content):
        raise Rejected("a header value cannot contain line breaks")
    return secret


HEADERS = mapping_of(replace(SECRET, read=_read_header), _wrong_header, same=str.lower, most=100)
