"""TCP probes against real sockets."""

import re
import select
import socket
import struct
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from prober.engine.attempt import Attempt
from prober.engine.sockets import KEPT, Sockets
from prober.model.status import Reason, Result
from prober.probes.tcp import TcpProbe
from tests.engine.by_hand import ByHand, accept
from tests.engine.conftest import Serve
from tests.engine.targets import PATIENCE, Script, close, find, hold, phases, reset, says
from tests.ports import free_port

GREETED = TcpProbe(send=b"PING\r\n", expect=b"+PONG")


async def test_an_open_port_is_good(serve: Serve) -> None:
    found = await find(TcpProbe(), serve(hold))
    assert (found.result, found.reason, found.detail) == (Result.OK, Reason.OK, "connected")
    assert phases(found) == {"connect"}
    assert found.source_ip == "127.0.0.1"
    assert found.facts is None


async def test_an_open_port_is_good_over_ipv6(serve: Serve) -> None:
    found = await find(TcpProbe(), serve(hold, host="::1"), host="::1")
    assert found.reason is Reason.OK
    assert found.source_ip == "::1"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_a_closed_port_is_refused(host: str) -> None:
    found = await find(TcpProbe(), free_port(host=host), host=host)
    assert (found.result, found.reason) == (Result.CONNECT_FAILED, Reason.REFUSED)
    assert found.detail == "connection refused"
    assert phases(found) == {"connect"}


async def test_a_target_that_drops_what_knocks_times_out() -> None:
    with socket.socket() as full, ExitStack() as queued:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):  # with its queue full, the kernel drops what else wants to connect
            knocker = queued.enter_context(socket.socket())
            knocker.setblocking(False)
            knocker.connect_ex(full.getsockname())
        found = await find(TcpProbe(), full.getsockname()[1], timeout=0.1)
    assert (found.result, found.reason) == (Result.TIMED_OUT, Reason.TIMEOUT)
    assert found.detail.startswith("no connection within 0.1 s: no answer to ")
    assert phases(found) == {"connect"}
    assert found.seconds >= 0.1


def test_a_reset_is_seen_if_it_comes_before_the_verdict(
    by_hand: ByHand, listener: socket.socket
) -> None:
    attempt = by_hand.start(listener.getsockname()[1])
    assert attempt.sock is not None
    attempt.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
    with accept(listener) as connection:
        reset(connection)
    assert by_hand.outcome().reason is Reason.RESET
    assert by_hand.outcome().result is Result.CONNECT_FAILED


async def test_what_a_target_does_with_an_open_connection_is_not_waited_for(serve: Serve) -> None:
    port = serve(reset)
    assert [(await find(TcpProbe(), port)).reason for _ in range(5)] == [Reason.OK] * 5


def test_a_connection_without_a_word_is_never_seen_by_the_target(
    by_hand: ByHand, listener: socket.socket
) -> None:
    """As with HAProxy's checks: the RST comes instead of the handshake's last ACK."""
    by_hand.start(listener.getsockname()[1])
    assert by_hand.outcome().reason is Reason.OK
    listener.setblocking(False)
    with pytest.raises(BlockingIOError):
        listener.accept()


def test_a_target_that_speaks_first_is_let_speak_at_once(
    by_hand: ByHand, listener: socket.socket
) -> None:
    """It hears of the connection by the handshake's last ACK, which nothing else would send."""
    attempt = by_hand.start(listener.getsockname()[1], TcpProbe(expect=b"220"))
    assert segments_sent(attempt) == 1
    by_hand.drain()
    assert segments_sent(attempt) == 2


def test_a_target_that_waits_until_its_first_bytes_are_acknowledged_need_not_wait(
    by_hand: ByHand, listener: socket.socket
) -> None:
    """Nagle's algorithm, RFC 896: 40 ms on Linux, for each answer in two writes."""
    attempt = by_hand.start(listener.getsockname()[1], GREETED)
    by_hand.drain()
    assert segments_sent(attempt) == 2  # the request carries the last ACK of the handshake
    with accept(listener) as connection:
        connection.send(b"+PO")
        by_hand.drain()
        assert segments_sent(attempt) == 3


def segments_sent(attempt: Attempt) -> int:
    """Return tcpi_segs_out of the connection (<linux/tcp.h>, struct tcp_info)."""
    assert attempt.sock is not None
    facts = attempt.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 140)
    return int(struct.unpack_from("I", facts, 136)[0])


