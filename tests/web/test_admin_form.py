"""Admin states on the pages of pools and checks: shown to all, set and ended by those who may."""

from collections.abc import Awaitable, Callable

import pytest

from prober.model.admin import BACKENDS, POOLS, AdminEntry, AdminState
from prober.model.auth_settings import Auth, Role, Token
from prober.model.file_kinds import Secret
from prober.model.maintenance import SCHEDULE, MaintenanceWindow
from prober.model.option import ReadContext
from prober.model.pool import Backend, Pool
from prober.web.server.callers import Access
from tests.web.conftest import Client
from tests.web.reading import Reading
from tests.web.world import HOSTILE, World, backends, monitor

Connect = Callable[..., Awaitable[Client]]
ONE, TWO = "10.0.0.1:80", "10.0.0.2:80"
POOL, CHECK = "/pools/web", f"/checks/m/{ONE}"


class Open:
    """An editor that takes edits."""

    def __init__(self, locked: str | None = None) -> None:
        self.locked = locked
        self.lasting = True

    async def stored(self) -> bool:
        return True


@pytest.fixture
def world(world: World) -> World:
    world.configure(
        monitor("m", pool="web"),
        pools=(Pool(name="web", backends=backends(ONE, TWO)), Pool(name="other")),
    )
    return world


@pytest.fixture
async def client(connect: Connect) -> Client:
    return await connect(editor=Open())


async def page(client: Client, path: str, **headers: str) -> Reading:
    response = await client.get(path, headers=headers)
    assert response.status == 200
    return Reading(await response.text(), path)


def forms(found: Reading) -> list[str]:
    return [e.attributes["action"] for e in found.all("form", method="post")]


async def send(client: Client, path: str, **fields: str) -> tuple[int, str]:
    headers = {"Accept": "text/html", "Origin": str(client.make_url("/")).rstrip("/")}
    response = await client.post(
        f"{path}/admin", data=fields, headers=headers, allow_redirects=False
    )
    return response.status, response.headers.get("Location") or await response.text()


@pytest.mark.parametrize(
    ("path", "of", "key"),
    [
        (POOL, "*", (POOLS, "web")),
        (POOL, f"web/{TWO}", (BACKENDS, f"web/{TWO}")),
        (CHECK, f"web/{ONE}", (BACKENDS, f"web/{ONE}")),
    ],
)
async def test_a_form_sets_a_state_and_ends_it(
    client: Client, world: World, path: str, of: str, key: tuple[str, str]
) -> None:
    assert f"{path}/admin" in forms(await page(client, path))
    status, where = await send(client, path, of=of, state="drain", until="2h", reason="new disk")
    assert (status, where) == (303, f"../../{path[1:]}" if path == POOL else f"../../..{path}")
    assert world.store.admin.entries == {
        key: AdminEntry(AdminState.DRAIN, world.wall + 7200, "new disk", "page", world.wall)
    }
    shown = (await page(client, path)).all("ul", "admin-states")[0].text
    assert "drain of" in shown
    assert "for 2h00m, set by page: new disk" in shown
    assert (await send(client, path, of=of, state="end"))[0] == 303
    assert not world.store.admin.entries
    assert (await send(client, path, of=of, state="end"))[0] == 404


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"state": "drain", "until": "2h"}, "choose the whole pool"),
        ({"of": "", "state": "drain", "until": "2h"}, "choose the whole pool"),
        ({"of": "other/10.0.0.9:80", "state": "drain", "until": "2h"}, "choose the whole pool"),
        ({"of": "*", "until": "2h"}, "state: missing"),
        ({"of": "*", "state": "gone", "until": "2h"}, "state: "),
        ({"of": "*", "state": "drain"}, "until: missing"),
        ({"of": "*", "state": "drain", "until": "40d"}, "until: "),
        ({"of": "*", "state": "drain", "until": "2h", "reason": "x" * 256}, "reason: "),
        ({"of": "*", "state": "drain", "until": "2h", "by": "root"}, "expected the fields"),
    ],
)
async def test_what_is_wrong_is_said_on_a_page(
    client: Client, world: World, fields: dict[str, str], words: str
) -> None:
    status, text = await send(client, POOL, **fields)
    assert status == 400
    assert words.lower() in Reading(text, POOL).all("main")[0].text.lower()
    assert not world.store.admin.entries


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"of=*&state=drain&until=2h", "text/plain", 415),
        (b"{}", "application/json", 415),
        (b"of=%ff&state=drain&until=2h", "application/x-www-form-urlencoded", 400),
        (b"\xff", "application/x-www-form-urlencoded", 400),
        (b"of=*&of=*&state=drain&until=2h", "application/x-www-form-urlencoded", 400),
        (b"&".join([b"a=1"] * 1000), "application/x-www-form-urlencoded", 400),
    ],
)
async def test_what_is_no_form_is_refused(
    client: Client, world: World, body: bytes, kind: str, status: int
) -> None:
    response = await client.post(f"{POOL}/admin", data=body, headers={"Content-Type": kind})
    assert response.status == status
    assert not world.store.admin.entries


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_a_form_of_another_site_changes_nothing(
    client: Client, world: World, headers: dict[str, str]
) -> None:
    fields = {"of": "*", "state": "forced_down", "until": "2h"}
    response = await client.post(f"{POOL}/admin", data=fields, headers=headers)
    assert response.status == 403
    assert not world.store.admin.entries


