"""TLS over the engine's sockets: handshakes in memory."""

import ssl
from collections.abc import Mapping
from typing import Any, Final

from prober.engine.certificate_cache import CertificateCache
from prober.engine.os_errors import from_tls
from prober.engine.stapling import StaplingObject
from prober.engine.tls_contexts import TlsContext, TlsContexts
from prober.model.probe import StartTls, TlsSession, Trouble
from prober.model.status import Reason
from prober.model.tls_settings import TlsSettings
from prober.probes.pattern import SHORT, searcher
from prober.protocols.certificate_name import is_for
from prober.protocols.ocsp import GOOD, REVOKED, demands_response, read_stapled
from prober.protocols.tls_hello import takes_long

READ_SIZE: Final = 16384
_HEAD_SIZE: Final = 5  # of a record: type, version, length in two bytes
_LONGEST_ALERT: Final = 2 + 1 + 16  # bytes: level and description, type, authentication tag
_LONGEST_CHAIN: Final = 32  # certificates to read; each takes 15 us
_DER: Final = 2  # ssl._ssl.ENCODING_DER
_SHORT_RECORD: Final = 512  # bytes of content
_SHORT_RECORDS: Final = 4096  # limit of such records in a reply
_OVERHEAD: Final = 64  # bytes of a record beside its content, at most
_BARREN: Final = 16384 + 24576  # bytes of an incomplete record, and of session tickets


def begin(contexts: TlsContexts, start: StartTls) -> "TlsStream":
    """Return the stream for a new handshake. Raise `Trouble`.

    Unlike browsers, OpenSSL does not match a wildcard with a name that contains `_`, so such names
    are compared here.
    """
    matched_here = start.settings.verify and "_" in start.server_name
    context = contexts.get(start, match_name=not matched_here)
    return TlsStream(context, start.server_name, match=start.server_name if matched_here else "")


class TlsStream:
    """One TLS connection in memory: takes and returns ciphertext; the engine owns the socket."""

    __slots__ = (
        "_barren",
        "_fed",
        "_head",
        "_hello",
        "_incoming",
        "_match",
        "_object",
        "_short_records",
        "_since",
        "is_secured",
        "outgoing",
        "pending",
        "takes_long",
    )

    def __init__(self, context: TlsContext, server_name: str, *, match: str = "") -> None:
        self.is_secured = False
        self.pending = False  # whether `read` may return something
        self.takes_long: bool | None = None  # whether to shake hands in a thread
        self._hello: bytes | None = b""  # what the server began with, until that is known
        self._fed = b""  # the last input
        self._match = match  # the name to match, if OpenSSL does not do it
        self._barren = 0  # bytes since the handshake that brought no content
        self._short_records = 0
        self._head = b""  # of the first record after the handshake
        self._since = 0  # bytes since the handshake
        self._incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        self._object = context.wrap_bio(
            self._incoming, self.outgoing, server_hostname=server_name.rstrip(".")
        )

    def feed(self, content: bytes) -> None:
        """Take bytes from the socket; empty bytes mean the end."""
        self.pending = True
        self._fed = content
        if content:
            self._incoming.write(content)
            if self._hello is not None:
                self._hello += content
                self.takes_long = takes_long(self._hello)
                if self.takes_long is not None:
                    self._hello = None
            self._note(content)
        else:
            self._incoming.write_eof()

    def shake(self) -> bool:
        """Continue the handshake; return whether it is complete. Raise `Trouble`."""
        if self.is_secured:
            return True
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError as error:
            raise from_tls(error, self._fed) from None
        if self._match:
            self._match_name()
        self.is_secured = True
        self.pending = False
        if self._incoming.pending:
            early = self._incoming.read()
            self.feed(early)
        return True

    def _match_name(self) -> None:
        """Raise `Trouble` unless the verified certificate is for the name."""
        certificate: Mapping[str, Any] = self._object.getpeercert() or {}
        names = certificate.get("subjectAltName", ())
        if not is_for(self._match, [name for kind, name in names if kind == "DNS"]):
            detail = f"Hostname mismatch, certificate is not valid for '{self._match}'."
            raise Trouble(Reason.TLS_HOSTNAME, f"certificate: {detail}")

    def _note(self, content: bytes) -> None:
        if self.is_secured:
            self._barren += len(content)
            self._since += len(content)
            if len(self._head) < _HEAD_SIZE:
                self._head = (self._head + content)[:_HEAD_SIZE]

    def read(self) -> bytes | None:
        """Return the next bytes, `b""` at the end, None if it needs more input. Raise `Trouble`."""
        if self._barren > _BARREN:
            raise Trouble(Reason.BAD_RESPONSE, "too many TLS records without content")
        try:
            content = self._object.read(READ_SIZE)
        except ssl.SSLWantReadError:
            self.pending = False
            return None
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            return b""
        except ssl.SSLError as error:
            raise from_tls(error) from None
        self._barren -= len(content) + _OVERHEAD
        if len(content) < _SHORT_RECORD:
            self._short_records += 1
            if self._short_records > _SHORT_RECORDS:
                what = f"a reply in more than {_SHORT_RECORDS} short TLS records"
                raise Trouble(Reason.BAD_RESPONSE, what)
        return content

    @property
    def has_more(self) -> bool:
        """Whether `read` has left something of what was fed."""
        return bool(self._incoming.pending)

    def write(self, content: bytes) -> None:
        """Encrypt bytes to `outgoing`. Raise `Trouble`."""
        try:
            self._object.write(content)
        except ssl.SSLError as error:
            raise from_tls(error) from None

    @property
    def context(self) -> TlsContext:
        """What the handshake offers and trusts."""
        return self._object.context

    @property
    def is_welcome(self) -> bool:
        """Whether the server's first record after the handshake is too long to be an alert.

        Such a record means that the server accepts the handshake, whatever it contains; letting
        OpenSSL process session tickets would cost an eighth of a handshake. Only a padded alert,
        which no server sends, could be mistaken.
        """
        head = self._head
        return len(head) == _HEAD_SIZE and int.from_bytes(head[-2:]) > _LONGEST_ALERT

    @property
    def has_answer(self) -> bool:
        """Whether a whole record has arrived since the handshake (RFC 8446, section 5.1).

        If `read` then finds nothing wrong, it was a session ticket or something equally harmless.
        """
        if len(self._head) < _HEAD_SIZE:
            return False
        return self._since >= _HEAD_SIZE + int.from_bytes(self._head[-2:])

    @property
    def has_ticket(self) -> bool:
        """Whether the server has sent a session ticket, which it does once it accepts.

        OpenSSL takes 0.14 ms to determine this, a fifth of a handshake.
        """
        session = self._object.session
        return session is not None and session.has_ticket

    def session(self, cache: CertificateCache, *, chain: bool = False) -> TlsSession:
        """Return the result of the handshake; `cache` reads its certificates."""
        sent = _sent(self._object)
        leaf = cache.leaf_of(sent[0]) if sent else None
        earliest = leaf.end if leaf else None
        for certificate in sent[1:]:
            end = cache.end_of(certificate)
            if end is not None and (earliest is None or end < earliest):
                earliest = end
        session = TlsSession(
            self._object.version() or "TLS",
            self._object.selected_alpn_protocol(),
            leaf.end if leaf else None,
            earliest,
            sent,
            issuer=leaf.issuer if leaf else None,
            fingerprint=leaf.fingerprint if leaf else None,
            key=leaf.key if leaf else None,
        )
        if not chain or self._object.context.verify_mode is ssl.CERT_NONE:
            return session
        return session._replace(trusted=_certificates(self._object, "get_verified_chain"))

    @property
    def staple(self) -> bytes:
        """The OCSP response that the server has stapled, empty if it has not."""
        return getattr(self._object, "staple", b"")


