"""Checks of a configuration that depend on this machine."""

import os
import sys
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from typing import NamedTuple

from prober.config.configuration import Config
from prober.config.reader import LocalCheck, ServerChecks
from prober.config.settings import Server
from prober.engine.opening import opener, why_not_opened
from prober.engine.tls_contexts import check_tls, lacks_trust_store
from prober.model.auth_settings import OracleKey
from prober.model.endpoint import Endpoint
from prober.model.file_kinds import ABSENT
from prober.model.monitor import Monitor
from prober.model.option import Complaint
from prober.model.secret import files_of
from prober.model.status import Verdict
from prober.web.server.serving_tls import make_context, unusable

NAMED = 10
"""Maximum number of monitors and modules that are named if many have the same problem."""


def _check_server(server: Server) -> Iterator[Complaint]:
    keys = server.auth.oracle_keys if server.auth else ()
    if not keys:
        return
    if find_spec("cryptography") is None:
        yield Complaint(("auth", "oracle_keys"), _missing("cryptography"))
        return
    for i, key in enumerate(keys):
        if key.public_key != ABSENT and (problem := _wrong_key(key)):
            yield Complaint(("auth", "oracle_keys", i, "public_key"), problem)


def _wrong_key(key: OracleKey) -> str | None:
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415  (an extra)
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_public_key  # noqa: PLC0415

    try:
        found = load_pem_public_key(key.public_key.encode())
    except (ValueError, UnsupportedAlgorithm):
        return "the public key cannot be read"
    return None if isinstance(found, RSAPublicKey) else "expected an RSA key"


def _check_endpoint(endpoint: Endpoint) -> Iterator[Complaint]:
    if endpoint.basic_auth_users and find_spec("bcrypt") is None:
        yield Complaint(("basic_auth_users",), _missing("bcrypt"))
    if endpoint.tls_server_config:
        try:
            make_context(endpoint.tls_server_config)
        except (OSError, ValueError) as error:
            yield Complaint(("tls_server_config",), unusable(error))


def _missing(package: str) -> str:
    """Return what is missing, and a command that installs it where prober is installed."""
    command = f"python3 -m pip --python {sys.executable} install {package}"
    return f"needs the package {package}: {command}"


def unverifiable(config: Config) -> list[str]:
    """Return what would need this host's root certificates to verify, if it has none."""
    monitors = (
        f"monitor {monitor.name!r}"
        for monitor in config.model.monitors
        if monitor.tls and monitor.tls.verify and not monitor.tls.ca_file
    )
    modules = (
        f"module {name!r}"
        for name, module in (config.modules.usable if config.modules else {}).items()
        if (tls := module.tls_settings) and tls.verify and not tls.ca_file
    )
    found = [*monitors, *modules]
    return found if found and lacks_trust_store() else []


def stuck(config: Config) -> Iterator[tuple[Monitor, Verdict]]:
    """Yield each monitor that cannot probe from here, and what its results would be."""
    known: dict[object, Verdict | None] = {}
    for monitor in config.model.monitors:
        echo, egress, order = monitor.probe.echo, monitor.egress, monitor.ip_order
        version = order[0] if order else 4
        way = (echo, egress, version)
        if way not in known:
            known[way] = why_not_opened(opener(echo, egress), version)
        if verdict := known[way]:
            yield monitor, verdict


class LocalChecks(NamedTuple):
    """What is applied while a configuration is read."""

    monitor: LocalCheck
    server: ServerChecks


LOCAL_CHECKS = LocalChecks(check_tls, ServerChecks(_check_server, _check_endpoint))
"""What the daemon applies."""


def _are_here(files: Iterable[str]) -> bool:
    return all(os.access(path, os.R_OK) for path in files)


LOCAL_CHECKS_WITHOUT_SECRETS = LocalChecks(
    lambda monitor: check_tls(monitor) if _are_here(files_of(monitor.probe)) else (),
    ServerChecks(
        _check_server,
        lambda endpoint: _check_endpoint(endpoint) if _are_here(files_of(endpoint)) else (),
    ),
)
"""What is applied where secrets may be absent: what needs an absent one is not checked."""
