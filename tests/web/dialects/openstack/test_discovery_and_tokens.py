"""Discovery of versions, and tokens for passwords."""

import json
from typing import Any

import pytest

from tests.web.conftest import Client
from tests.web.dialects.conftest import ask

TOKENS = "/v3/auth/tokens"


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("application/json", "application/json"),
        ("application/json, */*;q=0.1", "application/json"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html"),
        ("text/html, application/json", "text/html"),
        ("*/*", "text/html"),
    ],
)
async def test_the_root_answers_with_versions_to_clients_that_want_only_json(
    client: Client, accept: str, kind: str
) -> None:
    async with client.get("/", headers={"Accept": accept}) as response:
        assert response.content_type == kind


async def test_versions_are_those_of_the_load_balancing_api_alone(client: Client) -> None:
    headers = {"Accept": "application/json", "Host": "prober.example:7762"}
    async with client.get("/", headers=headers) as response:
        versions = (await response.json())["versions"]
    assert [each["id"] for each in versions] == [f"v2.{minor}" for minor in range(14)]
    assert [each["status"] for each in versions] == [*["SUPPORTED"] * 13, "CURRENT"]
    for version in versions:
        assert version["links"] == [{"rel": "self", "href": "http://prober.example:7762/v2.0"}]


@pytest.mark.parametrize(
    ("path", "name", "end"),
    [
        ("/v2.0", "v2.0", "/v2.0"),
        ("/v2.0/", "v2.0", "/v2.0"),
        ("/v2", "v2.0", "/v2"),
        ("/v3", "v3.14", "/v3/"),
        ("/v3/", "v3.14", "/v3/"),
    ],
)
async def test_each_version_names_itself(client: Client, path: str, name: str, end: str) -> None:
    async with client.get(path) as response:
        version = (await response.json())["version"]
        assert response.headers["x-openstack-request-id"].startswith("req-")
    assert version["id"] == name
    assert version["links"][0]["href"] == f"http://127.0.0.1:{client.port}{end}"


def auth(scope: Any = None, **identity: Any) -> dict[str, Any]:
    return {"auth": {"identity": {"methods": list(identity), **identity}, "scope": scope}}


@pytest.mark.parametrize(
    "identity",
    [
        {"password": {"user": {"name": "ann", "domain": {}, "password": "s3cret"}}},
        {"token": {"id": "s3cret"}},
        {"application_credential": {"id": "x", "secret": "s3cret"}},
    ],
    ids=["password", "token", "application_credential"],
)
async def test_the_token_is_the_secret_that_was_given(
    client: Client, identity: dict[str, Any]
) -> None:
    body = auth({"project": {"name": "p1", "domain": {"id": "default"}}}, **identity)
    async with client.post(TOKENS, json=body) as response:
        assert response.status == 201
        assert response.headers["X-Subject-Token"] == "s3cret"
        token = (await response.json())["token"]
    base = f"http://127.0.0.1:{client.port}"
    assert token["project"]["id"] == "p1"
    assert token["issued_at"] == "2027-01-15T08:00:00.250000Z"
    assert {each["type"]: each["endpoints"][0]["url"] for each in token["catalog"]} == {
        "load-balancer": base,
        "elb": f"{base}/v2.0",
        "elbv3": f"{base}/v3/p1",
        "identity": f"{base}/v3",
    }
    assert "s3cret" not in json.dumps(token)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (None, 400),
        ([], 400),
        ({"auth": None}, 400),
        (auth(), 400),
        (auth(magic={}), 400),
        (auth(password={}), 400),
        (auth(password={"user": []}), 400),
        (auth("everywhere", token={"id": "x"}), 400),
        (auth(token={"id": 7}), 400),
        (auth(token={"id": ""}), 401),
        (auth(token={"id": "two words"}), 401),
        (auth(token={"id": "a\r\nSet-Cookie: b"}), 401),
        (auth(token={"id": "ü"}), 401),
        (auth(token={"id": "x" * 5000}), 401),
        (auth({"project": "p1"}, token={"id": "x"}), 400),
        ({"auth": {"identity": {"methods": [{}]}}}, 400),
        ({"auth": {"identity": []}}, 400),
    ],
)
async def test_what_is_no_request_for_a_token_is_refused(
    client: Client, body: Any, status: int
) -> None:
    async with client.post(TOKENS, json=body) as response:
        assert response.status == status
        assert (await response.json())["error"]["code"] == status


async def test_a_token_is_made_whatever_else_is_said(client: Client) -> None:
    identity = {"methods": ["token", 1.5, {}], "token": {"id": "x"}}
    scope = {"project": {"id": "a/\uffff", "name": []}}
    body = json.dumps({"auth": {"identity": identity, "scope": scope}})
    async with client.post(TOKENS, data=body) as response:
        assert response.status == 201
        assert (await response.json())["token"]["methods"] == ["token"]


async def test_what_keystone_has_besides_is_not_found(client: Client) -> None:
    async with client.get("/v3/auth/projects") as response:
        assert response.status == 404
        assert (await response.json())["error"]["title"] == "Not Found"


async def test_a_health_monitor_of_a_project_called_auth_is_no_token(client: Client) -> None:
    answer = await ask(client, "GET", "/v3/authors/elb/healthmonitors")
    assert answer["healthmonitors"] == []
