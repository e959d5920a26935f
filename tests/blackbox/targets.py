"""Targets of probes on demand: an HTTP server with a path for everything, and a talking TCP one."""

import gzip
import socket
import ssl
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

TEXT = b"hello world\nversion 1.2\nbye\n"
BIG = 3 * 1024 * 1024


class Site(BaseHTTPRequestHandler):
    """Answers each path in its way."""

    protocol_version = "HTTP/1.1"
    timeout = 5

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        self.asked = self.rfile.read(length)
        path = self.path.partition("?")[0].strip("/").replace("-", "_") or "ok"
        getattr(self, f"at_{path}", self.at_missing)()

    do_HEAD = do_POST = do_PROPFIND = do_GET  # noqa: N815  (so called by the base class)

    def reply(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if status not in (204, 304):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD" and status not in (204, 304):
            self.wfile.write(body)

    def raw(self, *lines: bytes) -> None:
        self.wfile.write(b"\r\n".join(lines))
        self.close_connection = True

    def at_ok(self) -> None:
        self.reply(200, TEXT, Last_Modified="Wed, 21 Oct 2015 07:28:00 GMT", X_Color="blue")

    def at_missing(self) -> None:
        self.reply(404, b"nothing here")

    def at_broken(self) -> None:
        self.reply(500)

    def at_empty(self) -> None:
        self.reply(204)

    def at_chunked(self) -> None:
        chunks = (b"5", b"hello", b"0", b"", b"")
        self.raw(b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked", b"", *chunks)

    def at_unmeasured(self) -> None:
        self.raw(b"HTTP/1.0 200 OK", b"", b"hello")

    def at_truncated(self) -> None:
        self.raw(b"HTTP/1.1 200 OK", b"Content-Length: 100", b"", b"hello")

    def at_truncated_chunk(self) -> None:
        self.raw(b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked", b"", b"50", b"hello")

    def at_no_http(self) -> None:
        self.raw(b"220 mail.example ESMTP", b"")

    def at_big(self) -> None:
        self.reply(200, b"x" * BIG)

    def at_redirect(self) -> None:
        self.reply(302, b"moved", Location="/ok")

    def at_relative(self) -> None:
        self.reply(301, Location="ok?x=1")

    def at_go(self) -> None:
        self.reply(302, Location=unquote(self.path.partition("?to=")[2]))

    def at_loop(self) -> None:
        self.reply(302, Location="/loop")

    def at_nowhere(self) -> None:
        self.reply(302, b"no location")

    def at_not_modified(self) -> None:
        self.reply(304)

    def at_strange_scheme(self) -> None:
        self.reply(302, Location="ftp://127.0.0.1/")

    def at_refused(self) -> None:
        self.reply(302, Location="http://127.0.0.1:1/")

    def at_cookie(self) -> None:
        self.reply(302, Location="/needs-cookie", Set_Cookie="seen=yes; Path=/; HttpOnly")

    def at_needs_cookie(self) -> None:
        self.reply(200 if self.headers.get("Cookie") == "seen=yes" else 403)

    def at_see_other(self) -> None:
        self.reply(303, Location="/was-get")

    def at_temporary(self) -> None:
        self.reply(307, Location="/was-post")

    def at_was_get(self) -> None:
        self.reply(200 if self.command == "GET" and not self.asked else 405)

    def at_was_post(self) -> None:
        self.reply(200 if self.command == "POST" and self.asked == b"a=1" else 405)

    def at_basic(self) -> None:
        self.reply(200 if self.headers.get("Authorization") == "Basic dXNlcjpwYXNz" else 401)

    def at_bearer(self) -> None:
        self.reply(200 if self.headers.get("Authorization") == "Bearer abc" else 401)

    def at_host(self) -> None:
        self.reply(200 if self.headers.get("Host") == "shop.example" else 404)

    def at_custom(self) -> None:
        self.reply(200 if self.headers.get("X-Custom") == "1" else 400)

    def at_propfind(self) -> None:
        self.reply(200 if self.command == "PROPFIND" else 405)

    def at_gzip(self) -> None:
        self.reply(200, gzip.compress(TEXT), Content_Encoding="gzip")

    def at_deflate(self) -> None:
        packer = zlib.compressobj(wbits=-15)
        self.reply(200, packer.compress(TEXT) + packer.flush(), Content_Encoding="deflate")

    def at_silent(self) -> None:
        self.rfile.read(1)  # until the prober has gone

    def at_half(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
        self.wfile.flush()
        self.rfile.read(1)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def site(context: ssl.SSLContext | None = None) -> Iterator[int]:
    """Serve the site on 127.0.0.1, over TLS if there is a context; yield the port."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

        def handle_error(self, *_: object) -> None:
            """Probes hang up as they like."""

        def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
            connection, peer = super().get_request()
            if context is not None:
                connection = context.wrap_socket(
                    connection, server_side=True, do_handshake_on_connect=False
                )
            return connection, peer

    server = Server(("127.0.0.1", 0), Site)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def mail(context: ssl.SSLContext) -> Callable[[socket.socket], None]:
    """Return a server that speaks a little SMTP, with STARTTLS."""

    def serve(connection: socket.socket) -> None:
        connection.sendall(b"220-welcome\r\n220 mail.example ESMTP\r\n")
        lines = connection.makefile("rb")
        if not lines.readline().startswith(b"EHLO mail.example"):
            return
        connection.sendall(b"250-mail.example\r\n250-SIZE 1000\r\n250 STARTTLS\r\n")
        if lines.readline() != b"STARTTLS\n":
            return
        connection.sendall(b"220 go ahead\r\n")
        with context.wrap_socket(connection, server_side=True) as secured:
            if secured.recv(100) == b"EHLO again\n":
                secured.sendall(b"250 all is well\r\n")
                secured.recv(1)

    return serve


def ping(connection: socket.socket) -> None:
    """Answer PING with PONG, in one piece and without an end of line."""
    if connection.recv(100) == b"PING\n":
        connection.sendall(b"+PONG")


def silent(connection: socket.socket) -> None:
    """Say nothing until the prober has gone."""
    connection.recv(1)
