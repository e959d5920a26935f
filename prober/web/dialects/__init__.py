"""The cloud APIs: each module renders the one model in the form of one cloud."""

import re

from aiohttp import hdrs, web

from prober.web.server.dialect import Dialect, DialectEntry


def _huawei_v3() -> Dialect:
    from prober.web.dialects.huawei.huawei_v3 import DIALECT

    return DIALECT


def _octavia() -> Dialect:
    from prober.web.dialects.openstack.octavia import DIALECT

    return DIALECT


def _discovery_and_tokens() -> Dialect:
    from prober.web.dialects.openstack.discovery_and_tokens import DIALECT

    return DIALECT


def _load_balancer() -> Dialect:
    from prober.web.dialects.oracle.load_balancer import DIALECT

    return DIALECT


def _network_load_balancer() -> Dialect:
    from prober.web.dialects.oracle.network_load_balancer import DIALECT

    return DIALECT


def _wants_discovery(request: web.Request) -> bool:
    """Return whether a request for `/` wants the API versions; browsers accept HTML."""
    accepted = request.headers.get(hdrs.ACCEPT, "").lower()
    return "application/json" in accepted and "text/html" not in accepted


DIALECTS = (
    DialectEntry(
        re.compile(r"/v3/(?!auth(?:/|$)|discovery:).|/versions$"), ("/v3", "/versions"), _huawei_v3
    ),
    DialectEntry(re.compile(r"/v2(?:\.0)?/."), ("/v2.0", "/v2"), _octavia),
    DialectEntry(
        re.compile(r"/v2(?:\.0)?/?$|/v3(?:/?$|/auth(?:/|$))"),
        ("/v2.0", "/v2", "/v3"),
        _discovery_and_tokens,
        asks_root=_wants_discovery,
    ),
    DialectEntry(re.compile(r"/20170115(?:/|$)"), ("/20170115",), _load_balancer),
    DialectEntry(re.compile(r"/20200501(?:/|$)"), ("/20200501",), _network_load_balancer),
)
"""All dialects; no two of them share a path."""
