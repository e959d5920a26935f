"""Handshakes that ask for an OCSP response, which Python's ssl cannot do: with pyOpenSSL.

The classes here have the interface of ssl.SSLContext and ssl.SSLObject as far as `TlsStream` needs
it, and raise their exceptions. pyOpenSSL is an extra, imported only where a monitor has `tls.ocsp`.
Its OpenSSL is that of the package `cryptography`, not the one of Python.
"""

import ssl
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from prober.model.option import Complaint, Rejected
from prober.model.tls_settings import TlsSettings
from prober.protocols.certificate_name import is_for

if TYPE_CHECKING:
    from OpenSSL.crypto import X509
    from OpenSSL.SSL import Connection

_HEAD: Final = 5  # bytes of a record before its content: type, version, length in two bytes
_OUTPUT: Final = 65536
_HOSTNAME_MISMATCH, _ADDRESS_MISMATCH = 62, 64  # X509_V_ERR_...
_VERSIONS: Final = {"1.0": 0x0301, "1.1": 0x0302, "1.2": 0x0303, "1.3": 0x0304}

T = TypeVar("T")


class Refusal(NamedTuple):
    """Why a certificate was not accepted: OpenSSL's number, and words."""

    number: int
    words: str


class Noted:
    """What OpenSSL reports during a handshake.

    `name` is what the certificate must be for; empty: anything.
    """

    __slots__ = ("name", "refusal", "staple")

    def __init__(self, name: str) -> None:
        self.name = name
        self.staple = b""
        self.refusal: Refusal | None = None


class StaplingContext:
    """Settings for handshakes that ask for an OCSP response; the counterpart of ssl.SSLContext."""

    def __init__(
        self, settings: TlsSettings, *, ciphers: str, options: int, match_name: bool
    ) -> None:
        """Prepare the offer; raise Rejected for what OpenSSL does not support."""
        from OpenSSL import SSL  # noqa: PLC0415  (an extra)

        self.check_hostname = settings.verify and match_name
        self.verify_mode = ssl.CERT_REQUIRED if settings.verify else ssl.CERT_NONE
        self._context = context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        for key in ("min_version", "max_version"):
            version = getattr(settings, key)
            limit = getattr(context, f"set_{key[:3]}_proto_version")
            what = f"the OpenSSL of the package cryptography does not support TLS {version}"
            _offer(limit, _VERSIONS[version], key=key, what=what)
        what = "OpenSSL supports none of these for TLS 1.2; TLS 1.3 ciphers are always offered"
        _offer(context.set_cipher_list, ciphers.encode(), key="ciphers", what=what)
        context.set_options(SSL.OP_ALL | SSL.OP_NO_COMPRESSION | options)
        if settings.verify:
            context.set_verify(SSL.VERIFY_PEER, _judge)
        context.set_ocsp_client_callback(_take_staple)

    def trust(self, ca_file: str | None, folders: str | None = None) -> None:
        """Trust the certificates of a file, or those in folders by their names' hashes.

        A certificate that is trusted need not be self-signed. Raise ValueError.
        """
        from OpenSSL.crypto import X509StoreFlags  # noqa: PLC0415

        if ca_file or folders:
            what = "no certificates that can be read"
            _try(self._context.load_verify_locations, ca_file, folders, what=what)
        if store := self._context.get_cert_store():
            store.set_flags(X509StoreFlags.PARTIAL_CHAIN)

    def present(self, cert_file: str, key_file: str | None) -> None:
        """Present a client certificate when it is asked for; raise OSError or ValueError."""
        from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
        from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
            load_pem_private_key,
        )

        use = self._context
        what = "no certificate that can be read"
        _try(use.use_certificate_chain_file, cert_file, what=what)
        try:
            key: Any = load_pem_private_key(Path(key_file or cert_file).read_bytes(), None)
        except TypeError:
            raise ValueError("the key is encrypted") from None
        except (ValueError, UnsupportedAlgorithm):
            raise ValueError("no private key that can be read") from None
        _try(use.use_privatekey, key, what="key values mismatch")

    def set_alpn_protocols(self, names: tuple[str, ...]) -> None:
        """Offer these application protocols."""
        self._context.set_alpn_protos([name.encode() for name in names])

    def wrap_bio(
        self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, *, server_hostname: str
    ) -> "StaplingObject":
        """Return a new connection; the name is sent as SNI unless it is an IP address."""
        from OpenSSL.SSL import Connection  # noqa: PLC0415

        noted = Noted(server_hostname if self.check_hostname else "")
        connection = Connection(self._context, None)
        connection.set_app_data(noted)
        connection.set_connect_state()
        connection.request_ocsp()
        if server_hostname and not _is_address(server_hostname):
            connection.set_tlsext_host_name(server_hostname.encode())
        return StaplingObject(self, connection, noted, (incoming, outgoing))


