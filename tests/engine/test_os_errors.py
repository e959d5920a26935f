"""What errors mean: whose fault they are."""

import errno
import os
import ssl

import pytest

from prober.engine.os_errors import at_once, from_network, from_tls
from prober.model.status import Reason, Result

OURS = Result.UNKNOWN
THEIRS = Result.CONNECT_FAILED

ALWAYS_OURS = [
    (errno.EMFILE, Reason.NO_DESCRIPTORS),
    (errno.ENFILE, Reason.NO_DESCRIPTORS),
    (errno.ENOBUFS, Reason.NO_MEMORY),
    (errno.ENOMEM, Reason.NO_MEMORY),
    (errno.EADDRNOTAVAIL, Reason.NO_PORTS),
    (errno.EAGAIN, Reason.NO_PORTS),
    (errno.ENETDOWN, Reason.NO_ROUTE),
    (errno.EAFNOSUPPORT, Reason.NO_ROUTE),
    (errno.EPERM, Reason.NOT_PERMITTED),
    (errno.EMSGSIZE, Reason.NOT_PERMITTED),
]


@pytest.mark.parametrize(("number", "reason"), ALWAYS_OURS)
def test_what_is_short_on_this_host_is_never_the_targets_fault(number: int, reason: Reason) -> None:
    for meaning in (at_once, from_network):
        verdict = meaning(number).verdict
        assert (verdict.reason, verdict.reason.result) == (reason, OURS)


@pytest.mark.parametrize(
    ("number", "on_the_spot", "from_afar"),
    [
        (errno.ECONNREFUSED, Reason.REFUSED, Reason.REFUSED),
        (errno.ENETUNREACH, Reason.NO_ROUTE, Reason.UNREACHABLE),
        (errno.EHOSTUNREACH, Reason.NO_ROUTE, Reason.UNREACHABLE),
        (errno.EHOSTDOWN, Reason.NO_ROUTE, Reason.UNREACHABLE),
        (errno.EINVAL, Reason.NO_ROUTE, Reason.INTERNAL),
        (errno.EACCES, Reason.NOT_PERMITTED, Reason.UNREACHABLE),
        (errno.ENOPROTOOPT, Reason.INTERNAL, Reason.UNREACHABLE),
        (errno.EPROTO, Reason.INTERNAL, Reason.UNREACHABLE),
        (errno.ECONNRESET, Reason.INTERNAL, Reason.RESET),
        (errno.ECONNABORTED, Reason.INTERNAL, Reason.RESET),
        (errno.EPIPE, Reason.INTERNAL, Reason.CLOSED),
        (errno.ETIMEDOUT, Reason.INTERNAL, Reason.TIMEOUT),
    ],
)
def test_an_error_of_the_kernel_differs_from_an_answer_of_the_network(
    number: int, on_the_spot: Reason, from_afar: Reason
) -> None:
    assert at_once(number).verdict.reason is on_the_spot
    assert from_network(number).verdict.reason is from_afar


def test_every_icmp_error_is_an_answer_of_the_network() -> None:
    """What Linux makes of them: icmp_err_convert in net/ipv4/icmp.c, icmpv6_err_convert."""
    ipv4 = {
        errno.ENETUNREACH,
        errno.EHOSTUNREACH,
        errno.ENOPROTOOPT,
        errno.ECONNREFUSED,
        errno.EOPNOTSUPP,
        errno.EHOSTDOWN,
        errno.ENONET,
    }
    ipv6 = {errno.ENETUNREACH, errno.EACCES, errno.EHOSTUNREACH, errno.ECONNREFUSED, errno.EPROTO}
    for number in ipv4 | ipv6:
        assert from_network(number).verdict.reason.result is THEIRS, os.strerror(number)


@pytest.mark.parametrize("number", sorted(errno.errorcode))
def test_no_error_at_all_makes_a_probe_good(number: int) -> None:
    for meaning in (at_once, from_network):
        verdict = meaning(number).verdict
        assert verdict.reason.result in (OURS, THEIRS, Result.TIMED_OUT)
        assert verdict.detail.lower() == os.strerror(number).lower()


