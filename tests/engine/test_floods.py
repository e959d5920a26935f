"""Targets that send without end: no one of them holds the loop, or fills the memory."""

import socket
import tracemalloc
from contextlib import suppress

import pytest

from prober.engine.wire import REPLY_LIMIT
from prober.model.probe import Probe
from prober.model.status import Reason
from prober.probes.grpc import GrpcProbe
from prober.probes.http import HttpProbe, HttpsProbe
from prober.probes.tcp import TcpProbe
from tests.engine.by_hand import ByHand, accept
from tests.engine.conftest import Certificates, Serve
from tests.engine.targets import Script, endless, find, over_tls

SHARE = 2 * 16384
"""Bytes that are read of one peer before the others have their turn."""

SETTINGS = b"\0\0\0\4\0\0\0\0\0"
PING = b"\0\0\x08\6\0\0\0\0\x0012345678"
PLAIN = b"HTTP/1.1 200 OK\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
MEBIBYTE = 1048576


def fill(connection: socket.socket) -> int:
    """Send until the kernel takes no more; return how many bytes it took."""
    connection.setblocking(False)
    sent = 0
    with suppress(BlockingIOError):
        while True:
            sent += connection.send(b"x" * 65536)
    return sent


def test_one_peer_gets_its_share_and_then_the_others_have_their_turn(
    by_hand: ByHand, listener: socket.socket
) -> None:
    port = listener.getsockname()[1]
    talker = by_hand.start(port, HttpProbe(body_regex="never", body_limit=MEBIBYTE))
    by_hand.drain()
    with accept(listener) as loud:
        by_hand.start(port, TcpProbe(expect=b"220"))
        by_hand.drain()
        with accept(listener) as quiet:
            loud.send(PLAIN)
            assert fill(loud) > 3 * SHARE
            quiet.send(b"220")
            by_hand.drain()
            assert [found.reason for found in by_hand.outcomes] == [Reason.OK]
            assert talker.wire is not None
            assert talker.wire.received == SHARE
            by_hand.drain()
            assert talker.wire.received == 2 * SHARE


def test_what_is_left_of_a_share_is_not_forgotten(by_hand: ByHand, listener: socket.socket) -> None:
    """The socket is edge-triggered: nothing new has to come for the rest to be read."""
    by_hand.start(listener.getsockname()[1], TcpProbe(expect=b"end"))
    by_hand.drain()
    with accept(listener) as connection:
        connection.sendall(b"x" * 60000 + b"end")
        assert by_hand.outcome().reason is Reason.OK


@pytest.mark.parametrize(
    ("probe", "script", "reason"),
    [
        (TcpProbe(send=b"?", expect=b"!"), endless(b"no\r\n"), Reason.PAYLOAD_MISMATCH),
        (HttpProbe(), endless(b"HTTP/1.1 102 Processing\r\n\r\n"), Reason.BAD_RESPONSE),
        (HttpProbe(body_regex="never"), endless(b"x" * 99, PLAIN), Reason.PAYLOAD_MISMATCH),
        (HttpProbe(body_regex="never"), endless(b"1\na\n", CHUNKED), Reason.PAYLOAD_MISMATCH),
        (GrpcProbe(), endless(PING, SETTINGS), Reason.BAD_RESPONSE),
        (GrpcProbe(), endless(SETTINGS), Reason.BAD_RESPONSE),
    ],
)
async def test_what_is_endless_comes_to_an_end_in_bounded_memory(
    serve: Serve, probe: Probe, script: Script, reason: Reason
) -> None:
    port = serve(script)
    await find(probe, port)  # imports what it needs
    tracemalloc.start()
    try:
        found = await find(probe, port)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found.reason is reason, found
    assert most < 2 * REPLY_LIMIT


async def test_what_is_endless_over_tls_comes_to_an_end(
    serve: Serve, certificates: Certificates
) -> None:
    script = over_tls(certificates.server(), endless(b"x", PLAIN))
    found = await find(HttpsProbe(body_regex="never"), serve(script))
    assert found.reason is Reason.PAYLOAD_MISMATCH


def test_more_events_than_fit_in_one_look_are_all_handled(by_hand: ByHand) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=2000) as listener:
        for _ in range(1100):
            by_hand.start(listener.getsockname()[1])
        by_hand.engine.drain()
    assert len(by_hand.outcomes) == 1100
    assert {found.reason for found in by_hand.outcomes} == {Reason.OK}
