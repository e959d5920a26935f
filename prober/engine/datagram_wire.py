"""The datagrams of one connected probe in both directions."""

from typing import Final

from prober.engine.error_queue import take_error
from prober.engine.os_errors import at_once, from_network
from prober.engine.wire import Wire, error_of
from prober.model.probe import Send, Trouble
from prober.model.status import Reason

_LONGEST: Final = 65536


class DatagramWire(Wire):
    """A connected UDP socket: what it takes is one datagram, which may be empty."""

    __slots__ = ()

    def send(self, step: Send) -> None:
        """Send a datagram; if there is no room for it, it is `unsent`."""
        try:
            self._sock.send(step.content)
        except BlockingIOError:
            self.unsent = step.content
            self._has_no_room()
        except OSError as error:
            self._not_sent(error.errno or 0)

    def acknowledge(self) -> None:
        """Do nothing: nobody waits for it."""

    def take(self) -> bytes | None:
        """Return the next datagram, None if the probe must wait."""
        if not self.readable:
            return None
        if not self._reads_left:
            self._again(self._sock.fileno(), self._drips())
            return None
        self._reads_left -= 1
        try:
            content = self._sock.recv(_LONGEST)
        except BlockingIOError:
            self.readable = False
            return None
        except OSError as error:
            raise from_network(error.errno or 0) from None
        self.received += len(content)
        if self.received > self._limit:
            raise Trouble(Reason.BAD_RESPONSE, f"reply longer than {self._limit} bytes")
        return content

    def _has_no_room(self) -> None:
        """Ask for a report when there is room: `Sockets` does not watch datagrams for it."""
        self._again(self._sock.fileno(), False)

    def _not_sent(self, number: int) -> None:
        raise at_once(number, lacks_address=True)  # it has its port

    def _saw_error(self) -> None:
        """Raise what the error queue has: an ICMP error, or a local one."""
        queued = take_error(self._sock)
        error = queued.trouble(self._sock.getpeername()[0]) if queued else error_of(self._sock)
        if error is not None:
            raise error
