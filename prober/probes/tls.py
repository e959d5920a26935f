"""TLS: good if a full handshake succeeds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from prober.model.fact import Fact
from prober.model.kinds import matching
from prober.model.option import option, section
from prober.model.probe import TLS_FACTS, Probe, StartTls, Steps, Target, TlsSession
from prober.model.status import Reason, Verdict
from prober.model.tls_settings import HOST_NAME, TlsSettings
from prober.probes.proxy_protocol import announcing, send_proxy_option

TLS = section(TlsSettings)
DOMAIN_NAME = matching(HOST_NAME, "a host name", longest=253)


def handshake(
    settings: TlsSettings, name: str, alpn: tuple[str, ...] = (), *, confirm: bool = False
) -> StartTls:
    """Return the handshake for these settings; `name` and `alpn` are defaults for what they omit.

    A name is sent without a trailing dot (RFC 6066, section 3).
    """
    name = (settings.server_name or name).removesuffix(".")
    return StartTls(settings, name, settings.alpn or alpn, confirm)


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsProbe(Probe):
    """Do a full TLS handshake and read the certificate; nothing is sent afterwards."""

    good_when: ClassVar[str] = "the TLS handshake succeeds"
    facts: ClassVar[tuple[Fact, ...]] = TLS_FACTS
    example: ClassVar[Mapping[str, object]] = {"tls": {"expires_within": "14d"}}
    default_port: ClassVar[int | None] = 443
    aliases: ClassVar[tuple[str, ...]] = ("TLS-HELLO",)

    domain_name: str | None = option(
        DOMAIN_NAME, default=None, doc="SNI; default: the target's host, if it is a name"
    )
    tls: TlsSettings = option(TLS, default=TlsSettings(), doc="TLS settings")
    send_proxy: str | None = send_proxy_option()

    def bind(self, target: Target) -> Callable[[], Steps]:
        """Return a function that starts one probe of this target."""
        start = handshake(self.tls, self.domain_name or target.host, confirm=True)

        def steps() -> Steps:
            session: TlsSession = yield start
            protocol = f", {session.alpn}" if session.alpn else ""
            return Verdict(Reason.OK, f"{session.version} handshake{protocol}")

        return announcing(self.send_proxy, steps)