class StaplingObject:
    """One connection; the counterpart of ssl.SSLObject.

    OpenSSL is given one record at a time, so that what follows the handshake stays in `incoming`.
    """

    def __init__(
        self,
        context: StaplingContext,
        connection: "Connection",
        noted: Noted,
        ways: tuple[ssl.MemoryBIO, ssl.MemoryBIO],
    ) -> None:
        self.context = context
        self.session: ssl.SSLSession | None = None  # tickets are not told apart
        self._connection = connection
        self._noted = noted
        self._incoming, self._outgoing = ways
        self._head = b""  # of a record whose length has not come yet
        self._left = 0  # bytes of the current record that have not come yet
        self._ended = False

    @property
    def staple(self) -> bytes:
        """The OCSP response that the server has sent, empty if it has not."""
        return self._noted.staple

    def do_handshake(self) -> None:
        """Continue the handshake. Raise ssl.SSLWantReadError if it needs more input."""
        self._do(self._connection.do_handshake)

    def read(self, size: int) -> bytes:
        """Return at most so many bytes. Raise ssl.SSLWantReadError if it needs more input."""
        return self._do(lambda: self._connection.recv(size))

    def write(self, content: bytes) -> int:
        """Encrypt bytes."""
        self._do(lambda: self._connection.sendall(content))
        return len(content)

    def version(self) -> str:
        """Return the version of TLS by OpenSSL's name."""
        return self._connection.get_protocol_version_name()

    def selected_alpn_protocol(self) -> str | None:
        """Return the application protocol that was agreed on."""
        return self._connection.get_alpn_proto_negotiated().decode("ascii", "replace") or None

    def getpeercert(self, binary_form: bool = False) -> Any:  # noqa: FBT001, FBT002  (as ssl has it)
        """Return the certificate in DER, or its names, as ssl.SSLObject does."""
        found = self._connection.get_peer_certificate()
        if binary_form:
            return _der(found) if found else None
        return {"subjectAltName": [("DNS", name) for name in _names(found)[0]] if found else ()}

    def get_unverified_chain(self) -> list[bytes]:
        """Return the certificates that the server sent, in DER, leaf first."""
        return [_der(each) for each in self._connection.get_peer_cert_chain() or ()]

    def get_verified_chain(self) -> list[bytes]:
        """Return the certificates from the leaf up to one that is trusted, in DER."""
        return [_der(each) for each in self._connection.get_verified_chain() or ()]

    def _do(self, action: Callable[[], T]) -> T:
        """Have OpenSSL do something, with as much input as it needs; raise its errors as ssl's."""
        from OpenSSL import SSL  # noqa: PLC0415

        try:
            while True:
                try:
                    return action()
                except SSL.WantReadError:
                    if not self._give_record():
                        raise ssl.SSLWantReadError from None
        except SSL.ZeroReturnError:
            raise ssl.SSLZeroReturnError from None
        except SSL.SysCallError:
            raise ssl.SSLEOFError from None
        except SSL.Error as error:
            raise _as_ssl_error(error, self._noted.refusal) from None
        finally:
            with suppress(SSL.WantReadError):
                while True:
                    self._outgoing.write(self._connection.bio_read(_OUTPUT))

    def _give_record(self) -> bool:
        """Give OpenSSL what there is of one record, or the end; return whether there was any."""
        content = b""
        if not self._left:
            content = self._head + self._incoming.read(_HEAD - len(self._head))
            self._head = b""
            if len(content) == _HEAD:
                self._left = int.from_bytes(content[-2:])
            elif not self._incoming.eof:
                self._head, content = content, b""
        if self._left:
            more = self._incoming.read(self._left)
            self._left -= len(more)
            content += more
        if content:
            self._connection.bio_write(content)
            return True
        if self._incoming.eof and not self._ended:
            self._ended = True
            self._connection.bio_shutdown()
            return True
        return False


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _offer(action: Callable[..., object], given: object, *, key: str, what: str) -> None:
    """Do it; raise Rejected with these words about a key if OpenSSL cannot."""
    try:
        _try(action, given, what=what)
    except ValueError:
        raise Rejected(Complaint((key,), what)) from None


