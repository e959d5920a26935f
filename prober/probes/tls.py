"""TLS: good if a full handshake succeeds and, if asked for, a dialogue goes as expected."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from prober.model.fact import Fact
from prober.model.kinds import matching
from prober.model.option import Complaint, Rejected, option, section
from prober.model.probe import TLS_FACTS, Probe, StartTls, Steps, Target, TlsSession
from prober.model.status import Reason, Verdict
from prober.model.tls_settings import HOST_NAME, TlsSettings
from prober.probes.dialogue import Dialogue
from prober.probes.dialogue_steps import DialogueStep, starts_tls
from prober.probes.http_auth import BasicCredentials
from prober.probes.http_proxy import (
    misfits_of_proxy,
    proxy_auth_option,
    proxy_option,
    route,
    tunnelled,
)
from prober.probes.presets import chosen, preset_option, steps_option
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
    """Do a full TLS handshake and read the certificate; then speak a dialogue, if one is given."""

    good_when: ClassVar[str] = (
        "the TLS handshake succeeds and, if given, the dialogue of `steps` or `preset` goes as "
        "expected"
    )
    facts: ClassVar[tuple[Fact, ...]] = TLS_FACTS
    example: ClassVar[Mapping[str, object]] = {"tls": {"expires_within": "14d"}}
    default_port: ClassVar[int | None] = 443
    over_unix: ClassVar[bool] = True
    aliases: ClassVar[tuple[str, ...]] = ("TLS-HELLO",)

    domain_name: str | None = option(
        DOMAIN_NAME, default=None, doc="SNI; default: the target's host, if it is a name"
    )
    tls: TlsSettings = option(TLS, default=TlsSettings(), doc="TLS settings")
    steps: tuple[DialogueStep, ...] = steps_option()
    preset: str | None = preset_option()
    send_proxy: str | None = send_proxy_option()
    proxy: Target | None = proxy_option()
    proxy_auth: BasicCredentials | None = proxy_auth_option()

    def __post_init__(self) -> None:
        """Reject what has no meaning together, inside TLS, or through a proxy."""
        given = (self.proxy, self.proxy_auth)
        complaints = [*misfits_of_proxy(*given, send_proxy=self.send_proxy)]
        if self.steps and self.preset:
            complaints.append(Complaint((), "expected only one of steps, preset"))
        elif starts_tls(chosen(self.steps, self.preset)):
            key = "preset" if self.preset else "steps"
            what = "starttls is for type TCP: here TLS is spoken from the beginning"
            complaints.append(Complaint((key,), what))
        if complaints:
            raise Rejected(*complaints)

    def bind(self, target: Target) -> Callable[[], Steps]:
        """Return a function that starts one probe of this target."""
        spoken = chosen(self.steps, self.preset)
        start = handshake(self.tls, self.domain_name or target.name, confirm=not spoken)

        def steps() -> Steps:
            session: TlsSession = yield start
            protocol = f", {session.alpn}" if session.alpn else ""
            return Verdict(Reason.OK, f"{session.version} handshake{protocol}")

        begin = Dialogue(spoken, start, self.preset, inside_tls=True).run if spoken else steps
        way = route(self.proxy, self.proxy_auth)
        return announcing(self.send_proxy, tunnelled(way, target, begin))
