"""Notices over the native API: published, listed, withdrawn, and shown to everybody."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from aiohttp.test_utils import TestClient, TestServer

from prober.model.notice import Notice
from prober.state.database import Database
from prober.state.journal import read_saved
from prober.state.notices import MOST
from prober.web.server.services import PageSettings
from tests.web.conftest import Client
from tests.web.reading import Reading
from tests.web.world import WALL, World

ATOM = "{http://www.w3.org/2005/Atom}"
PATH = "/api/v1/notices"
OF_FILE = Notice(text="From the file", severity="info")
Connect = Callable[..., Awaitable[Client]]


class Open:
    """An editor that takes edits."""

    locked: str | None = None
    lasting = True

    async def stored(self) -> bool:
        return True


@pytest.fixture
async def client(connect: Connect) -> Client:
    settings = PageSettings("Shop", public=True, notices=(OF_FILE,))
    return await connect(editor=Open(), page=lambda: settings)


async def post(client: Client, **body: object) -> tuple[int, Any]:
    response = await client.post(PATH, json=body)
    return response.status, await response.json()


async def listed(client: Client) -> list[Any]:
    found: list[Any] = (await (await client.get(PATH)).json())["notices"]
    return found


async def texts(client: Client) -> list[str]:
    page = Reading(await (await client.get("/")).text(), "/")
    return [each.text for each in page.all("p", "notice")]


async def test_a_notice_is_published_shown_and_withdrawn(client: Client) -> None:
    status, made = await post(client, text="A disk is full", severity="critical")
    assert status == 201
    assert made == {
        "id": made["id"],
        "text": "A disk is full",
        "severity": "critical",
        "from": None,
        "until": None,
        "origin": "api",
        "by": "api",
        "at": "2027-01-15T08:00:00.250Z",
    }
    assert [each["origin"] for each in await listed(client)] == ["file", "api"]
    assert await texts(client) == ["Critical: A disk is full", "Info: From the file"]
    feed = ET.fromstring(await (await client.get("/feed.atom")).text())
    ids = [each.findtext(f"{ATOM}id") or "" for each in feed.findall(f"{ATOM}entry")]
    assert ids[0].endswith(f"#notice-{made['id']}")
    assert (await client.delete(f"{PATH}/{made['id']}")).status == 204
    assert (await client.delete(f"{PATH}/{made['id']}")).status == 404
    assert await texts(client) == ["Info: From the file"]


async def test_the_page_does_not_say_who_published(client: Client) -> None:
    await post(client, text="Work")
    assert "by" not in await texts(client)
    assert "api" not in " ".join(await texts(client))


async def test_a_notice_of_the_file_is_not_withdrawn(client: Client) -> None:
    (only,) = await listed(client)
    response = await client.delete(f"{PATH}/{only['id']}")
    assert response.status == 409
    assert "page.notices" in (await response.json())["message"]
    assert [each["id"] for each in await listed(client)] == [only["id"]]


async def test_a_notice_is_forgotten_when_it_ends(client: Client, world: World) -> None:
    await post(client, text="Soon over", until="2027-01-15T08:01:00Z")
    assert len(await listed(client)) == 2
    world.wait(60)
    assert len(await listed(client)) == 1
    assert await texts(client) == ["Info: From the file"]


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "text"),
        ({"text": ""}, "text"),
        ({"text": 5}, "text"),
        ({"text": "x", "severity": "bad"}, "severity"),
        ({"text": "x", "from": "tomorrow"}, "from"),
        ({"text": "x", "from": "2027-01-15T08:00:00"}, "from"),
        ({"text": "x", "from": "0001-01-01T00:00:00Z"}, "from"),
        ({"text": "x", "until": "2027-01-15T07:59:59Z"}, "until"),
        ({"text": "x", "until": 7}, "until"),
        ({"text": "x", "title": "x"}, "title"),
    ],
)
async def test_what_is_wrong_is_named(client: Client, body: dict[str, object], path: str) -> None:
    status, answer = await post(client, **body)
    assert status == 400
    assert [each["path"] for each in answer["problems"]] == [path]
    assert len(await listed(client)) == 1


async def test_notices_are_bounded(client: Client) -> None:
    for number in range(MOST):
        assert (await post(client, text=f"number {number}"))[0] == 201
    assert (await post(client, text="one more"))[0] == 409
    assert len(await listed(client)) == MOST + 1


async def test_notices_are_edits(client: Client) -> None:
    Open.locked = "server.writable is off"
    try:
        status, answer = await post(client, text="x")
        assert (status, answer["message"]) == (403, "server.writable is off")
        assert (await client.delete(f"{PATH}/x")).status == 403
    finally:
        Open.locked = None


async def test_events_tell_of_notices(client: Client) -> None:
    _, made = await post(client, text="Work")
    await client.delete(f"{PATH}/{made['id']}")
    events = (await (await client.get("/api/v1/events")).json())["events"]
    assert [(each["kind"], each["cause"]) for each in events] == [
        ("notice_withdrawn", "notice withdrawn by api: Work"),
        ("notice_published", "notice published by api: Work"),
    ]


async def test_notices_survive_a_restart(tmp_path: Path) -> None:
    kept_world = World(Database(str(tmp_path / "state"), report=lambda *_: None))
    async with TestClient(TestServer(kept_world.app(editor=Open()))) as client:
        status, made = await post(client, text="Work", **{"from": "2027-01-15T09:00:00Z"})
        assert status == 201
    kept_world.end()
    database = Database(str(tmp_path / "state"), report=lambda *_: None)
    try:
        saved = read_saved(database).notices
    finally:
        database.close()
    assert list(saved) == [made["id"]]
    stored = saved[made["id"]]
    assert stored.notice == Notice(text="Work", begins=WALL + 3599.75)
    assert (stored.by, stored.at) == ("api", WALL)