@pytest.mark.parametrize(
    ("probe", "script", "reason", "detail"),
    [
        (TcpProbe(expect=b"220"), says(b"220 ready\r\n"), Reason.OK, "found"),
        (TcpProbe(expect=b"220"), says(b"220 ready\r\n", then=close), Reason.OK, "found"),
        (TcpProbe(expect=b"220"), says(b"521 no", then=close), Reason.PAYLOAD_MISMATCH, "6 bytes"),
        (TcpProbe(expect=b"220"), says(b"521 no"), Reason.PAYLOAD_MISMATCH, "not found in 6 bytes"),
        (TcpProbe(expect=b"220"), says(b"521 no", then=reset), Reason.RESET, "reset by peer"),
        (TcpProbe(expect=b"220"), close, Reason.CLOSED, "closed without a reply"),
        (TcpProbe(expect=b"220"), hold, Reason.TIMEOUT, "no reply within"),
        (TcpProbe(send=b"QUIT"), hold, Reason.OK, "connected"),
    ],
)
async def test_the_reply_decides(
    serve: Serve, probe: TcpProbe, script: Script, reason: Reason, detail: str
) -> None:
    undecided = reason in (Reason.TIMEOUT, Reason.PAYLOAD_MISMATCH)
    found = await find(probe, serve(script), timeout=0.5 if undecided else PATIENCE)
    assert found.reason is reason, found
    assert detail in found.detail
    assert phases(found) >= ({"connect", "first_byte"} if probe.expect else {"connect", "send"})


async def test_what_is_sent_arrives_and_the_answer_is_found(serve: Serve) -> None:
    heard: list[bytes] = []

    def pong(connection: socket.socket) -> None:
        heard.append(connection.recv(100))
        says(b"+PONG\r\n")(connection)

    found = await find(GREETED, serve(pong))
    assert found.reason is Reason.OK
    assert heard == [b"PING\r\n"]
    assert phases(found) == {"connect", "send", "first_byte", "transfer"}


def test_what_is_expected_is_found_across_segments(
    by_hand: ByHand, listener: socket.socket
) -> None:
    by_hand.start(listener.getsockname()[1], TcpProbe(expect=b"ready"))
    by_hand.drain()
    with accept(listener) as connection:
        for byte in b"not yet rea":
            connection.send(bytes([byte]))
            by_hand.drain()
        assert not by_hand.outcomes
        connection.send(b"dy")
        assert by_hand.outcome().reason is Reason.OK
        assert by_hand.outcome().detail.endswith("13 bytes")


async def test_a_large_payload_is_sent_whole_to_a_slow_reader(serve: Serve) -> None:
    content = bytes(range(256)) * 240
    heard = bytearray()

    def slow(connection: socket.socket) -> None:
        while len(heard) < len(content):
            heard.extend(connection.recv(1000))
        says(b"done")(connection)

    found = await find(TcpProbe(send=content, expect=b"done"), serve(slow))
    assert found.reason is Reason.OK
    assert heard == content


def test_a_payload_that_does_not_fit_waits_for_room(by_hand: ByHand) -> None:
    content = b"x" * 61440
    with socket.socket() as narrow:
        narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        narrow.bind(("127.0.0.1", 0))
        narrow.listen()
        attempt = by_hand.start(narrow.getsockname()[1], TcpProbe(send=content, expect=b"."))
        assert attempt.sock is not None
        attempt.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        by_hand.drain()
        assert attempt.wire is not None
        assert attempt.wire.unsent
        with accept(narrow) as connection:
            left = len(content)
            while left:
                left -= len(connection.recv(4096))
                by_hand.engine.drain()
            connection.send(b".")
            assert by_hand.outcome().reason is Reason.OK


def test_a_request_that_is_not_taken_times_out(by_hand: ByHand, listener: socket.socket) -> None:
    attempt = by_hand.start(
        listener.getsockname()[1], TcpProbe(send=b"x" * 10**7, expect=b"."), timeout=1.0
    )
    by_hand.drain()
    assert attempt.wire is not None
    assert attempt.wire.unsent
    by_hand.clock.advance(1.1)
    assert by_hand.outcomes[0].detail == "request not accepted within 1 s"
    assert by_hand.outcomes[0].reason is Reason.TIMEOUT
    assert phases(by_hand.outcomes[0]) == {"connect", "send"}


