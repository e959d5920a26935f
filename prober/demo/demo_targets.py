"""The targets of the demonstration, served on loopback addresses by prober itself."""

import asyncio
import os
import socket
import ssl
import struct
from collections.abc import Callable
from contextlib import AsyncExitStack, ExitStack
from datetime import datetime
from itertools import cycle
from typing import cast
from weakref import WeakSet

from hpack import Encoder

from prober.protocols.http2 import (
    ACK,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PING,
    PREFACE,
    SETTINGS,
    Frame,
    FrameReader,
    Http2Error,
    write_frame,
)

HTTP_END = b"\r\n\r\n"
"""The end of a request without a body."""

_REQUEST_LIMIT = 65536
_DNS_HEADER = 12  # bytes: RFC 1035, section 4.1.1
_SERVING = b"\x08\x01"  # HealthCheckResponse with field 1, status, SERVING

Holder = AsyncExitStack | ExitStack
"""An exit stack that closes the sockets."""
Judgement = Callable[[], bool]
"""Returns, for each request, whether the target is healthy."""


def flapping(clock: Callable[[], float], *, good: float, bad: float) -> Judgement:
    """Return a target that is healthy for `good` seconds, then not for `bad`, and so on."""
    start = clock()
    return lambda: (clock() - start) % (good + bad) < good


def alternating() -> Judgement:
    """Return a target that is healthy at every other request."""
    turns = cycle((True, False))
    return lambda: next(turns)


def http_reply(judge: Judgement, body: str = "ok\n") -> Callable[[], bytes]:
    """Return a writer of HTTP replies: 200 if the target is healthy, else 503."""

    def reply() -> bytes:
        status = "200 OK" if judge() else "503 Service Unavailable"
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close"
        return f"{head}\r\nContent-Type: text/plain\r\n\r\n{body}".encode()

    return reply


class Talking(asyncio.Protocol):
    """One connection to a target; `lost` is done when the connection ends."""

    transport: asyncio.Transport
    lost: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport."""
        self.transport = cast("asyncio.Transport", transport)
        self.lost = asyncio.get_running_loop().create_future()

    def connection_lost(self, _: Exception | None) -> None:
        """Note that the connection has ended."""
        if self.lost:
            self.lost.set_result(None)


class Replying(Talking):
    """Replies after `delay` seconds once a request is complete, and closes."""

    def __init__(self, end: bytes, reply: Callable[[], bytes], delay: float = 0.0) -> None:
        self._end = end
        self._reply = reply
        self._delay = delay
        self._request = b""

    def data_received(self, data: bytes) -> None:
        """Collect the request."""
        self._request += data
        if self._end in self._request:
            self._request = b""
            asyncio.get_running_loop().call_later(self._delay, self._answer)
        elif len(self._request) > _REQUEST_LIMIT:
            self.transport.abort()

    def _answer(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(self._reply())
            self.transport.close()


class GrpcHealth(Talking):
    """Answers every gRPC call with SERVING, in the few HTTP/2 frames that this needs."""

    def __init__(self) -> None:
        self._frames = FrameReader(preface=PREFACE)
        self._encoder = Encoder()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the server's settings."""
        super().connection_made(transport)
        self.transport.write(write_frame(SETTINGS))

    def data_received(self, data: bytes) -> None:
        """Answer frames that need an answer; hang up if it is not HTTP/2."""
        try:
            for frame in self._frames.feed(data):
                self.transport.write(self._answer(frame))
        except Http2Error:
            self.transport.abort()

    def _answer(self, frame: Frame) -> bytes:
        if frame.kind in (SETTINGS, PING) and not frame.flags & ACK:
            return write_frame(frame.kind, ACK, 0, frame.payload if frame.kind == PING else b"")
        if frame.kind in (DATA, HEADERS) and frame.flags & END_STREAM:
            return self._serving(frame.stream)
        return b""

    def _serving(self, stream: int) -> bytes:
        head = self._encoder.encode([(":status", "200"), ("content-type", "application/grpc")])
        message = struct.pack(">BI", 0, len(_SERVING)) + _SERVING
        trailers = self._encoder.encode([("grpc-status", "0")])
        return b"".join(
            (
                write_frame(HEADERS, END_HEADERS, stream, head),
                write_frame(DATA, 0, stream, message),
                write_frame(HEADERS, END_HEADERS | END_STREAM, stream, trailers),
            )
        )


class Echo(asyncio.DatagramProtocol):
    """Sends every datagram back."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Send the datagram back."""
        self._transport.sendto(data, addr)


class NameServer(asyncio.DatagramProtocol):
    """Answers every DNS query with one address, which is reserved for documentation."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer with the question, and a record whose name points to it."""
        if len(data) > _DNS_HEADER:
            head = data[:2] + struct.pack(">5H", 0x8180, 1, 1, 0, 0)
            record = struct.pack(">HHHIH4B", 0xC000 | _DNS_HEADER, 1, 1, 300, 4, 192, 0, 2, 80)
            self._transport.sendto(head + data[_DNS_HEADER:] + record, addr)


