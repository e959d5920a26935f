"""The demonstration: targets of all kinds in this process, and a configuration that probes them.

Within 15 seconds every status is seen: OK and CRITICAL from what is well and what is not, WARNING
from what is slow or flapping or about to expire, UNKNOWN from what stays undecided.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from string import Template

from prober.config.configuration import Config
from prober.config.reader import parse
from prober.demo.demo_targets import (
    HTTP_END,
    Echo,
    GrpcHealth,
    NameServer,
    Replying,
    Talking,
    alternating,
    flapping,
    http_reply,
    refuse_tcp,
    refuse_udp,
    serve,
    serve_datagrams,
    tls_context,
)
from prober.model.option import ReadContext

SLOW_SECONDS = 0.25
"""Seconds that the slow target takes to reply; its monitor expects 100 ms."""
GOOD_SECONDS, BAD_SECONDS = 6.0, 6.0
"""Seconds for which the flapping target is healthy, and then is not."""
VALID_FOR = timedelta(days=5)
"""Remaining validity of the certificate; its monitor expects two weeks."""
ECHO_HOST, REFUSING_HOST = "127.0.0.2", "127.0.0.3"
"""Separate hosts for UDP, since UDP probes of one host are kept more than a second apart."""

CONFIGURATION = Template(
    r"""page: {title: prober demo}
defaults: {interval: 1s, timeout: 800ms, rise: 2, fall: 3}
pools:
  - name: web
    load_balancer: edge
    backends:
      - {address: 127.0.0.1, port: $healthy, name: healthy}
      - {address: 127.0.0.1, port: $healthy_too, name: healthy-too}
      - {address: 127.0.0.1, port: $flapping, name: flapping}
  - name: shop
    load_balancer: edge
    backends:
      - {address: 127.0.0.1, port: $slow, name: slow}
      - {address: 127.0.0.1, port: $failing, name: failing}
      - {address: 127.0.0.1, port: $undecided, name: undecided}
  - name: account
    load_balancer: edge
    backends:
      - {address: 127.0.0.1, port: $tls, name: expires-soon}
  - name: orders
    load_balancer: inside
    backends:
      - {address: 127.0.0.1, port: $grpc, name: serving}
  - name: cache
    load_balancer: inside
    backends:
      - {address: 127.0.0.1, port: $cache, name: answers}
      - {address: 127.0.0.1, port: $closed, name: closed}
  - name: resolver
    load_balancer: inside
    backends:
      - {address: 127.0.0.2, port: $udp_echo, name: answers}
      - {address: 127.0.0.3, port: $udp_closed, name: closed}
  - name: zone
    load_balancer: inside
    backends:
      - {address: 127.0.0.1, port: $dns, name: answers}
monitors:
  - {name: web-http, type: HTTP, pool: web, url_path: /healthz}
  - {name: shop-http, type: HTTP, pool: shop, url_path: /healthz, slow: 100ms}
  - {name: account-tls, type: TLS, pool: account, tls: {expires_within: 14d}}
  - {name: account-https, type: HTTPS, pool: account, body_regex: "status: up"}
  - {name: orders-grpc, type: GRPC, pool: orders, service: orders}
  - {name: orders-http2, type: HTTP2_PING, pool: orders}
  - {name: cache-tcp, type: TCP, pool: cache}
  - name: cache-ping
    type: TCP
    pool: cache
    send: {text: "PING\r\n"}
    expect: {text: "+PONG"}
  - name: zone-dns
    type: DNS
    pool: zone
    query_name: www.example.com
    expect_answers: {any: ['^192\.0\.2\.']}
  - {name: resolver-udp, type: UDP_CONNECT, pool: resolver, interval: 2s, fast_interval: 1500ms}
"""
)
"""The configuration, with placeholders for the ports."""


_PINGED = """  - name: hosts
    load_balancer: inside
    backends:
      - {address: 127.0.0.1, name: this-host}
monitors:
  - {name: hosts-icmp, type: ICMP, pool: hosts}
"""


async def start(
    stack: AsyncExitStack, clock: Callable[[], float] = time.monotonic, *, pings: bool = False
) -> Config:
    """Serve the targets until the stack closes; return the configuration that probes them.

    With `pings` it sends ICMP echo requests as well, which not every user may do.
    """
    ports = await open_targets(stack, clock)
    text = CONFIGURATION.substitute(ports)
    if pings:
        text = text.replace("monitors:\n", _PINGED)
    return parse(text, source="demo", outside=ReadContext("", _read_no_file, {}))


def _read_no_file(name: str) -> str:
    raise FileNotFoundError(2, "the demonstration reads no file", name)


async def open_targets(stack: AsyncExitStack, clock: Callable[[], float]) -> Mapping[str, int]:
    """Serve the targets until the stack closes; return their ports by name."""
    well = http_reply(lambda: True)
    servers: dict[str, Callable[[], Talking]] = {
        "healthy": partial(Replying, HTTP_END, well),
        "healthy_too": partial(Replying, HTTP_END, well),
        "flapping": partial(
            Replying, HTTP_END, http_reply(flapping(clock, good=GOOD_SECONDS, bad=BAD_SECONDS))
        ),
        "slow": partial(Replying, HTTP_END, well, SLOW_SECONDS),
        "failing": partial(Replying, HTTP_END, http_reply(lambda: False)),
        "undecided": partial(Replying, HTTP_END, http_reply(alternating())),
        "cache": partial(Replying, b"PING\r\n", lambda: b"+PONG\r\n"),
        "grpc": GrpcHealth,
    }
    account = partial(Replying, HTTP_END, http_reply(lambda: True, "status: up\n"))
    tls = tls_context(datetime.now(UTC) + VALID_FOR)
    return {
        **{name: await serve(stack, protocol) for name, protocol in servers.items()},
        "tls": await serve(stack, account, tls=tls),
        "closed": refuse_tcp(stack),
        "udp_echo": await serve_datagrams(stack, Echo, ECHO_HOST),
        "dns": await serve_datagrams(stack, NameServer, "127.0.0.1"),
        "udp_closed": refuse_udp(stack, REFUSING_HOST),
    }
