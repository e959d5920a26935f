"""The contract between a probe and whatever drives it, and what a probe type declares of itself.

A probe itself never touches a socket.
A probe is a generator. It yields what it wants (`Send`, `RECEIVE`, `StartTls`) and returns a
`Verdict`; one that only needs a connection is a `Verdict` from the beginning. Its driver (the
engine with real sockets, a test with lists of bytes) sends back:

- for `Send`: None, when everything is sent, or an answer has come that ends the sending;
- for `RECEIVE`: the bytes that came, at least one; `b""` once, when the peer has ended its stream
  (over UDP: one datagram, which may be empty);
- for `StartTls`: a `TlsSession`;
- for `InThread`: what its work returned, or the TimeoutError that it raised;
- for `ENDS`: the `Ends` of the connection;
- for `Reconnect`: None, when the other connection is open;
- for `Ping`: when it was sent, on the monotonic clock; for `RECEIVE` then a `Pong`, or a `Trouble`
  if the network could not deliver one of the requests; for `ReceiveUntil` also None.

What goes wrong is thrown into the generator as a `Trouble`, `DeadlineReached` when the
time is up. A probe that can still judge catches it; otherwise the verdict it carries stands.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Final, NamedTuple

from prober.model.fact import TEXT, TIME, Fact, Gauge, Info
from prober.model.kernel_view import KernelView
from prober.model.status import FactValue, Reason, Verdict
from prober.model.tls_settings import TlsSettings


class Send(NamedTuple):
    """Send these bytes; with `until_answered` no longer than until the peer sends something.

    A server may answer before it has read a request, and then not read the rest of it (RFC 9112,
    section 9.3).
    """

    content: bytes
    until_answered: bool = False


class Receive:
    """Give the next bytes."""

    __slots__ = ()


RECEIVE: Final = Receive()


class StartTls(NamedTuple):
    """Do a TLS handshake.

    `server_name` is sent as SNI unless it is an IP address, and is what the certificate must be
    for. With `confirm` the driver waits, after a TLS 1.3 handshake, until the server has shown
    that it accepts it: such a server refuses a missing client certificate only afterwards. With
    `chain` the session holds the certificates.
    """

    settings: TlsSettings
    server_name: str
    alpn: tuple[str, ...] = ()
    confirm: bool = False
    chain: bool = False


class InThread(NamedTuple):
    """Do this in another thread: it may take longer than others can wait.

    `work` is given the processor time in seconds that it may take; it raises TimeoutError when that
    is used up. It shares nothing that changes with other threads.
    """

    work: Callable[[float], Any]
    seconds: float


class AskEnds:
    """Say between which places the connection is."""

    __slots__ = ()


ENDS: Final = AskEnds()


class Ends(NamedTuple):
    """The two ends of a connection, each an IP address and a port: prober's and the target's."""

    source: tuple[str, int]
    target: tuple[str, int]


class Reconnect(NamedTuple):
    """Leave this connection and open another one, before the same deadline.

    Without a `target` it goes to the address and port of this one. With `datagram` it is over UDP.
    If it cannot be opened, that is the verdict: the probe is not resumed. `beyond` is what the
    proxy at the other end of it is going to reach.
    """

    target: "Target | None" = None
    datagram: bool = False
    beyond: "Target | None" = None


class Ping(NamedTuple):
    """Send an ICMP echo request with this many bytes of payload."""

    size: int


class ReceiveUntil(NamedTuple):
    """Wait for what comes next, at the latest until a moment of the monotonic clock."""

    moment: float


Pong = tuple[float, int | None]
"""A reply to an ICMP echo request: after how many seconds, and its TTL or hop limit."""


class EchoOptions(NamedTuple):
    """How ICMP echo requests are sent: their TTL or hop limit, and whether they stay whole."""

    ttl: int | None = None
    dont_fragment: bool = False


class TlsSession(NamedTuple):
    """What a handshake ended with.

    `not_after` is the end of the leaf in unix seconds, `chain_not_after` the earliest end of all
    certificates that the server showed, None if it cannot be read. These are `sent`, in DER, the
    leaf first. `trusted` are those up to an authority, if they were verified and asked for.
    `issuer` is who issued the leaf, None if it cannot be read. `fingerprint` is the SHA-256 of the
    leaf in hexadecimal digits, `key` that of its public key as `pin` has it. If the handshake asked
    for a stapled OCSP response, `ocsp_status` says what came of it, and `ocsp_next_update` until
    when that is valid, in unix seconds, None if it does not say.
    """

    version: str
    alpn: str | None
    not_after: float | None
    chain_not_after: float | None = None
    sent: tuple[bytes, ...] = ()
    trusted: tuple[bytes, ...] = ()
    issuer: str | None = None
    fingerprint: str | None = None
    key: str | None = None
    ocsp_status: str | None = None
    ocsp_next_update: float | None = None

    def facts(self) -> dict[str, FactValue]:
        """Return the facts of a verdict that speak of TLS: those of TLS_FACTS."""
        facts: dict[str, FactValue] = {"tls_version": self.version}
        if self.not_after is not None:
            facts["tls_not_after"] = self.not_after
        if self.chain_not_after is not None:
            facts["tls_chain_not_after"] = self.chain_not_after
        if self.issuer:
            facts["tls_issuer"] = self.issuer
        if self.fingerprint:
            facts["tls_fingerprint"] = self.fingerprint
        if self.key:
            facts["tls_key"] = self.key
        if self.ocsp_status:
            facts["ocsp_status"] = self.ocsp_status
            if self.ocsp_next_update is not None:
                facts["ocsp_next_update"] = self.ocsp_next_update
        return facts


_TLS_VERSIONS: Final = {
    "TLSv1": "TLS 1.0",
    "TLSv1.1": "TLS 1.1",
    "TLSv1.2": "TLS 1.2",
    "TLSv1.3": "TLS 1.3",
}


def tls_words(version: FactValue) -> str:
    """Return OpenSSL's name of a TLS version as blackbox_exporter writes it."""
    return _TLS_VERSIONS.get(str(version), "unknown")