def _try(action: Callable[..., object], *given: object, what: str) -> None:
    """Do it; raise ValueError with these words if OpenSSL cannot."""
    from OpenSSL.SSL import Error  # noqa: PLC0415

    try:
        action(*given)
    except Error:
        raise ValueError(what) from None


def _as_ssl_error(error: "Exception", refusal: Refusal | None) -> ssl.SSLError:
    """Return the exception of Python's ssl for one of pyOpenSSL, which lists OpenSSL's errors."""
    queue = error.args[0] if error.args and isinstance(error.args[0], list) else []
    words = str(queue[-1][-1]) if queue else ""
    if refusal is not None:
        found = ssl.SSLCertVerificationError(1, words)
        found.verify_code, found.verify_message = refusal
        return found
    plain = ssl.SSLError(1, words)
    plain.reason = words
    return plain


def _take_staple(connection: "Connection", staple: bytes, _: object) -> bool:
    connection.get_app_data().staple = staple
    return True


def _judge(connection: "Connection", certificate: "X509", number: int, depth: int, ok: int) -> bool:
    """Note why a certificate is not accepted; the leaf, which comes last, must have the name."""
    noted: Noted = connection.get_app_data()
    if not ok:
        noted.refusal = noted.refusal or Refusal(number, _words(number))
    elif not depth and noted.name:
        noted.refusal = _mismatch(certificate, noted.name)
    return noted.refusal is None


def _mismatch(certificate: "X509", name: str) -> Refusal | None:
    """Return why a certificate is not for a name or an IP address (RFC 9525)."""
    hosts, addresses = _names(certificate)
    if _is_address(name):
        if ip_address(name) in addresses:
            return None
        what = f"IP address mismatch, certificate is not valid for '{name}'."
        return Refusal(_ADDRESS_MISMATCH, what)
    if is_for(name, hosts):
        return None
    what = f"Hostname mismatch, certificate is not valid for '{name}'."
    return Refusal(_HOSTNAME_MISMATCH, what)


def _names(certificate: "X509") -> tuple[list[str], list[Any]]:
    """Return the host names and the IP addresses of a certificate; none if it is unreadable."""
    from cryptography.x509 import (  # noqa: PLC0415
        DNSName,
        ExtensionNotFound,
        IPAddress,
        SubjectAlternativeName,
    )

    try:
        extensions = certificate.to_cryptography().extensions
        names = extensions.get_extension_for_class(SubjectAlternativeName).value
    except (ExtensionNotFound, ValueError):
        return [], []
    return names.get_values_for_type(DNSName), names.get_values_for_type(IPAddress)


def _der(certificate: "X509") -> bytes:
    from OpenSSL.crypto import FILETYPE_ASN1, dump_certificate  # noqa: PLC0415

    return dump_certificate(FILETYPE_ASN1, certificate)


def _words(number: int) -> str:
    """Return OpenSSL's name of an error of verification, in plain words."""
    from OpenSSL.SSL import X509VerificationCodes  # noqa: PLC0415

    for name, value in vars(X509VerificationCodes).items():
        if name.startswith("ERR_") and value == number:
            return name.removeprefix("ERR_").lower().replace("_", " ")
    return f"verification error {number}"
