"""TLS over the engine's sockets: one shared context per distinct setting, handshakes in memory."""

import ssl
from collections.abc import Iterator

from prober.engine.os_errors import from_tls
from prober.model.monitor import Monitor
from prober.model.option import Complaint
from prober.model.probe import StartTls, TlsSession, Trouble
from prober.model.status import Reason
from prober.model.tls_settings import TlsSettings
from prober.protocols.der import not_after

READ_SIZE = 16384
_HEAD_SIZE = 5  # of a record: its type, a version, its length in two bytes
_LONGEST_ALERT = 2 + 1 + 16  # bytes: its level and what it says, its type, the tag of the cipher
_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_REMEMBERED_CERTIFICATES = 4096


def make_context(settings: TlsSettings, alpn: tuple[str, ...] = ()) -> ssl.SSLContext:
    """Return a context for these settings; raise OSError or ssl.SSLError for unusable files."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = _VERSIONS[settings.min_version]
    context.check_hostname = settings.verify
    context.verify_mode = ssl.CERT_REQUIRED if settings.verify else ssl.CERT_NONE
    if settings.verify and settings.ca_file:
        context.load_verify_locations(settings.ca_file)
    elif settings.verify:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    if settings.cert_file:
        context.load_cert_chain(settings.cert_file, settings.key_file, password=_no_password)
    if alpn:
        context.set_alpn_protocols(alpn)
    return context


def _no_password() -> str:
    raise ValueError("the key is encrypted")


def vet(monitor: Monitor) -> Iterator[Complaint]:
    """Yield what is wrong with the TLS files of a monitor beyond what can be read in them."""
    if monitor.tls is None:
        return
    try:
        make_context(monitor.tls, monitor.tls.alpn or ())
    except (OSError, ValueError) as error:
        yield Complaint(("tls",), _unusable(error))


def _unusable(error: OSError | ValueError) -> str:
    words = getattr(error, "reason", None) or str(error)
    return f"OpenSSL cannot use these files: {words}"


class TlsContexts:
    """The contexts in use, made when first asked for."""

    def __init__(self) -> None:
        self._contexts: dict[tuple[object, ...], ssl.SSLContext] = {}

    def get(self, start: StartTls) -> ssl.SSLContext:
        """Return the context for a handshake. Raise `Trouble`."""
        settings = start.settings
        key = (
            settings.verify,
            settings.ca_file,
            settings.cert_file,
            settings.key_file,
            settings.min_version,
            start.alpn,
        )
        context = self._contexts.get(key)
        if context is None:
            try:
                context = self._contexts[key] = make_context(settings, start.alpn)
            except (OSError, ValueError) as error:  # they were good when they were configured
                raise Trouble(Reason.INTERNAL, _unusable(error)) from None
        return context

    def clear(self) -> None:
        """Forget all contexts, so that changed files are read again."""
        self._contexts.clear()


class TlsStream:
    """One TLS connection in memory: ciphertext goes in and out, the socket is the engine's."""

    __slots__ = ("_head", "_incoming", "_object", "_since", "is_secured", "outgoing", "pending")

    def __init__(self, context: ssl.SSLContext, server_name: str) -> None:
        self.is_secured = False
        self.pending = False  # whether `read` may find something
        self._head, self._since = b"", 0  # how the first record after the handshake begins, bytes
        self._incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        self._object = context.wrap_bio(
            self._incoming, self.outgoing, server_hostname=server_name.rstrip(".")
        )

    def feed(self, content: bytes) -> None:
        """Take in what came from the socket; nothing means that it has ended."""
        self.pending = True
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
            raise from_tls(error) from None
        self.is_secured = True
        self.pending = False
        if self._incoming.pending:
            early = self._incoming.read()
            self.feed(early)
        return True

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
        certificate = self._object.getpeercert(binary_form=True) or b""
        if certificate not in expiries:
            if len(expiries) >= _REMEMBERED_CERTIFICATES:
                expiries.clear()
            expiries[certificate] = not_after(certificate)
        version = self._object.version() or "TLS"
        session = TlsSession(version, self._object.selected_alpn_protocol(), expiries[certificate])
        if not chain:
            return session
        sent = _certificates(self._object, "get_unverified_chain") or (certificate,)
        if self._object.context.verify_mode is ssl.CERT_NONE:
            return session._replace(sent=sent)
        trusted = _certificates(self._object, "get_verified_chain")
        return session._replace(sent=sent, trusted=trusted)


def _certificates(connection: ssl.SSLObject, method: str) -> tuple[bytes, ...]:
    """Return a chain of certificates, which Python shows openly only from 3.13 on."""
    if hasattr(connection, method):
        return tuple(getattr(connection, method)())
    hidden = getattr(getattr(connection, "_sslobj", None), method, None)
    found = hidden() if hidden else None
    encoding = 2  # ssl._ssl.ENCODING_DER
    return tuple(each.public_bytes(encoding) for each in found or ())