TLS_VERSION = Fact(
    name="tls_version",
    kind=TEXT,
    doc="TLS version of the connection",
    said="{}",
    info=Info(
        "probe_tls_version_info",
        "Returns the TLS version used or NaN when unknown",
        "version",
        tls_words,
    ),
)
TLS_NOT_AFTER = Fact(
    name="tls_not_after",
    kind=TIME,
    doc="when the target's own certificate expires",
)
TLS_CHAIN_NOT_AFTER = Fact(
    name="tls_chain_not_after",
    kind=TIME,
    doc="when the first of the certificates expires that the target showed",
    gauge=Gauge("probe_ssl_earliest_cert_expiry", "Returns last SSL chain expiry in unixtime"),
)
TLS_ISSUER = Fact(
    name="tls_issuer",
    kind=TEXT,
    doc="who issued the target's own certificate: organization and common name",
)
TLS_FINGERPRINT = Fact(
    name="tls_fingerprint",
    kind=TEXT,
    doc="SHA-256 of the target's own certificate, in hexadecimal digits",
)
TLS_KEY = Fact(
    name="tls_key",
    kind=TEXT,
    doc="SHA-256 of the public key of that certificate, as `tls.pin` has it",
)
_OCSP_WORDS: Final = frozenset({"good", "revoked", "unknown", "absent", "expired"})


def ocsp_words(status: FactValue) -> str:
    """Return what a stapled OCSP response says; what is not known is unverified."""
    return str(status) if status in _OCSP_WORDS else "unverified"


OCSP_STATUS = Fact(
    name="ocsp_status",
    kind=TEXT,
    doc="what the stapled OCSP response says: `good`, `revoked`, `unknown`, `absent`, `expired` "
    "or `unverified`; with `tls.ocsp`",
    info=Info(
        "probe_ssl_ocsp_status_info",
        "What the stapled OCSP response says of the certificate",
        "status",
        ocsp_words,
    ),
)
OCSP_NEXT_UPDATE = Fact(
    name="ocsp_next_update",
    kind=TIME,
    doc="when the stapled OCSP response expires",
    gauge=Gauge("probe_ssl_ocsp_next_update", "Returns stapled OCSP response expiry in unixtime"),
)
TLS_FACTS = (
    *(TLS_VERSION, TLS_NOT_AFTER, TLS_CHAIN_NOT_AFTER, TLS_ISSUER),
    *(TLS_FINGERPRINT, TLS_KEY, OCSP_STATUS, OCSP_NEXT_UPDATE),
)
"""What every probe that speaks TLS learns: the engine adds it to the verdict."""

_NOT_AFTER: Final = TLS_NOT_AFTER.name
_CHAIN_NOT_AFTER: Final = TLS_CHAIN_NOT_AFTER.name


def certificate_end(facts: Mapping[str, FactValue] | None) -> float | None:
    """Return the unix time at which the first certificate of a result expires, if one was read."""
    if not facts:
        return None
    end = facts.get(_CHAIN_NOT_AFTER, facts.get(_NOT_AFTER))
    return end if isinstance(end, int | float) else None


def is_of_chain(facts: Mapping[str, FactValue] | None) -> bool:
    """Return whether another certificate of the chain expires before that of the target."""
    end, leaf = certificate_end(facts), facts.get(_NOT_AFTER) if facts else None
    return end is not None and isinstance(leaf, int | float) and end < leaf


def ocsp_end(facts: Mapping[str, FactValue] | None) -> float | None:
    """Return the unix time at which the stapled OCSP response of a result expires, if it says."""
    end = facts.get(OCSP_NEXT_UPDATE.name) if facts else None
    return end if isinstance(end, int | float) else None


class Trouble(Exception):  # noqa: N818  (not an error of ours: what happened to the target)
    """Something that ends a probe unless the probe knows better; `verdict` is what it means.

    `kernel` is what the kernel knew of a connection that was not made.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.verdict = Verdict(reason, detail)
        self.kernel: KernelView | None = None


class DeadlineReached(Trouble):
    """The probe's time is up."""


