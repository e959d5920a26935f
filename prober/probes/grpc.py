"""GRPC: good when grpc.health.v1.Health/Check answers with an expected code, and SERVING.

Sources: grpc/doc/PROTOCOL-HTTP2.md; grpc/doc/health-checking.md.
"""

import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar
from urllib.parse import unquote_to_bytes

from prober import __version__
from prober.model.fact import INTEGER, TEXT, Fact, Gauge, IfAbsent
from prober.model.file_kinds import SECRET, Secret
from prober.model.kinds import Codes, Frozen, codes, mapping_of, matching, text
from prober.model.option import ReadContext, Rejected, option
from prober.model.probe import (
    RECEIVE,
    TLS_FACTS,
    PhaseGauge,
    Probe,
    Send,
    StartTls,
    Steps,
    Target,
    Trouble,
)
from prober.model.secret import names_a_secret
from prober.model.status import FactValue, Outcome, Reason, Verdict
from prober.model.tls_settings import TlsSettings
from prober.probes.http2_talk import H2, secure, trouble_of
from prober.probes.http_facts import HTTP_STATUS_CODE
from prober.probes.proxy_protocol import announcing, send_proxy_option
from prober.probes.tls import TLS, handshake
from prober.protocols.http2 import GoAwayError, Http2Error, StreamResetError
from prober.protocols.http2_call import Call, Field, read_code, write_call

_FIELDS_LIMIT = 1000  # of a HealthCheckResponse, which has one
_OWN_HEADERS = ("te", "content-type", "user-agent", "host", "connection", "content-length")
_SERVING_STATUS = ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")
_SERVING = 1


def _wrong_key(name: str) -> str | None:
    if not re.fullmatch(r"[0-9a-z_.-]+", name):
        return "expected a key of lower-case letters, digits, _, - and ."
    if name.startswith("grpc-") or name in _OWN_HEADERS:
        return "the call sets this itself"
    return None


def _read_value(value: object, outside: ReadContext) -> Secret:
    secret = SECRET.read(value, outside)
    if not re.fullmatch(r"[ -~]*", secret.content):
        raise Rejected("expected ASCII without control characters; base64 for a key with -bin")
    return secret


METADATA = mapping_of(replace(SECRET, read=_read_value), _wrong_key, most=100)


GRPC_SERVING_STATUS = Fact(
    name="grpc_serving_status",
    kind=TEXT,
    doc="what the health service answers, such as `SERVING`",
    said="gRPC {}",
)
_DEADLINE_EXCEEDED, _UNAVAILABLE, _UNKNOWN = 4, 14, 2
_OF_HTTP = {400: 13, 401: 16, 403: 7, 404: 12, **dict.fromkeys((429, 502, 503, 504), _UNAVAILABLE)}


def code_of_client(outcome: Outcome) -> int:
    """Return the code that a gRPC client sets itself if the call got none.

    Sources: grpc/doc/statuscodes.md; grpc/doc/http-grpc-status-mapping.md.
    """
    if outcome.reason is Reason.TIMEOUT:
        return _DEADLINE_EXCEEDED
    status = (outcome.facts or {}).get(HTTP_STATUS_CODE.name)
    return _UNAVAILABLE if status is None else _OF_HTTP.get(int(status), _UNKNOWN)


_DENYING = frozenset({7, 16})  # PERMISSION_DENIED, UNAUTHENTICATED
GRPC_STATUS_CODE = Fact(
    name="grpc_status_code",
    kind=INTEGER,
    doc="status code of the gRPC call",
    said="gRPC code {}",
    remembered=True,
    gauge=Gauge("probe_grpc_status_code", "Response gRPC status code"),
    gauge_if_absent=IfAbsent(
        lambda outcome: float(code_of_client(outcome)),
        "a gRPC client's own, such as 4 or 14,",
    ),
    expected_by="expected_codes",
)
_NO_GRPC = replace(HTTP_STATUS_CODE, gauge_if_absent=None)
"""The server answers, but does not speak gRPC."""


GRPC_PHASES = PhaseGauge(
    "probe_grpc_duration_seconds",
    "Duration of gRPC request by phase",
    (("resolve", ("resolve",)), ("check", ("connect", "tls", "send", "first_byte", "transfer"))),
)
GRPC_SSL = Gauge("probe_grpc_ssl", "Indicates if SSL was used for the connection")