def check_leaf(settings: TlsSettings, session: TlsSession) -> None:
    """Raise `Trouble` unless the target's own certificate has a pinned key and the right issuer."""
    if settings.pin:
        found = session.key or "unreadable"
        if found not in settings.pin:
            raise Trouble(Reason.TLS_PIN, f"certificate: its key, {found}, is not pinned")
    if settings.expect_issuer:
        issuer = session.issuer or ""
        try:
            matches = searcher(settings.expect_issuer).at_once(issuer[:SHORT]) is not None
        except TimeoutError:
            matches = False
        if not matches:
            words = f"issued by {issuer[:200]!r}, expected {settings.expect_issuer!r}"
            raise Trouble(Reason.TLS_ISSUER, f"certificate: {words}")


def check_staple(
    settings: TlsSettings, session: TlsSession, staple: bytes, now: float
) -> tuple[TlsSession, Trouble | None]:
    """Return the session with what a stapled OCSP response says, and why that is bad, if it is.

    `now` is in unix seconds.
    """
    leaf, chain = b"".join(session.sent[:1]), (*session.trusted[1:], *session.sent[1:])
    status, detail, next_update = read_stapled(staple, leaf, chain, now)
    session = session._replace(ocsp_status=status, ocsp_next_update=next_update)
    words = f"certificate: stapled OCSP response: {detail}"
    if status == REVOKED:
        return session, Trouble(Reason.TLS_REVOKED, words)
    if status != GOOD and (settings.ocsp == "require" or demands_response(leaf)):
        return session, Trouble(Reason.TLS_OCSP, words)
    return session, None


def _sent(connection: ssl.SSLObject | StaplingObject) -> tuple[bytes, ...]:
    """Return the certificates that the server sent, leaf first; a very long chain is truncated."""
    sent = _certificates(connection, "get_unverified_chain")
    if not sent:  # this Python does not expose them
        leaf = connection.getpeercert(binary_form=True)
        return (leaf,) if leaf else ()
    return sent


def _certificates(connection: ssl.SSLObject | StaplingObject, method: str) -> tuple[bytes, ...]:
    """Return a chain of certificates, which Python exposes publicly only since 3.13."""
    shown = getattr(connection, method, None)
    if shown is not None:
        return tuple(shown()[:_LONGEST_CHAIN])
    hidden = getattr(getattr(connection, "_sslobj", None), method, None)
    found = hidden() if hidden else None
    return tuple([each.public_bytes(_DER) for each in found[:_LONGEST_CHAIN]] if found else ())
