"""When the certificate of a target counts as changed.

A name may have several addresses, and an address several servers, each with a certificate of its
own. So the last few certificates of a check are known, and one that is known is no change, however
often they alternate.
"""

from collections.abc import Mapping

from prober.model.probe import TLS_FINGERPRINT, TLS_ISSUER, TLS_KEY, TLS_NOT_AFTER
from prober.model.status import FactValue
from prober.model.wording import time_text

KNOWN = 8
"""Maximum number of known certificates of one check."""

Certificates = tuple[str, ...]
"""The known certificates of a check, the newest last: each `FINGERPRINT KEY`."""


def seen(known: Certificates, facts: Mapping[str, FactValue]) -> Certificates:
    """Return the known certificates after a good result; the same object if nothing is new."""
    fingerprint = facts.get(TLS_FINGERPRINT.name)
    if fingerprint is None:
        return known
    now = f"{fingerprint} {facts.get(TLS_KEY.name, '')}"
    return known if now in known else (*known[1 - KNOWN :], now)


def last_change(known: Certificates, facts: Mapping[str, FactValue]) -> tuple[str, str]:
    """Return the newest certificate, and a sentence that it is new; empty if it is the first.

    `facts` are those of the last result, which need not be about that certificate.
    """
    if len(known) < 2:
        return "", ""
    fingerprint, _, key = known[-1].partition(" ")
    if facts.get(TLS_FINGERPRINT.name) != fingerprint:
        facts = {TLS_FINGERPRINT.name: fingerprint, TLS_KEY.name: key}
    return known[-1], change(known[:-1], facts)


def change(known: Certificates, facts: Mapping[str, FactValue]) -> str:
    """Return a sentence that a certificate is new, in addition to those that were known."""
    key = facts.get(TLS_KEY.name, "")
    end, issuer = facts.get(TLS_NOT_AFTER.name), facts.get(TLS_ISSUER.name)
    details = [
        f"SHA-256 {str(facts[TLS_FINGERPRINT.name])[:16]}",
        "the same key" if any(each.endswith(f" {key}") for each in known) else "another key",
    ]
    if issuer:
        details.append(f"issued by {issuer}")
    if isinstance(end, int | float):
        details.append(f"expires {time_text(end)[:10]}")
    return f"the target shows another certificate: {', '.join(details)}"
