"""What the kernel knows of the connection of a probe."""

from typing import NamedTuple


class KernelView(NamedTuple):
    """The facts of a TCP connection that the kernel keeps; None: it does not know, or not any more.

    `syn_sent` is the number of SYNs sent. `retransmits` is the number of segments that were sent
    again, SYNs among them. `rtt_seconds` is the smoothed round-trip time. `unacked` is the number
    of bytes that the target has not acknowledged, sent or not. `reported_by` is the address of the
    router or host whose ICMP error ended the connection.
    """

    syn_sent: int | None = None
    retransmits: int | None = None
    rtt_seconds: float | None = None
    unacked: int | None = None
    reported_by: str | None = None

    def known(self) -> dict[str, int | float | str]:
        """Return what is known, by name."""
        named = zip(self._fields, self, strict=True)
        return {name: value for name, value in named if value is not None}