@dataclass(frozen=True, slots=True, kw_only=True)
class GrpcProbe(Probe):
    """Call grpc.health.v1.Health/Check, over TLS if `tls` is given.

    Code 0 is good only if the answer is SERVING; other codes are compared with expected_codes
    alone.
    """

    good_when: ClassVar[str] = (
        "`grpc.health.v1.Health/Check` answers SERVING, or with another expected code"
    )
    phase_gauge: ClassVar[PhaseGauge | None] = GRPC_PHASES
    tls_gauge: ClassVar[Gauge | None] = GRPC_SSL
    facts: ClassVar[tuple[Fact, ...]] = (
        GRPC_SERVING_STATUS,
        GRPC_STATUS_CODE,
        _NO_GRPC,
        *TLS_FACTS,
    )
    over_unix: ClassVar[bool] = True
    example: ClassVar[Mapping[str, object]] = {"service": "orders"}

    service: str = option(
        text(longest=255), default="", doc="service to ask about; empty: the whole server"
    )
    authority: str | None = option(
        matching(r"[A-Za-z0-9._\[\]:-]+", "a host, or host:port", longest=255),
        default=None,
        doc="the :authority header; default: the target",
    )
    expected_codes: Codes = option(
        codes(0, 99), default=Codes("0", frozenset({0})), doc="gRPC status codes that are good"
    )
    metadata: Frozen[Secret] = option(
        METADATA,
        default=Frozen(),
        secret=names_a_secret,
        doc="metadata of the call; values may be `{file: …}` or `{env: …}`",
    )
    tls: TlsSettings | None = option(TLS, default=None, doc="TLS settings; without them, no TLS")
    send_proxy: str | None = send_proxy_option()

    def is_denial(self, verdict: Verdict) -> bool:
        """Return whether the target may not accept our secrets or our certificate."""
        if verdict.reason is Reason.UNEXPECTED_STATUS and verdict.facts:
            code = verdict.facts.get(GRPC_STATUS_CODE.name)
            return code in _DENYING or verdict.facts.get(HTTP_STATUS_CODE.name) in (401, 403)
        return Probe.is_denial(self, verdict)

    def bind(self, target: Target) -> Callable[[], Steps]:
        """Return a function that starts one probe of this target."""
        request = Send(self._request(target), until_answered=True)
        start = None
        if self.tls is not None:
            start = handshake(self.tls, target.name, (H2,))
        return announcing(self.send_proxy, lambda: self._converse(start, request))

    def _request(self, target: Target) -> bytes:
        headers: list[Field] = [
            (":method", "POST"),
            (":scheme", "https" if self.tls else "http"),
            (":path", "/grpc.health.v1.Health/Check"),
            (":authority", self.authority or (target.name if target.path else str(target))),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
            ("user-agent", f"prober/{__version__}"),
            *((name, each.content, each.masked) for name, each in self.metadata.items()),
        ]
        service = self.service.encode()
        message = b"\x0a" + _varint(len(service)) + service if service else b""
        return write_call(headers, struct.pack(">BI", 0, len(message)) + message).content

    def _converse(self, start: StartTls | None, request: Send) -> Steps:
        if start is not None:
            yield from secure(start)
        yield request
        call = Call()
        try:
            while not call.ended:
                content: bytes = yield RECEIVE
                if not content:
                    return Verdict(Reason.CLOSED, "closed before the answer to the call")
                answers = call.feed(content)
                if answers and not call.ended:
                    yield Send(answers, until_answered=True)
            return self._judge(call)
        except (Http2Error, StreamResetError, GoAwayError) as error:
            raise trouble_of(error, "gRPC") from None

    def _judge(self, call: Call) -> Verdict:
        if not call.status:
            raise _broken("it has no :status")
        code, message = None, ""
        for name, value in call.headers:
            if name == b"grpc-status":
                code = read_code(name, value, 2)
            elif name == b"grpc-message":
                words = unquote_to_bytes(value[:600])[:200].decode(errors="replace")
                message = "".join(c if c.isprintable() else "\ufffd" for c in words)
        if code is None:
            if call.status != 200:
                facts = {HTTP_STATUS_CODE.name: call.status}
                detail = f"HTTP {call.status} instead of a gRPC answer"
                return Verdict(Reason.UNEXPECTED_STATUS, detail, facts)
            raise _broken("the call ended without a grpc-status")
        return self._judge_code(code, f": {message}" if message else "", bytes(call.body))

    def _judge_code(self, code: int, words: str, body: bytes) -> Verdict:
        facts: dict[str, FactValue] = {GRPC_STATUS_CODE.name: code}
        if code not in self.expected_codes.members:
            detail = f"gRPC code {code}{words}, expected {self.expected_codes.written}"
            return Verdict(Reason.UNEXPECTED_STATUS, detail, facts)
        if code != 0:
            return Verdict(Reason.OK, f"gRPC code {code}{words}", facts)
        status = _serving_status(body)
        name = _SERVING_STATUS[status] if status < len(_SERVING_STATUS) else str(status)
        reason = Reason.OK if status == _SERVING else Reason.NOT_SERVING
        return Verdict(reason, f"gRPC {name}", {**facts, GRPC_SERVING_STATUS.name: name})


def _broken(what: str) -> Trouble:
    return Trouble(Reason.BAD_RESPONSE, f"not a valid gRPC reply: {what}")


def _varint(number: int) -> bytes:
    digits = bytearray()
    while number > 0x7F:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*digits, number))


def _serving_status(message: bytes) -> int:
    """Return field 1 of the one HealthCheckResponse in a gRPC message stream."""
    if len(message) < 5:
        raise _broken("code 0 without a message")
    compressed, length = struct.unpack_from(">BI", message)
    if compressed or length != len(message) - 5:
        raise _broken("expected exactly one uncompressed message")
    status, position, fields = 0, 5, 0
    while position < len(message):
        fields += 1
        if fields > _FIELDS_LIMIT:
            raise _broken(f"its message has more than {_FIELDS_LIMIT} fields")
        key, position = _read_varint(message, position)
        wire = key & 7
        if wire == 0:
            value, position = _read_varint(message, position)
            status = value if key >> 3 == 1 else status
        elif wire == 2:
            size, position = _read_varint(message, position)
            position += size
        elif wire in (1, 5):
            position += 8 if wire == 1 else 4
        else:
            raise _broken("its message is malformed")
    if position != len(message):
        raise _broken("its message is truncated")
    return status


def _read_varint(message: bytes, position: int) -> tuple[int, int]:
    number = 0
    for shift in range(0, 70, 7):
        if position >= len(message):
            break
        byte = message[position]
        position += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, position
    raise _broken("its message is truncated")
