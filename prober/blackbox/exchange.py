"""One HTTP request and its reply, sans-IO."""

from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

from prober.model.probe import RECEIVE, Send, StartTls, Steps, Trouble
from prober.model.status import Reason, Verdict
from prober.probes.http_receive import receive_body, receive_head
from prober.protocols.http1 import body_of, read_fields

BODY_LIMIT = 16 * 1024 * 1024
"""Maximum bytes of a body to read, whatever the module says."""

REDIRECTS = (301, 302, 303, 307, 308)
_DONE = Verdict(Reason.OK, "replied")


@dataclass(slots=True)
class Reply:
    """A reply as far as it was received; `status` is 0 until the head is complete.

    `content_length` is -1 if it is not announced. `was_cut` means that the body is longer than
    allowed, `is_whole` that all of it was read.
    """

    status: int = 0
    version: str = "0"
    headers: list[tuple[str, str]] = field(default_factory=list)
    content_length: int = 0
    body: bytes = b""
    is_whole: bool = False
    was_cut: bool = False

    def values(self, name: str) -> list[str]:
        """Return the values of a header."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    @property
    def location(self) -> str:
        """The target of a redirect; empty if it is not one."""
        return next(iter(self.values("location")), "") if self.status in REDIRECTS else ""

    @property
    def last_modified(self) -> float | None:
        """The Last-Modified header in unix seconds, if it is present and valid."""
        try:
            return parsedate_to_datetime(self.values("last-modified")[0]).timestamp()
        except (IndexError, ValueError, TypeError):
            return None


def exchange(
    start: StartTls | None, request: bytes, reply: Reply, *, method: str, limit: int
) -> Steps:
    """Send a request and fill in the reply, with up to `limit` bytes of its body.

    The body of a redirect is not read.
    """
    if start is not None:
        yield start
    yield Send(request, until_answered=True)
    content: bytes = yield RECEIVE
    if not content:
        return Verdict(Reason.CLOSED, "closed without a reply")
    head, rest = yield from receive_head(content)
    reply.status = head.status
    reply.version = head.content[5:8].decode()
    reply.headers = read_fields(head.content)
    if head.may_have_body:
        reply.content_length = -1 if head.length is None else head.length
    if reply.location:
        return _DONE
    if not head.may_have_body or method == "HEAD":
        reply.is_whole = True
        return _DONE
    body = body_of(head, limit + 1)
    try:
        yield from receive_body(body, rest)
        reply.is_whole = True
    except Trouble as trouble:
        return trouble.verdict
    finally:
        reply.was_cut = len(body.content) > limit
        reply.body = bytes(body.content[:limit])
    return _DONE