async def serve(
    stack: AsyncExitStack,
    talking: Callable[[], Talking],
    host: str = "127.0.0.1",
    tls: ssl.SSLContext | None = None,
) -> int:
    """Serve until the stack closes; return the port."""
    talks: WeakSet[Talking] = WeakSet()

    def begin() -> Talking:
        talk = talking()
        talks.add(talk)
        return talk

    async def end() -> None:
        server.close()
        for talk in talks:
            if talk.lost and not talk.lost.done():
                talk.transport.abort()
        await asyncio.gather(*(talk.lost for talk in talks if talk.lost))

    server = await asyncio.get_running_loop().create_server(begin, host, 0, ssl=tls)
    stack.push_async_callback(end)
    return cast("int", server.sockets[0].getsockname()[1])


async def serve_datagrams(
    stack: AsyncExitStack, answering: Callable[[], asyncio.DatagramProtocol], host: str
) -> int:
    """Answer datagrams until the stack closes; return the port."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(answering, local_addr=(host, 0))
    stack.callback(transport.close)
    return cast("int", transport.get_extra_info("sockname")[1])


def refuse_tcp(stack: Holder, host: str = "127.0.0.1") -> int:
    """Return a TCP port that refuses connections: its socket never listens."""
    holder = stack.enter_context(socket.socket())
    holder.bind((host, 0))
    return cast("int", holder.getsockname()[1])


def refuse_udp(stack: Holder, host: str) -> int:
    """Return a UDP port that refuses datagrams: its socket is connected to itself."""
    holder = stack.enter_context(socket.socket(type=socket.SOCK_DGRAM))
    holder.bind((host, 0))
    holder.connect(holder.getsockname())
    return cast("int", holder.getsockname()[1])


def certificate(not_after: datetime) -> str:
    """Return a self-signed certificate for demo.invalid, in PEM, that expires then.

    The date has a fixed length in the template, so it can be overwritten. That
    breaks the signature, which nothing verifies: a proper certificate would need a library only for
    this.
    """
    old, new = _NOT_AFTER.strftime(_UTC_TIME), not_after.strftime(_UTC_TIME)
    der = ssl.PEM_cert_to_DER_cert(_CERTIFICATE)
    return ssl.DER_cert_to_PEM_cert(der.replace(old.encode(), new.encode()))


def tls_context(not_after: datetime, alpn: tuple[str, ...] = ()) -> ssl.SSLContext:
    """Return the TLS context of a server whose certificate expires then."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(alpn)
    # OpenSSL reads certificates from files only; this one is in memory, for a read-only disk.
    with os.fdopen(os.memfd_create("certificate"), "w") as file:
        file.write(certificate(not_after) + _KEY)
        file.flush()
        context.load_cert_chain(f"/proc/self/fd/{file.fileno()}")
    return context


_UTC_TIME = "%y%m%d%H%M%SZ"  # X.509 before 2050: RFC 5280, section 4.1.2.5.1
_NOT_AFTER = datetime.strptime("491231235959Z", _UTC_TIME)  # noqa: DTZ007  (Z is UTC)

# Not a secret: everyone has this key, and trusting this certificate means trusting everyone.
_KEY = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgArosHPNoCOenIam6
i3MCPWdE6iHqaCGxoHUuZfKVvzChRANCAATTFs/y1gemuGCQUP9NRz4wuVftRile
A8AqQWQmi+QiDH92K3cuIRei4N+/+LQQHJl3V8bu6VSUkaQmdVHo9BJL
-----END PRIVATE KEY-----
"""
_CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBODCB3qADAgECAgEBMAoGCCqGSM49BAMCMBcxFTATBgNVBAMMDGRlbW8uaW52
YWxpZDAeFw0yMDAxMDEwMDAwMDBaFw00OTEyMzEyMzU5NTlaMBcxFTATBgNVBAMM
DGRlbW8uaW52YWxpZDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABNMWz/LWB6a4
YJBQ/01HPjC5V+1GKV4DwCpBZCaL5CIMf3Yrdy4hF6Lg37/4tBAcmXdXxu7pVJSR
pCZ1Uej0EkujGzAZMBcGA1UdEQQQMA6CDGRlbW8uaW52YWxpZDAKBggqhkjOPQQD
AgNJADBGAiEAzwM0AOEsGKa4A4Tor9Q/FK8hrKHozw2nJhvDcwLsCzgCIQCrDJy3
WlVYDiv+HyZLg6U0XoxI7nhiXT07cDyoH/LC6w==
-----END CERTIFICATE-----
"""
