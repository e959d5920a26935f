"""The options `proxy` and `proxy_auth`: probes through a forward proxy, which CONNECT asks.

What the proxy itself does wrong is inconclusive: it says nothing about the target. Source: RFC
9110, sections 9.3.6 and 15.4.8; RFC 9112, section 3.2.2.
"""

import re
from collections.abc import Callable, Generator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from prober import __version__
from prober.model.option import Complaint, Kind, ReadContext, Rejected, expected, option
from prober.model.pool import parse_target
from prober.model.probe import Send, StartTls, Steps, Target, Trouble
from prober.model.status import Reason
from prober.probes.http_auth import BASIC_AUTH, BasicCredentials, authorization
from prober.probes.http_receive import ask
from prober.protocols.http1 import Head

UNREACHED = frozenset({502, 503, 504})
"""Status codes by which a proxy says that it cannot reach a target: RFC 9110, section 15.6."""

_UNABLE = b" 500 Unable to connect\r\n"  # what tinyproxy says instead of 502
_ASKED = 407
_WHAT = "a proxy such as http://proxy.example:3128"
_PLAIN = re.compile(r"http://[^/?#@]+/?")


def _read_proxy(value: object, _: ReadContext) -> Target:
    if not isinstance(value, str):
        raise expected(_WHAT, value)
    scheme, separator, rest = value.partition("://")
    if separator and scheme.lower() != "http":
        raise Rejected(f"expected {_WHAT}, got {scheme!r}: no other kind of proxy is supported")
    if "@" in rest:
        raise Rejected("expected a proxy without credentials; set proxy_auth")
    if not _PLAIN.fullmatch(value):
        raise expected(_WHAT, value)
    return parse_target(urlsplit(value).netloc)


PROXY = Kind(
    _read_proxy,
    {"type": "string", "pattern": r"^http://[^/?#@]+:[0-9]{1,5}/?$"},
    lambda proxy: f"http://{proxy}",
)


def proxy_option() -> Any:
    """Declare the option `proxy`, which every type has that can go through a proxy."""
    return option(
        PROXY,
        default=None,
        doc=(
            "forward proxy through which the target is probed, as `http://host:port`; "
            "no environment variable sets it"
        ),
    )


def proxy_auth_option() -> Any:
    """Declare the option `proxy_auth`."""
    return option(BASIC_AUTH, default=None, doc="`username` and `password` for the proxy")


def misfits_of_proxy(
    proxy: Target | None, auth: BasicCredentials | None, **others: object
) -> list[Complaint]:
    """Return what is wrong with options beside a proxy, `others` do not go through one."""
    if proxy is not None:
        what = "does not reach the target through a proxy"
        return [Complaint((key,), what) for key, value in others.items() if value]
    return [Complaint(("proxy_auth",), "has no effect without proxy")] if auth else []


class WayThrough(NamedTuple):
    """The way through a proxy: the value of its Proxy-Authorization header, if it wants one."""

    credentials: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        """The headers of a request to the proxy."""
        return {"Proxy-Authorization": self.credentials} if self.credentials else {}


def route(proxy: Target | None, auth: BasicCredentials | None) -> WayThrough | None:
    """Return the way through a proxy, None if there is no proxy."""
    return WayThrough(authorization(auth, None)) if proxy is not None else None


def tunnelled(
    way: WayThrough | None, target: Target, begin: Callable[[], Steps]
) -> Callable[[], Steps]:
    """Return what starts a probe that first has a proxy connect to the target, if it has a way."""
    return begin if way is None else lambda: _through(way, target, begin)


def _through(way: WayThrough, target: Target, begin: Callable[[], Steps]) -> Steps:
    yield from connect(way, target)
    return (yield from begin())


def connect(way: WayThrough, target: Target) -> Generator[Any, Any, None]:
    """Have the proxy connect to a target: what follows goes there. Raise `Trouble`."""
    lines = {"Host": str(target), "User-Agent": f"prober/{__version__}", **way.headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    request = f"CONNECT {target} HTTP/1.1\r\n{head}\r\n".encode()
    reply, rest = yield from _answer(None, Send(request, until_answered=True))
    if reply.status in UNREACHED or _UNABLE in reply.content:
        raise Trouble(Reason.UNREACHABLE, f"the proxy answers {_line(reply)} to CONNECT")
    if not 200 <= reply.status < 300:
        raise failed(f"the proxy answers {_line(reply)} to CONNECT")
    if rest:
        raise failed(f"the proxy goes on with {rest[:16]!r} after {_line(reply)} to CONNECT")


def ask_by_proxy(start: StartTls | None, request: Send) -> Generator[Any, Any, tuple[Head, bytes]]:
    """Send a request: to the proxy or, over TLS, to the target through it.

    Return the head of the reply and the bytes after it. Raise `Trouble`.
    """
    if start is not None:
        return (yield from ask(start, request))
    head, rest = yield from _answer(start, request)
    if head.status == _ASKED:
        raise failed(f"the proxy answers {_line(head)}")
    return head, rest


def failed(detail: str) -> Trouble:
    """Return the trouble with a proxy, which says nothing about the target."""
    return Trouble(Reason.PROXY_FAILED, detail)


def _answer(start: StartTls | None, request: Send) -> Generator[Any, Any, tuple[Head, bytes]]:
    """Send a request to the proxy; return the head of its reply and the bytes after it."""
    try:
        return (yield from ask(start, request))
    except Trouble as trouble:
        reason, detail, _ = trouble.verdict
        if not reason.is_conclusive:
            raise
        raise failed(f"the proxy: {detail}") from None


def _line(head: Head) -> str:
    """Return the status of a reply in its own words, as far as they are fit to show."""
    words = head.content.split(b"\r\n", 1)[0].split(b"\n", 1)[0][9:60].decode(errors="replace")
    return "".join(c if c.isprintable() else "\ufffd" for c in words)
