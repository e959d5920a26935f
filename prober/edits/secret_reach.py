"""Where the secrets of the configuration file go: to no place that only an edit has named.

Who edits over the API never sees them, but could have prober send them to a target of its own.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from prober.config.monitors import Defaults
from prober.model.definition import Origin
from prober.model.file_kinds import Secret
from prober.model.monitor import Monitor
from prober.model.option import Path, dotted
from prober.model.pool import Backend, Pool
from prober.model.probe import Target
from prober.model.secret import secrets_of

_ECHO = "TRACE"  # the target sends back what it got, where `body_regex` could look for a secret


class Recipient(NamedTuple):
    """Who receives what a probe sends.

    `domain` is the name by which a server tells its sites apart; `encrypted` is None for plain
    text, else what the server must prove: verified or not, by which authorities, under which name,
    with which keys, and issued by whom. `proxy` is the one on the way, if there is one.
    """

    address: str
    port: int
    domain: str | None
    proxy: Target | None
    encrypted: tuple[bool, str | None, str | None, tuple[str, ...], str | None] | None
    echoes: bool

    def is_as_good_as(self, other: "Recipient") -> bool:
        """Return whether what may be sent to the other may be sent here."""
        if self[:4] != other[:4] or (self.echoes and not other.echoes):
            return False
        if other.encrypted is None:
            return True
        verified, _, _, pins, _ = other.encrypted
        if not verified and not pins:
            return self.encrypted is not None
        return self.encrypted == other.encrypted


class Leak(NamedTuple):
    """A secret of the file that an edit would send elsewhere, and to whom.

    `weakened` tells that the file sends it there, too, but otherwise: by TLS, or to another domain.
    """

    monitor: Monitor
    secret: Path
    to: Recipient
    weakened: bool

    def __str__(self) -> str:
        to = str(Target(self.to.address, self.to.port))
        how = (
            " without the same TLS settings, domain_name, proxy and method" if self.weakened else ""
        )
        return (
            f"a secret of the configuration file, which does not send {dotted(self.secret)} to "
            f"{to}{how}; set it anew, or add the monitor {self.monitor.name!r} to "
            "server.api_targets.move_secrets"
        )


class FileSecrets:
    """The secrets of the monitors and defaults of the file, and who receives them there."""

    def __init__(
        self, monitors: Iterable[Monitor], pools: Mapping[str, Pool], defaults: Defaults
    ) -> None:
        self._ours: dict[int, object] = {}  # by their ids, which nothing else gets meanwhile
        self._recipients: dict[str, list[Recipient]] = {}  # by content
        for options in defaults.of_type.values():
            for value in options.values():
                for leaf in _leaves_of_default(value):
                    self._add(leaf, ())
        for monitor in monitors:
            recipients: list[Recipient] | None = None
            for _, leaf in _secrets(monitor):
                recipients = recipients or _recipients(monitor, pools[monitor.pool_name].backends)
                self._add(leaf, recipients)

    def _add(self, leaf: object, recipients: Iterable[Recipient]) -> None:
        self._ours[id(leaf)] = leaf
        self._recipients.setdefault(_content(leaf), []).extend(recipients)

    def leak(self, monitor: Monitor, pool: Pool) -> Leak | None:
        """Return a secret of the file that this monitor would send elsewhere, None if it has none.

        A secret that came with an edit is another object, even if it has the same content.
        """
        for path, leaf in _secrets(monitor):
            if id(leaf) not in self._ours:
                continue
            allowed = self._recipients[_content(leaf)]
            for to in _recipients(monitor, pool.backends):
                if not any(to.is_as_good_as(each) for each in allowed):
                    weakened = any(to[:2] == each[:2] for each in allowed)
                    return Leak(monitor, path, to, weakened)
        return None


def is_touched(monitor: Monitor, pool: Pool) -> bool:
    """Return whether an edit had a say in what a monitor sends, or where."""
    return monitor.origin is not Origin.FILE or pool.origin is not Origin.FILE


def _secrets(monitor: Monitor) -> Iterator[tuple[Path, object]]:
    for path, option, leaf in secrets_of(monitor.probe):
        if option.hides(str(path[-1])) or getattr(leaf, "masked", False):
            yield path, leaf


def _content(leaf: object) -> str:
    return leaf.content if isinstance(leaf, Secret) else repr(leaf)


def _leaves_of_default(value: object) -> Iterator[object]:
    if isinstance(value, Mapping):
        yield from value.values()
    elif value is not None:
        yield value


def _recipients(monitor: Monitor, backends: Iterable[Backend]) -> list[Recipient]:
    probe = monitor.probe
    tls, domain = getattr(probe, "tls", None), getattr(probe, "domain_name", None)
    proof = None
    if tls is not None:
        verified = (tls.verify, tls.ca_file, tls.server_name)
        proof = (*(verified if tls.verify else (False, None, None)), tls.pin, tls.expect_issuer)
    echoes = getattr(probe, "http_method", None) == _ECHO
    return [
        Recipient(*each.target(monitor.port), domain, probe.proxy, proof, echoes)
        for each in backends
    ]