@pytest.mark.parametrize("path", [POOL, CHECK])
async def test_where_edits_are_off_there_is_no_form(
    connect: Connect, world: World, path: str
) -> None:
    client = await connect(editor=Open("server.writable is off"))
    assert f"{path}/admin" not in forms(await page(client, path))
    assert (await send(client, path, of="*", state="drain", until="2h"))[0] == 403
    assert not world.store.admin.entries


async def test_only_those_who_may_write_see_a_form(connect: Connect, world: World) -> None:
    tokens = (
        Token(name="anna", role=Role.WRITE, token=Secret("aaa", masked=True)),
        Token(name="bob", role=Role.READ, token=Secret("bbb", masked=True)),
    )
    client = await connect(editor=Open(), access=Access(Auth(tokens=tokens)))
    anna, bob = ({"Authorization": f"Bearer {word}"} for word in ("aaa", "bbb"))
    assert f"{POOL}/admin" in forms(await page(client, POOL, **anna))
    assert f"{POOL}/admin" not in forms(await page(client, POOL, **bob))
    fields = {"of": "*", "state": "drain", "until": "2h"}
    assert (await client.post(f"{POOL}/admin", data=fields, headers=bob)).status == 403
    assert (await client.post(f"{POOL}/admin", data=fields)).status == 401
    assert not world.store.admin.entries
    done = await client.post(f"{POOL}/admin", data=fields, headers=anna, allow_redirects=False)
    assert done.status == 303
    assert [each.by for each in world.store.admin.entries.values()] == ["anna"]


async def test_a_window_of_the_configuration_is_shown_without_a_button(
    client: Client, world: World
) -> None:
    always = SCHEDULE.read("Mon-Sun 00:00-24:00", ReadContext("/", str, {}))
    window = MaintenanceWindow(pools=("web",), reason="patches", schedule=always)
    world.store.adopt(world.store.model, (window,))
    found = await page(client, POOL)
    assert "set by configuration: patches" in found.all("ul", "admin-states")[0].text
    assert not [e for e in found.all("button") if e.text == "End"]


async def test_a_hostile_name_and_reason_are_only_text(client: Client, world: World) -> None:
    async def shape(word: str) -> list[tuple[str, list[str]]]:
        named = Backend(address="10.0.0.1", port=80, name=word)
        world.configure(monitor("m", pool="web"), pools=(Pool(name="web", backends=(named,)),))
        status, _ = await send(client, POOL, of="*", state="drain", until="2h", reason=word[:255])
        assert status == 303
        found = await page(client, POOL)
        return [(e.tag, sorted(e.attributes)) for e in found.elements]

    assert await shape(HOSTILE) == await shape("plain")