Step = Send | Receive | StartTls | InThread | AskEnds | Reconnect | Ping | ReceiveUntil
Steps = Generator[Step, Any, Verdict]
"""A running probe."""

Begin = Callable[[], Steps] | Verdict
"""What starts a probe once it is connected, or what it says then."""


UNIX: Final = "unix:"
"""What the name of a Unix socket begins with; its path follows."""


class Target(NamedTuple):
    """What a probe is pointed at: the host as configured (a name or an address) and the port.

    The port is 0 if there is none. A Unix socket has `unix:/path` as its host.
    """

    host: str
    port: int

    @property
    def path(self) -> str:
        """The path of a Unix socket; empty for everything else."""
        return self.host.removeprefix(UNIX) if self.host.startswith(UNIX) else ""

    def __str__(self) -> str:
        """Write it as `host:port`, or `host` without a port; an IPv6 address is in brackets."""
        if self.path:
            return self.host
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}" if self.port else host

    @property
    def name(self) -> str:
        """What the server is called inside protocols: the host; `localhost` at a path."""
        return "localhost" if self.path else self.host

    @property
    def here(self) -> "Target":
        """Where this host reaches a server that listens at this address."""
        return Target({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host), self.port)  # noqa: S104  (compared, not bound)


class Right(NamedTuple):
    """What not every user may do: in a word, and as the end of "this user may ...".

    Who may open a socket for `echo` has it; `remedy` is a command that gives it.
    """

    subject: str
    act: str
    remedy: str
    echo: EchoOptions


class PhaseGauge(NamedTuple):
    """A metric with a sample for each part of a probe's time: its label, and which of PHASES."""

    name: str
    help: str
    phases: tuple[tuple[str, tuple[str, ...]], ...]


_DENIALS: Final = frozenset(
    {
        Reason.PAYLOAD_MISMATCH,
        Reason.CLOSED,
        Reason.RESET,
        Reason.TLS_ALERT,
        Reason.TLS_UNTRUSTED,
    }
)


class Probe(ABC):
    """The options of one probe type, and everything else that is known of the type.

    A type is a frozen dataclass whose fields are configuration keys. What it declares beside them,
    here with its defaults, is all that others know of it.
    """

    __slots__ = ()

    good_when: ClassVar[str]
    """When a probe is good: ends the sentence that the documentation begins."""
    facts: ClassVar[tuple[Fact, ...]] = ()
    """What its verdicts may tell, the most telling first."""
    example: ClassVar[Mapping[str, object]] = MappingProxyType({})
    """Keys of a monitor that shows what the type is for; all that are required are among them."""
    default_port: ClassVar[int | None] = None
    """The port that its service usually has."""
    over_unix: ClassVar[bool] = False
    """Whether it can probe Unix sockets."""
    portless: ClassVar[bool] = False
    """Whether its targets have no port; the port that a backend has is ignored."""
    right: ClassVar[Right | None] = None
    """What its probes do that not every user may do."""
    paced: ClassVar[bool] = False
    """Whether silence may be good, so that it must be told from a refusal that was held back.

    Linux answers a closed port about once a second. So probes of one host are kept apart, and
    silence right after a refusal proves nothing.
    """

    nearest: ClassVar[str] = "TCP"
    """What a cloud that has no word for the type calls it: `TCP`, `UDP` or `HTTP`."""
    phase_gauge: ClassVar[PhaseGauge | None] = None
    """The metric that shows the parts of the last probe's time, if there is one."""
    slow_by: ClassVar[str] = ""
    """The fact, in seconds, that `slow` limits instead of the duration of the probe."""
    tls_gauge: ClassVar[Gauge | None] = None
    """The metric that shows whether the last probe spoke TLS, if there is one."""
    aliases: ClassVar[tuple[str, ...]] = ()
    """Other names for the type in the APIs of clouds."""

    not_in_demo: ClassVar[str] = ""
    """Why no monitor of the demonstration has the type; empty if one has."""

    @property
    def datagram(self) -> bool:
        """Whether the probe speaks over UDP."""
        return False

    @property
    def proxy(self) -> Target | None:
        """The proxy through which targets are reached: connections go there."""
        return None

    @property
    def echo(self) -> EchoOptions | None:
        """How it sends ICMP echo requests, if it does."""
        return None

    @property
    def least_seconds(self) -> float:
        """Seconds that a good probe takes at least; the timeout must be longer."""
        return 0.0

    def is_denial(self, verdict: Verdict) -> bool:
        """Return whether a bad verdict may mean that the target does not accept our secrets."""
        return verdict.reason in _DENIALS

    def advice(self) -> Iterable[str]:
        """Return what is valid in these options but probably not intended."""
        return ()

    @abstractmethod
    def bind(self, target: Target) -> Begin:
        """Return what starts one probe of this target; whatever can be prepared is prepared."""
