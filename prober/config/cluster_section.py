"""The `cluster` section: probers that share one etcd."""

from dataclasses import dataclass

from prober.model.auth_settings import CREDENTIAL
from prober.model.file_kinds import PEM_FILE, Secret
from prober.model.kinds import duration, integer, list_of, matching, text
from prober.model.option import Complaint, Kind, ReadContext, Rejected, option, section


def _read_url(value: object, outside: ReadContext) -> str:
    return _URL.read(value, outside).rstrip("/")


_ENDPOINT = matching(
    r"https?://(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::\d{1,5})?/?",
    "a URL such as https://etcd.example:2379",
)
_URL = matching(
    r"https?://[^/?#@\x00-\x20\x7f]+(?:/[^?#\x00-\x20\x7f]*)?",
    "a URL that starts with http:// or https://, without a user name",
)
_MEMBER = matching(
    r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?", "a name such as that of a host"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EtcdTls:
    """How to verify an etcd, and what to show it."""

    ca_file: str | None = option(
        PEM_FILE, default=None, doc="trust these authorities instead of the system's"
    )
    cert_file: str | None = option(PEM_FILE, default=None, doc="client certificate to present")
    key_file: str | None = option(
        PEM_FILE, default=None, doc="private key of the client certificate, if in another file"
    )

    def __post_init__(self) -> None:
        """Reject a key without a certificate."""
        if self.key_file and not self.cert_file:
            raise Rejected(Complaint(("key_file",), "has no effect without cert_file"))


@dataclass(frozen=True, slots=True, kw_only=True)
class EtcdSection:
    """Where etcd is, and who prober is there."""

    endpoints: tuple[str, ...] = option(
        list_of(_ENDPOINT, shortest=1), live=False, doc="URLs of the members of one etcd"
    )
    username: str | None = option(
        text(1, 255), default=None, live=False, doc="whom to log in as; needs `password`"
    )
    password: Secret | None = option(
        CREDENTIAL, default=None, live=False, secret=True, doc="`{file: …}` or `{env: …}`"
    )
    tls: EtcdTls | None = option(
        section(EtcdTls), default=None, live=False, doc="for endpoints that start with https://"
    )

    def __post_init__(self) -> None:
        """Reject what has no meaning together."""
        complaints = []
        if self.username and not self.password:
            complaints.append(Complaint(("username",), "needs a password"))
        if self.password and not self.username:
            complaints.append(Complaint(("password",), "has no effect without username"))
        if self.tls and not any(url.startswith("https:") for url in self.endpoints):
            complaints.append(Complaint(("tls",), "has no effect without an https:// endpoint"))
        seen: set[str] = set()
        for i, url in enumerate(each.rstrip("/") for each in self.endpoints):
            if url in seen:
                complaints.append(Complaint(("endpoints", i), f"{url!r} is listed twice"))
            seen.add(url)
        if complaints:
            raise Rejected(*complaints)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSection:
    """The settings of a member of a cluster."""

    name: str = option(
        matching(r"[a-z0-9-]{1,63}", "lower-case letters, digits and hyphens, at most 63"),
        live=False,
        doc="name of the cluster: its keys in etcd are below `/prober/NAME/`",
    )
    etcd: EtcdSection = option(section(EtcdSection), live=False, doc="the etcd of the cluster")
    member: str = option(
        _MEMBER, default="", live=False, doc="name of this member, unique; default: the host name"
    )
    zone: str = option(
        text(1, 63),
        default="",
        live=False,
        doc="where this member is; vantages of a check are in different zones if possible",
    )
    url: str = option(
        Kind(_read_url, _URL.schema),
        default="",
        live=False,
        doc="where members and people reach the API of this member; default: the first address in "
        "`server.listen` that is neither loopback nor unspecified",
    )
    token: Secret | None = option(
        CREDENTIAL,
        default=None,
        live=False,
        secret=True,
        doc="the token in `server.auth` with which members call each other; `{file: …}` or "
        "`{env: …}`",
    )
    ttl: float = option(
        duration(3, 60), default=10.0, live=False, doc="time after which a silent member is gone"
    )
    vantages: int = option(
        integer(1, 9), default=1, doc="number of members that probe each check, by default"
    )
