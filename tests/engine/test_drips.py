"""Peers that send in drops: they are heard, but seldom, and one record is not one step."""

import socket
import ssl
from contextlib import suppress

import pytest

from prober.engine.handshake import TlsStream
from prober.engine.tls_contexts import make_context
from prober.model.probe import Trouble
from prober.model.status import Reason
from prober.model.tls_settings import TlsSettings
from prober.probes.http import HttpProbe, HttpsProbe
from prober.probes.tcp import TcpProbe
from tests.engine.by_hand import ByHand, accept
from tests.engine.conftest import Certificates, Serve
from tests.engine.targets import find, over_tls

FREE = 64


def test_a_peer_that_sends_small_pieces_is_read_less_often(
    by_hand: ByHand, listener: socket.socket
) -> None:
    talker = by_hand.start(listener.getsockname()[1], TcpProbe(expect=b"end"))
    by_hand.drain()
    with accept(listener) as connection:
        for _ in range(FREE):
            connection.send(b"x")
            by_hand.drain()
        assert talker.wire is not None
        heard = talker.wire.received
        assert heard >= FREE - 2
        for _ in range(20):
            connection.send(b"x")
            by_hand.drain()
        assert talker.wire.received <= heard + 2
        connection.send(b"end")
        by_hand.drain()
        assert not by_hand.outcomes
        by_hand.clock.advance(0.02)
        assert [found.reason for found in by_hand.outcomes] == [Reason.OK]


def test_a_peer_that_sends_large_pieces_is_read_at_once(
    by_hand: ByHand, listener: socket.socket
) -> None:
    probe = HttpProbe(body_regex="never", body_limit=1048576)
    talker = by_hand.start(listener.getsockname()[1], probe)
    by_hand.drain()
    with accept(listener) as connection:
        connection.send(b"HTTP/1.1 200 OK\r\n\r\n")
        by_hand.drain()
        assert talker.wire is not None
        for _ in range(3 * FREE):
            before = talker.wire.received
            connection.send(b"x" * 1460)
            by_hand.drain()
            assert talker.wire.received > before


def handshake(certificates: Certificates, tickets: int) -> tuple[TlsStream, ssl.SSLObject, bytes]:
    """Shake hands in memory; return both ends and what the server sent after its last flight."""
    context = certificates.server()
    context.num_tickets = tickets
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context.wrap_bio(incoming, outgoing, server_side=True)
    stream = TlsStream(make_context(TlsSettings()), "localhost")
    while not stream.shake():
        incoming.write(stream.outgoing.read())
        with suppress(ssl.SSLWantReadError):
            server.do_handshake()
        stream.feed(outgoing.read())
    incoming.write(stream.outgoing.read())
    server.do_handshake()
    server.write(b"")
    return stream, server, outgoing.read()


@pytest.mark.parametrize(("tickets", "bears"), [(2, True), (20, True), (1000, False)])
def test_records_without_content_are_limited(
    certificates: Certificates, tickets: int, bears: bool
) -> None:
    stream, _, sent = handshake(certificates, tickets)

    def read() -> None:
        for start in range(0, len(sent), 16384):
            stream.feed(sent[start : start + 16384])
            assert stream.read() is None

    if bears:
        read()
    else:
        with pytest.raises(Trouble, match="TLS records without content"):
            read()


@pytest.mark.parametrize(
    ("record", "count", "reason"),
    [(1, 3000, Reason.OK), (1, 10_000, Reason.BAD_RESPONSE), (600, 1500, Reason.OK)],
)
async def test_short_records_are_limited(
    serve: Serve, certificates: Certificates, record: int, count: int, reason: Reason
) -> None:
    def script(connection: socket.socket) -> None:
        connection.recv(65536)
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (record * count + 1)
        connection.sendall(head)
        for _ in range(count):
            connection.sendall(b"x" * record)
        connection.sendall(b"y")

    probe = HttpsProbe(body_regex="y", body_limit=1048576)
    found = await find(probe, serve(over_tls(certificates.server(), script)))
    assert found.reason is reason, found
