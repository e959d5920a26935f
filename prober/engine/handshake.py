"""TLS over the engine's sockets: handshakes in memory."""

import ssl
from collections.abc import Iterable, Mapping
from typing import Any

from prober.engine.os_errors import from_tls
from prober.engine.tls_contexts import TlsContexts
from prober.model.probe import StartTls, TlsSession, Trouble
from prober.model.status import Reason
from prober.protocols.der import not_after

READ_SIZE = 16384
_HEAD_SIZE = 5  # of a record: its type, a version, its length in two bytes
_LONGEST_ALERT = 2 + 1 + 16  # bytes: its level and what it says, its type, the tag of the cipher
_REMEMBERED_CERTIFICATES = 4096
_LONGEST_CHAIN = 32  # certificates that are looked at, as it takes 15 us to read one
_IS_SHOWN = hasattr(ssl.SSLObject, "get_unverified_chain")
_DER = 2  # ssl._ssl.ENCODING_DER


def begin(contexts: TlsContexts, start: StartTls) -> "TlsStream":
    """Return the stream for a handshake that has not begun. Raise `Trouble`.

    To OpenSSL, unlike to browsers, no wildcard stands for a name with `_`: it is compared here.
    """
    matched_here = start.settings.verify and "_" in start.server_name
    context = contexts.get(start, match_name=not matched_here)
    return TlsStream(context, start.server_name, match=start.server_name if matched_here else "")


def is_for(name: str, patterns: Iterable[str]) -> bool:
    """Return whether one of a certificate's DNS names is for a host (RFC 9525, section 6.3).

    A wildcard stands for the whole of the first label, before two others at least.
    """
    name = name.lower().rstrip(".")
    _, _, parent = name.partition(".")
    for pattern in patterns:
        pattern = pattern.lower().rstrip(".")  # noqa: PLW2901  (the same, in one form)
        if pattern == name:
            return True
        if pattern[:2] == "*." and pattern[2:] == parent and "." in parent:
            return True
    return False


class TlsStream:
    """One TLS connection in memory: ciphertext goes in and out, the socket is the engine's."""

    __slots__ = (
        "_fed",
        "_head",
        "_incoming",
        "_match",
        "_object",
        "_since",
        "is_secured",
        "outgoing",
        "pending",
    )

    def __init__(self, context: ssl.SSLContext, server_name: str, *, match: str = "") -> None:
        self.is_secured = False
        self.pending = False  # whether `read` may find something
        self._fed = b""  # what came last
        self._match = match  # the name that the certificate must have, if OpenSSL does not look
        self._head, self._since = b"", 0  # how the first record after the handshake begins, bytes
        self._incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        self._object = context.wrap_bio(
            self._incoming, self.outgoing, server_hostname=server_name.rstrip(".")
        )

    def feed(self, content: bytes) -> None:
        """Take in what came from the socket; nothing means that it has ended."""
        self.pending = True
        self._fed = content
        if content:
            self._incoming.write(content)
            self._note(content)
        else:
            self._incoming.write_eof()

    def shake(self) -> bool:
        """Go on with the handshake; return whether it is complete. Raise `Trouble`."""
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
        """Raise `Trouble` unless the certificate, which is verified, is for the name."""
        certificate: Mapping[str, Any] = self._object.getpeercert() or {}
        names = certificate.get("subjectAltName", ())
        if not is_for(self._match, [name for kind, name in names if kind == "DNS"]):
            detail = f"Hostname mismatch, certificate is not valid for '{self._match}'."
            raise Trouble(Reason.TLS_HOSTNAME, f"certificate: {detail}")

    def _note(self, content: bytes) -> None:
        if self.is_secured:
            self._since += len(content)
            if len(self._head) < _HEAD_SIZE:
                self._head = (self._head + content)[:_HEAD_SIZE]

    def read(self) -> bytes | None:
        """Return the next bytes, `b""` at the end, None if more must be fed. Raise `Trouble`."""
        try:
            return self._object.read(READ_SIZE)
        except ssl.SSLWantReadError:
            self.pending = False
            return None
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            return b""
        except ssl.SSLError as error:
            raise from_tls(error) from None

    def write(self, content: bytes) -> None:
        """Encrypt bytes; they are then in `outgoing`. Raise `Trouble`."""
        try:
            self._object.write(content)
        except ssl.SSLError as error:
            raise from_tls(error) from None

    @property
    def is_welcome(self) -> bool:
        """Whether the server's first record after the handshake is too long to be an alert.

        Such a record says that the server is content, whatever it holds; to have OpenSSL take in
        session tickets costs an eighth of a handshake. Only padding, which nobody gives an alert,
        could deceive it.
        """
        head = self._head
        return len(head) == _HEAD_SIZE and int.from_bytes(head[-2:]) > _LONGEST_ALERT

    @property
    def has_answer(self) -> bool:
        """Whether a whole record has come since the handshake (RFC 8446, section 5.1).

        If `read` then finds nothing to say of it, it was a session ticket, or as harmless.
        """
        if len(self._head) < _HEAD_SIZE:
            return False
        return self._since >= _HEAD_SIZE + int.from_bytes(self._head[-2:])

    @property
    def has_ticket(self) -> bool:
        """Whether the server has sent a session ticket: it does so when it is content.

        That takes OpenSSL 0.14 ms to tell, a fifth of a handshake.
        """
        session = self._object.session
        return session is not None and session.has_ticket

    def session(self, expiries: dict[bytes, float | None], *, chain: bool = False) -> TlsSession:
        """Return what the handshake ended with; `expiries` remembers certificates seen before."""
        sent = _sent(self._object)
        if len(expiries) > _REMEMBERED_CERTIFICATES:
            expiries.clear()
        earliest = None
        for certificate in sent:
            if certificate not in expiries:
                expiries[certificate] = not_after(certificate)
            end = expiries[certificate]
            if end is not None and (earliest is None or end < earliest):
                earliest = end
        session = TlsSession(
            self._object.version() or "TLS",
            self._object.selected_alpn_protocol(),
            expiries[sent[0]] if sent else None,
            earliest,
            sent,
        )
        if not chain or self._object.context.verify_mode is ssl.CERT_NONE:
            return session
        return session._replace(trusted=_certificates(self._object, "get_verified_chain"))


def _sent(connection: ssl.SSLObject) -> tuple[bytes, ...]:
    """Return the certificates that the server showed, the leaf first; a very long chain cut off."""
    sent = _certificates(connection, "get_unverified_chain")
    if not sent:  # a Python that does not show them
        leaf = connection.getpeercert(binary_form=True)
        return (leaf,) if leaf else ()
    return sent


def _certificates(connection: ssl.SSLObject, method: str) -> tuple[bytes, ...]:
    """Return a chain of certificates, which Python shows openly only from 3.13 on."""
    if _IS_SHOWN:
        return tuple(getattr(connection, method)()[:_LONGEST_CHAIN])
    hidden = getattr(getattr(connection, "_sslobj", None), method, None)
    found = hidden() if hidden else None
    return tuple([each.public_bytes(_DER) for each in found[:_LONGEST_CHAIN]] if found else ())
