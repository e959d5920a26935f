"""Formats values for people, the same on the command line and on the status page."""

from datetime import UTC, datetime
from functools import lru_cache
from math import modf
from typing import Final

from prober.model.status import REASONS, Result

END_OF_TIME: Final = datetime(9999, 12, 31, tzinfo=UTC).timestamp()
"""The last unix time that `time_text` accepts."""


def time_text(unix: float) -> str:
    """Format a unix time as RFC 3339: UTC, with milliseconds."""
    part, second = modf(unix)
    carried, microseconds = divmod(round(part * 1e6), 1_000_000)
    return f"{_second_text(second + carried)}.{microseconds // 1000:03}Z"


@lru_cache(1024)  # an answer with many checks repeats a few seconds
def _second_text(unix: float) -> str:
    return datetime.fromtimestamp(unix, UTC).isoformat()[:-6]


def clean(text: str) -> str:
    """Return the text with unprintable characters escaped as in Python."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def counted(number: object, noun: str) -> str:
    """Write how many of something there are: `1 check`, `2 checks`."""
    return f"{number} {noun}" if str(number) == "1" else f"{number} {noun}s"


def span(seconds: float) -> str:
    """Format a time span briefly: `12s`, `3m12s`, `2h05m`, `4d03h`."""
    minutes, second = divmod(max(0, int(seconds)), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if days:
        return f"{days}d{hour:02}h"
    if hours:
        return f"{hour}h{minute:02}m"
    return f"{minute}m{second:02}s" if minutes else f"{second}s"


def took(seconds: float) -> str:
    """Format the duration of a probe: `0.4 ms`, `12 ms`, `2.0 s`."""
    if seconds >= 1:
        return f"{seconds:.1f} s"
    return f"{seconds * 1000:.0f} ms" if seconds >= 0.01 else f"{seconds * 1000:.1f} ms"


_PLAINER = {
    "tls_alert": "TLS alert",
    "tls_expired": "certificate not valid now",
    "tls_handshake": "TLS handshake failed",
    "tls_hostname": "certificate for another name",
    "tls_issuer": "certificate from another issuer",
    "tls_ocsp": "OCSP response not good",
    "tls_pin": "certificate with another key",
    "tls_revoked": "certificate revoked",
    "tls_untrusted": "certificate not trusted",
}
"""Words for reasons whose own name would be unclear before a duration."""


def result_words(reason: str, said: str, seconds: float) -> str:
    """Format a result as HAProxy does: `HTTP 503 in 12 ms`.

    `said` is the facts of the result in words, empty if it has none.
    """
    return f"{result_name(reason, said)} in {took(seconds)}"


def result_name(reason: str, said: str) -> str:
    """Format a result without its duration: `HTTP 503`."""
    word = _PLAINER.get(reason) or reason.replace("_", " ")
    if said and not _says_it_all(reason):
        said = f"{said} ({word})"
    return said or word


def _says_it_all(reason: str) -> bool:
    """Return whether the facts make the reason obvious, as a status code does."""
    known = REASONS.get(reason)
    return reason == "ok" or (known is not None and known.result is Result.INVALID_STATUS_CODE)


def progress(*, online: bool | None, streak: int, rise: int, fall: int) -> str:
    """Return how close a check is to changing its state: `failing 2/3`, `rising 1/2`."""
    if streak < 0 and online is not False:
        return f"failing {-streak}/{fall}"
    if streak > 0 and not online:
        return f"rising {streak}/{rise}"
    return ""