def in_time_wait(port: int) -> set[str]:
    """Return the TIME_WAIT sockets that have this port at one end (proc(5), /proc/net/tcp)."""
    rows = re.findall(r": (\w+:\w{4} \w+:\w{4}) 06 ", Path("/proc/net/tcp").read_text())
    return {row for row in rows if f":{port:04X}" in row}


async def test_probes_leave_no_connection_in_time_wait(serve: Serve) -> None:
    port = serve(says(b"220 ready\r\n"))
    before = in_time_wait(port)  # of another program that had the port
    for probe in [TcpProbe(), TcpProbe(expect=b"220")] * 20:
        assert (await find(probe, port)).reason is Reason.OK
    assert in_time_wait(port) <= before
    with socket.create_connection(("127.0.0.1", port)) as other:
        other.recv(100)
        other.shutdown(socket.SHUT_WR)
        while other.recv(100):
            pass
    assert in_time_wait(port) - before  # as it is when one closes in the usual way


def test_the_socket_of_a_good_probe_serves_the_next_from_another_port(
    by_hand: ByHand, listener: socket.socket
) -> None:
    target = listener.getsockname()[1]
    used: list[tuple[socket.SocketType, int]] = []
    for number in range(1, 4):
        attempt = by_hand.start(target, GREETED)
        assert attempt.sock is not None
        used.append((attempt.sock, attempt.sock.getsockname()[1]))
        by_hand.drain()
        with accept(listener) as connection:
            connection.send(b"+PONG")
            while len(by_hand.outcomes) < number:
                by_hand.drain()
            assert connection.recv(100) == b"PING\r\n"
            with pytest.raises(ConnectionResetError):
                connection.recv(100)
    socks, ports = zip(*used, strict=True)
    assert all(sock is socks[0] for sock in socks)
    assert len(set(ports)) == 3
    assert {found.reason for found in by_hand.outcomes} == {Reason.OK}


def dissolved(sockets: Sockets, listener: socket.socket) -> socket.SocketType:
    """Return a socket whose connection was made and dissolved."""
    sock = sockets.stream(socket.AF_INET)
    sock.connect_ex(listener.getsockname())
    assert sockets.epoll.poll(PATIENCE)
    sockets.give_back(sock)
    assert sockets.dissolve()
    return sock


def test_a_socket_whose_end_is_being_reported_is_not_used_again(
    listener: socket.socket,
) -> None:
    """The report would be taken for news of the next connection: closed, and yet writable."""
    with closing(Sockets()) as sockets, closing(dissolved(sockets, listener)) as sock:
        assert sock.fileno() in {descriptor for descriptor, _ in sockets.poll(9)}
        with closing(sockets.stream(socket.AF_INET)) as other:
            assert other is not sock
        sockets.dissolve()
        assert sockets.stream(socket.AF_INET) is sock


def test_a_socket_that_is_used_again_tells_nothing_of_its_last_connection(
    listener: socket.socket,
) -> None:
    with closing(Sockets()) as sockets, closing(dissolved(sockets, listener)) as sock:
        assert sockets.stream(socket.AF_INET) is sock
        sock.connect_ex(listener.getsockname())
        assert select.select([sockets.epoll], [], [], PATIENCE)[0]
        ((descriptor, events),) = sockets.poll(9)
        assert descriptor == sock.fileno()
        assert events & select.EPOLLOUT
        assert not events & select.EPOLLHUP


def test_the_socket_of_a_failed_probe_is_closed(by_hand: ByHand, listener: socket.socket) -> None:
    attempt = by_hand.start(listener.getsockname()[1], TcpProbe(expect=b"220"))
    sock = attempt.sock
    assert sock is not None
    by_hand.drain()
    with accept(listener) as connection:
        reset(connection)
    assert by_hand.outcome().reason is Reason.RESET
    assert sock.fileno() == -1


def test_sockets_beyond_those_that_are_kept_are_closed(by_hand: ByHand) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=KEPT + 9) as listener:
        attempts = [by_hand.start(listener.getsockname()[1]) for _ in range(KEPT + 9)]
        socks = [attempt.sock for attempt in attempts if attempt.sock is not None]
        while len(by_hand.outcomes) < len(attempts):
            by_hand.drain()
    assert len(socks) == KEPT + 9
    assert sum(sock.fileno() != -1 for sock in socks) == KEPT
    by_hand.close()
    assert all(sock.fileno() == -1 for sock in socks)
