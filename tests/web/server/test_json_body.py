"""The JSON of requests: what would be read differently elsewhere is refused at the door."""

import json

import pytest

from prober.web.server.json_body import parse_json
from tests.web.conftest import Client

WRONG = [
    b'"\\ud800"',
    b'"\\uDfFf"',
    b'{"\\ud800": 1}',
    b'{"a": ["b", {"c": "d\\udc00\\ud800"}]}',
    b"NaN",
    b"[-Infinity]",
    b"1e999",
    b'{"a": 1, "a": 2}',
    b"\xff",
    b'"\xed\xa0\x80"',  # a surrogate in UTF-8
    '"ä"'.encode("latin-1"),
    '"a"'.encode("utf-16"),
    b"1" * 5000,
    b"",
    b"{",
]


@pytest.mark.parametrize("content", WRONG)
def test_what_is_no_json_in_unicode_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_json(content)


@pytest.mark.parametrize(
    "content", [b'"\\ud83d\\ude00"', b'"\\\\ud800"', '"ä😀"'.encode(), b"1e308"]
)
def test_what_is_json_is_taken(content: bytes) -> None:
    assert parse_json(content) == json.loads(content)


@pytest.mark.parametrize("content", [*WRONG, b"[" * 60000])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/api/v1/monitors/a"),
        ("PATCH", "/api/v1/pools/a"),
        ("POST", "/v2.0/lbaas/healthmonitors"),
        ("POST", "/v3/p/elb/healthmonitors"),
        ("PUT", "/20170115/loadBalancers/a/backendSets/b/healthChecker"),
        ("POST", "/v3/auth/tokens"),
    ],
)
async def test_no_route_accepts_it(client: Client, method: str, path: str, content: bytes) -> None:
    kind = {"Content-Type": "application/json"}
    async with client.request(method, path, data=content, headers=kind) as response:
        assert 400 <= response.status < 500
        json.loads(await response.read())
