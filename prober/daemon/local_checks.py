"""What only this machine can tell about the server's part of a configuration."""

import sys
from collections.abc import Iterator
from importlib.util import find_spec

from prober.config.reader import VetServer
from prober.config.settings import Server
from prober.model.auth_settings import OracleKey
from prober.model.endpoint import Endpoint
from prober.model.option import Complaint
from prober.web.server.serving_tls import make_context, unusable


def _vet_server(server: Server) -> Iterator[Complaint]:
    keys = server.auth.oracle_keys if server.auth else ()
    if not keys:
        return
    if find_spec("cryptography") is None:
        yield Complaint(("auth", "oracle_keys"), _missing("cryptography"))
        return
    for i, key in enumerate(keys):
        if problem := _wrong_key(key):
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


def _vet_endpoint(endpoint: Endpoint) -> Iterator[Complaint]:
    if endpoint.basic_auth_users and find_spec("bcrypt") is None:
        yield Complaint(("basic_auth_users",), _missing("bcrypt"))
    if endpoint.tls_server_config:
        try:
            make_context(endpoint.tls_server_config)
        except (OSError, ValueError) as error:
            yield Complaint(("tls_server_config",), unusable(error))


def _missing(package: str) -> str:
    """Return what is missing and a command that works however prober was installed."""
    command = f"python3 -m pip --python {sys.executable} install {package}"
    return f"needs the package {package}: {command}"


VET_SERVER = VetServer(_vet_server, _vet_endpoint)
"""What the daemon and `prober check` apply."""
