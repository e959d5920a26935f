"""STUB: the interface of the verifiers of signed requests, to be replaced by the real module.

It refuses every signature.
"""

# ruff: noqa: ARG001

from collections.abc import Mapping
from typing import NamedTuple

_STUB = "signatures cannot be verified by this stub"


class BadSignature(Exception):  # noqa: N818  (reads as what is wrong with the request)
    """A request that is not signed, or not rightly."""


class SignedRequest(NamedTuple):
    """A request as it came: `target` is path and query, names of headers are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


def verify_oracle(request: SignedRequest, keys: Mapping[str, str], now: float) -> str:
    """Return the id of the key that signed, or raise `BadSignature`."""
    raise BadSignature(_STUB)


def verify_huawei(request: SignedRequest, secrets: Mapping[str, str], now: float) -> str:
    """Return the access key that signed, or raise `BadSignature`."""
    raise BadSignature(_STUB)
