"""Whether the secrets that a probe has sent are still those in their files."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Final

from prober.files.bounded import BOUNDED, BoundedCalls
from prober.files.regular import read_in_time
from prober.model.file_kinds import Secret, secret_in
from prober.model.probe import Probe
from prober.model.secret import secrets_of

_LIMIT: Final = 4 * 1024 * 1024  # bytes of a file; a bundle of authorities has 0.2


def sent_secrets(probe: Probe) -> Mapping[str, str]:
    """Return the secrets in the options of a probe that come from files, by path."""
    return {
        leaf.file: leaf.content
        for _, _, leaf in secrets_of(probe)
        if isinstance(leaf, Secret) and leaf.file is not None
    }


def hash_of(path: str, bounded: BoundedCalls) -> bytes:
    """Return a hash of the content of a file; raise OSError, within a few seconds."""
    return sha256(read_in_time(path, _LIMIT, bounded)).digest()


def is_renewed(sent: Mapping[str, str], loaded: Mapping[str, bytes]) -> bool:
    """Return whether the content of a file differs from what was sent, or from its hash.

    A file that cannot be read proves nothing. May block for a few seconds.
    """
    return any(_has_another(path, secret) for path, secret in sent.items()) or any(
        _is_another(path, known) for path, known in loaded.items()
    )


def _has_another(path: str, secret: str) -> bool:
    try:
        return secret_in(read_in_time(path, _LIMIT).decode()) != secret
    except (OSError, ValueError):
        return False


def _is_another(path: str, known: bytes) -> bool:
    try:
        return hash_of(path, BOUNDED) != known
    except OSError:
        return False
