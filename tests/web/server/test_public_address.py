"""Where prober is as its callers see it, and whose word counts."""

from ipaddress import ip_network

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from prober.model.reach import Network
from prober.web.server.public_address import public_address
from prober.web.server.services import PageSettings
from tests.web.world import World

LOOPBACK: tuple[Network, ...] = (ip_network("127.0.0.0/8"),)
OTHERS: tuple[Network, ...] = (ip_network("192.0.2.0/24"),)
SAID = {
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "prober.example",
    "X-Forwarded-Prefix": "/status/",
}


async def seen(settings: PageSettings, headers: dict[str, str]) -> str:
    """Return the address that a caller at 127.0.0.1 is told."""
    app = World().app(page=lambda: settings)

    async def tell(request: web.Request) -> web.Response:
        return web.Response(text=public_address(request))

    app.router.add_get("/-/address", tell)
    async with TestClient(TestServer(app)) as client:
        response = await client.get("/-/address", headers={"Host": "127.0.0.1:7762", **headers})
        return await response.text()


@pytest.mark.parametrize(
    ("settings", "headers", "expected"),
    [
        (PageSettings(), {}, "http://127.0.0.1:7762/"),
        (PageSettings(), SAID, "http://127.0.0.1:7762/"),
        (PageSettings(trusted_proxies=OTHERS), SAID, "http://127.0.0.1:7762/"),
        (PageSettings(trusted_proxies=LOOPBACK), SAID, "https://prober.example/status/"),
        (
            PageSettings(base="/p", trusted_proxies=LOOPBACK),
            SAID,
            "https://prober.example/p/",
        ),
        (
            PageSettings(base="https://other.example/p", trusted_proxies=LOOPBACK),
            SAID,
            "https://other.example/p/",
        ),
    ],
)
async def test_only_trusted_proxies_are_believed_and_the_configuration_comes_first(
    settings: PageSettings, headers: dict[str, str], expected: str
) -> None:
    assert await seen(settings, headers) == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Proto", "javascript"),
        ("Host", "x<script>"),
        ("Host", "a b"),
        ("Prefix", "no-slash"),
        ("Prefix", '/"><script>'),
        ("Prefix", "//evil.example"),
    ],
)
async def test_what_makes_no_sense_is_left_out(name: str, value: str) -> None:
    settings = PageSettings(trusted_proxies=LOOPBACK)
    assert await seen(settings, {f"X-Forwarded-{name}": value}) == "http://127.0.0.1:7762/"


async def test_of_several_proxies_the_first_counts() -> None:
    settings = PageSettings(trusted_proxies=LOOPBACK)
    headers = {"X-Forwarded-Host": "outer.example, inner.example"}
    assert await seen(settings, headers) == "http://outer.example/"