def tls_error(kind: type[ssl.SSLError], reason: str = "") -> ssl.SSLError:
    error = kind(1, f"[SSL: {reason}]")
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("words", "reason", "detail"),
    [
        ("SSLV3_ALERT_HANDSHAKE_FAILURE", Reason.TLS_ALERT, "TLS alert: handshake failure"),
        ("TLSV1_ALERT_UNKNOWN_CA", Reason.TLS_ALERT, "TLS alert: unknown ca"),
        ("TLSV13_ALERT_CERTIFICATE_REQUIRED", Reason.TLS_ALERT, "TLS alert: certificate required"),
        ("TLSV1_UNRECOGNIZED_NAME", Reason.TLS_ALERT, "TLS alert: unrecognized name"),
        ("SSL/TLS_ALERT_HANDSHAKE_FAILURE", Reason.TLS_ALERT, "TLS alert: handshake failure"),
        ("RECORD_TOO_SMALL", Reason.TLS_HANDSHAKE, "TLS: record too small"),
        ("UNKNOWN_ALERT_TYPE", Reason.TLS_HANDSHAKE, "TLS: unknown alert type"),
        ("TOO_MANY_WARN_ALERTS", Reason.TLS_HANDSHAKE, "TLS: too many warn alerts"),
    ],
)
def test_an_alert_is_what_the_target_says(words: str, reason: Reason, detail: str) -> None:
    assert from_tls(tls_error(ssl.SSLError, words)).verdict == (reason, detail, None)


@pytest.mark.parametrize(
    ("said", "received", "reason", "detail"),
    [
        (
            "[SSL] tlsv1 alert no application protocol (_ssl.c:1006)",
            b"",
            Reason.TLS_ALERT,
            "TLS alert: no application protocol",
        ),
        (
            "[SSL] no suitable key share (_ssl.c:1006)",
            b"",
            Reason.TLS_HANDSHAKE,
            "TLS: no suitable key share",
        ),
        ("[SSL] unknown error (_ssl.c:1006)", b"", Reason.TLS_ALERT, "TLS alert: unknown"),
        (
            "[SSL] unknown error (_ssl.c:1006)",
            b"before" + b"\x15\x03\x03\x00\x02\x02\xc8",
            Reason.TLS_ALERT,
            "TLS alert: number 200",
        ),
    ],
)
def test_where_python_has_no_word_openssl_is_quoted(
    said: str, received: bytes, reason: Reason, detail: str
) -> None:
    error = ssl.SSLError(1, said)
    error.reason = None  # type: ignore[assignment]  # as the stubs do not know
    assert from_tls(error, received).verdict == (reason, detail, None)


@pytest.mark.parametrize("kind", [ssl.SSLEOFError, ssl.SSLZeroReturnError])
def test_an_end_is_an_end_whatever_openssl_calls_it(kind: type[ssl.SSLError]) -> None:
    error = tls_error(kind, "UNEXPECTED_EOF_WHILE_READING")
    assert from_tls(error).verdict.reason is Reason.CLOSED


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (9, Reason.TLS_EXPIRED),
        (10, Reason.TLS_EXPIRED),
        (62, Reason.TLS_HOSTNAME),
        (64, Reason.TLS_HOSTNAME),
        (18, Reason.TLS_UNTRUSTED),
        (20, Reason.TLS_UNTRUSTED),
        (23, Reason.TLS_UNTRUSTED),
    ],
)
def test_a_certificate_is_refused_for_its_dates_its_name_or_its_issuer(
    code: int, reason: Reason
) -> None:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.reason = "CERTIFICATE_VERIFY_FAILED"
    error.verify_code, error.verify_message = code, "as OpenSSL says"
    assert from_tls(error).verdict == (reason, "certificate: as OpenSSL says", None)
