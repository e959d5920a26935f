"""The page of all checks, as it comes from the server."""

import json
import re
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer, make_mocked_request

from prober.model.delay import Delay
from prober.model.kinds import Frozen
from prober.model.pool import Backend, Pool
from prober.model.status import Reason
from prober.probes.tls import TlsProbe
from prober.state.load import Overload
from prober.web.page.survey import ROWS
from prober.web.page.view import PageView, read_view
from prober.web.server.services import PageSettings
from tests.running import daemon
from tests.web.conftest import Client
from tests.web.reading import Reading
from tests.web.world import HOSTILE, World, monitor

Connect = Callable[..., Awaitable[Client]]
NAMES = [
    HOSTILE,
    "\x00\x1b[31m\u202e\x7f\r\n",
    "\N{PILE OF POO}" * 255,
    "' onload='alert(1)",
    "]]>",
]


async def read(client: Client, path: str = "/") -> Reading:
    response = await client.get(path)
    assert (response.status, response.content_type) == (200, "text/html")
    return Reading(await response.text(), path)


@pytest.fixture
def mixed(world: World) -> World:
    """Give the world a check of each status, and one that is disabled."""
    world.configure(
        monitor("ok", "10.0.0.1:80"),
        monitor("bad", "10.0.0.2:80"),
        monitor("shaky", "10.0.0.3:80"),
        monitor("new", "10.0.0.4:80"),
        monitor("off", "10.0.0.5:80", enabled=False),
    )
    world.record("ok", "10.0.0.1:80", times=3, facts={"http_status_code": 200})
    world.record("bad", "10.0.0.2:80", Reason.REFUSED, times=3)
    world.record("shaky", "10.0.0.3:80", times=2)
    world.record("shaky", "10.0.0.3:80", Reason.UNEXPECTED_STATUS, facts={"http_status_code": 503})
    return world


async def test_the_counts_are_of_enabled_checks_and_select(mixed: World, client: Client) -> None:
    page = await read(client)
    counts = [each.text for each in page.all("a", "count")]
    assert counts == ["1OK", "1WARNING", "1CRITICAL", "1UNKNOWN", "1DISABLED"]
    links = [each.attributes["href"] for each in page.all("a", "count")]
    assert links[2] == "/?status=CRITICAL"
    page = await read(client, links[2])
    assert page.rows() == ["bad 10.0.0.2:80"]
    assert [each.text for each in page.all("a", "count", **{"aria-current": "true"})] == [
        "1CRITICAL"
    ]
    both = page.all("a", "count")[1].attributes["href"]
    assert (await read(client, both)).rows() == ["bad 10.0.0.2:80", "shaky 10.0.0.3:80"]


async def test_pools_with_problems_come_first_and_good_checks_are_folded(
    mixed: World, client: Client
) -> None:
    assert (await read(client)).rows() == [
        *("pool bad", "bad 10.0.0.2:80"),
        *("pool shaky", "shaky 10.0.0.3:80"),
        *("pool new", "new 10.0.0.4:80"),
        *("pool ok", "pool off"),
    ]


async def test_a_storm_leaves_the_pools_on_the_first_screen(world: World, client: Client) -> None:
    """Each bad pool shows its worst checks only, and says how many more there are of which kind."""
    for pool in range(4):
        keys = [f"10.0.{pool}.{i}:80" for i in range(50)]
        world.configure(
            *world.store.model.monitors, monitor(f"m{pool}", *keys), pools=world.own_pools()
        )
        for place, key in enumerate(keys):
            bad = place % 2
            world.record(f"m{pool}", key, Reason.REFUSED if bad else Reason.OK, times=3)
    page = await read(client)
    shown = [row for row in page.rows() if not row.startswith("pool ")]
    assert len(shown) == 4 * 5
    states = [each.text for each in page.all("td", "state")]
    assert all(state.startswith(("CRITICAL", "WARNING")) for state in states)
    assert [each.text for each in page.all("tr", "fold")] == ["and 20 CRITICAL, 25 OK"] * 4
    assert [each.text for each in page.all("span", "service")] == ["25/50 in service"] * 4


async def test_a_band_says_what_is_wrong_with_a_pool(world: World, client: Client) -> None:
    keys = [f"10.0.0.{i}:80" for i in range(1, 6)]
    world.configure(monitor("web", *keys))
    for key in keys:
        world.record("web", key, times=2)
    await read(client)
    world.wait(720)
    for key in keys[:2]:
        facts = {"http_status_code": 503}
        world.record("web", key, Reason.UNEXPECTED_STATUS, times=3, facts=dict(facts))
    page = await read(client)
    [band] = page.all("tr", "band")
    for words in ("WARNING", "0s", "web", "3/5 in service", "2 of 5: HTTP 503"):
        assert words in band.text
    world.record("web", keys[2], Reason.TIMEOUT, times=3)
    world.wait(30)
    [band] = (await read(client)).all("tr", "band")
    assert "3 of 5: HTTP 503 ×2, timeout ×1" in band.text
    assert band.text.startswith("CRITICAL30s")


async def test_the_past_of_a_pool_is_shown_as_far_as_it_is_known(kept_world: World) -> None:
    kept_world.configure(monitor("web", "10.0.0.1:80"))
    async with TestClient(TestServer(kept_world.app())) as client:
        await client.get("/")
        kept_world.record("web", "10.0.0.1:80", times=2)
        await client.get("/")
        kept_world.wait(3600)
        for _ in range(100):
            page = Reading(await (await client.get("/")).text())
            if "data-incomplete" not in page.all("section", id="checks")[0].attributes:
                break
        [strip] = page.all("svg", "strip")
        assert strip.attributes["aria-label"].startswith("last 24 hours of web: not recorded")
        [uptime] = page.all("td", "uptime")
        assert uptime.text == "100 % / –"


async def test_a_row_says_what_the_command_line_says(mixed: World, client: Client) -> None:
    page = await read(client, "/?q=10.0.0")
    last = [each.text for each in page.all("td", "last")]
    assert last == [
        "refused in 125 ms",
        "HTTP 503 in 125 ms",
        "not probed yet",
        "HTTP 200 in 125 ms",
        "disabled",
    ]
    states = [each.text for each in page.all("td", "state")]
    assert states[1] == "WARNINGfailing 1/3"
    assert [each.text for each in page.all("td", "latency")][3] == "125 ms / 125 ms"


async def test_the_title_and_the_icon_show_the_worst(mixed: World, client: Client) -> None:
    page = await read(client)
    assert page.all("title")[0].text == "1 CRITICAL · here"
    assert page.all("link", rel="icon")[0].attributes["href"].startswith("/static/critical.svg?v=")


async def test_trouble_of_prober_comes_before_everything(mixed: World, client: Client) -> None:
    assert not (await read(client)).all("p", "alarm")
    mixed.vitals.config_ok = False
    mixed.vitals.load.overload = Overload(0.5, Delay.PLACES)
    late, rejected = (await read(client)).all("p", "alarm")
    assert "50% of the probes" in late.text
    assert "The last reload failed" in rejected.text


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=BAD", ["bad"]),
        ("q=10.0.0.3", ["shaky"]),
        ("q=10.0+o+HTTP", ["ok", "off"]),
        ("q=nothing", []),
        ("pool=new", ["new"]),
        ("load_balancer=other", []),
        ("status=DISABLED", ["off"]),
        ("status=UNKNOWN", ["new"]),
        ("q=10&sort=name", ["bad", "new", "off", "ok", "shaky"]),
        ("q=10&sort=-name", ["shaky", "ok", "off", "new", "bad"]),
    ],
)
async def test_the_address_selects_and_sorts(
    mixed: World, client: Client, query: str, found: list[str]
) -> None:
    page = await read(client, f"/?{query}")
    assert sorted(row.split()[0] for row in page.rows()) == sorted(found)
    if "sort" in query:
        assert [row.split()[0] for row in page.rows()] == found


async def test_checks_are_sorted_by_what_they_took_and_when_they_changed(
    world: World, client: Client
) -> None:
    world.configure(monitor("m", "10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80", probe=TlsProbe()))
    for number in (2, 1):
        world.wait(10)
        facts = {"tls_not_after": world.wall + 86400 * 10 * number}
        world.record("m", f"10.0.0.{number}:80", times=2, facts=dict(facts))
    order = ["m 10.0.0.1:80", "m 10.0.0.2:80", "m 10.0.0.3:80"]
    for sort in ("since", "certificate"):
        assert (await read(client, f"/?sort={sort}")).rows() == order
        assert (await read(client, f"/?sort=-{sort}")).rows() == order[::-1]
    page = await read(client, "/?sort=certificate")
    assert [each.text for each in page.all("td", "certificate")] == ["10 d", "19 d", "–"]
    assert (await read(client, "/?sort=latency")).rows()[-1] == order[-1]


@pytest.mark.parametrize(
    "query", ["status=ILL&sort=ugly&page=0", "page=-1&refresh=1", "page=99999999999", "x=1&q="]
)
async def test_what_the_address_cannot_mean_is_left_out(
    mixed: World, client: Client, query: str
) -> None:
    assert (await read(client, f"/?{query}")).rows() == (await read(client)).rows()


def test_a_view_is_found_again_from_its_address() -> None:
    view = PageView(frozenset({"OK", "DISABLED"}), "a&b=ü %", HOSTILE, "lb", "-since", 3, 30)
    assert read_view(make_mocked_request("GET", view.href("/"))) == view


async def test_many_checks_are_shown_page_by_page(world: World, client: Client) -> None:
    world.configure(monitor("m", *(f"10.0.{i // 250}.{i % 250}:80" for i in range(250))))
    seen: list[str] = []
    path = "/?q=10."
    for _ in range(3):
        page = await read(client, path)
        seen += page.rows()
        path = next((e.attributes["href"] for e in page.all("a", rel="next")), "")
    assert not path
    assert len(seen) == len(set(seen)) == 250
    third = (await read(client, "/?q=10.&page=3")).rows()
    assert len(third) == 250 - 2 * ROWS
    assert (await read(client, "/?q=10.&page=900")).rows() == third


async def test_many_pools_are_shown_page_by_page(world: World, client: Client) -> None:
    world.configure(*(monitor(f"m{i:03}", f"10.0.0.{i}:80") for i in range(120)))
    seen: list[str] = []
    path = "/?sort=name"
    for _ in range(4):
        page = await read(client, path)
        assert len(page.rows()) <= ROWS
        seen += [row for row in page.rows() if row.startswith("pool ")]
        path = next((e.attributes["href"] for e in page.all("a", rel="next")), "")
    assert not path
    assert seen == [f"pool m{i:03}" for i in range(120)]


@pytest.mark.parametrize("name", NAMES)
async def test_a_hostile_name_is_only_text(world: World, client: Client, name: str) -> None:
    """The page has the same elements and attributes whatever the things are called."""

    def configure(word: str) -> None:
        named = Backend(address="10.0.0.1", port=80, name=word, labels=Frozen({"l": word}))
        pool = Pool(name=word, load_balancer=word, backends=(named,))
        world.configure(monitor(word, pool=word), pools=(pool,))
        world.record(word, "10.0.0.1:80", Reason.REFUSED, times=3, detail=word)
        world.vitals.name = word

    async def shape() -> list[tuple[str, list[str]]]:
        page = await read(client)
        links = {
            place: next(e for e in page.all("a") if e.attributes["href"].startswith(f"/{place}/"))
            for place in ("checks", "pools")
        }
        others = [await read(client, link.attributes["href"]) for link in links.values()]
        return [(e.tag, sorted(e.attributes)) for each in (page, *others) for e in each.elements]

    configure("plain")
    expected = await shape()
    configure(name)
    assert await shape() == expected
    text = await (await client.get("/")).text()
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202e]", text)


async def test_nothing_is_inline_and_nothing_comes_from_elsewhere(
    mixed: World, client: Client
) -> None:
    for path in (
        "/",
        "/?q=1",
        "/events",
        "/certificates",
        "/prober",
        "/pools/ok",
        "/checks/ok/10.0.0.1:80",
    ):
        page = await read(client, path)
        assert all(each.attributes.get("src") for each in page.all("script"))
        assert not page.all("style")
        for element in page.elements:
            assert not [n for n in element.attributes if n == "style" or n.startswith("on")]
            for name in ("src", "href", "action", "data-pulse"):
                assert element.attributes.get(name, "/").startswith(("/", "#"))
                assert not element.attributes.get(name, "/").startswith("//")


async def test_all_that_a_browser_loads_is_less_than_120_kb(mixed: World, client: Client) -> None:
    page = await read(client)
    paths = ["/"]
    paths += [e.attributes["href"] for e in page.all("link")]
    [script] = [e.attributes["src"] for e in page.all("script")]
    text = await (await client.get(script)).text()
    parts = re.findall(r"\./(\w+\.js\?v=\w+)", text)
    assert len(parts) == 3
    paths += [script, *(f"/static/{part}" for part in parts)]
    sizes = []
    for path in paths:
        response = await client.get(path, headers={"Accept-Encoding": "identity"})
        sizes.append(len(await response.read()))
    assert sum(sizes) < 120_000


async def test_every_link_of_the_page_leads_somewhere(mixed: World, client: Client) -> None:
    page = await read(client)
    links = {e.attributes["href"] for e in page.elements if "href" in e.attributes}
    for link in links:
        if not link.startswith("#"):
            assert (await client.get(link)).status == 200, link


async def test_without_javascript_the_page_comes_again_only_if_it_is_asked_to(
    mixed: World, client: Client
) -> None:
    assert not (await read(client)).all("meta", **{"http-equiv": "refresh"})
    page = await read(client, "/?refresh=30")
    assert [e.attributes["content"] for e in page.all("meta", **{"http-equiv": "refresh"})] == [
        "30"
    ]


async def test_the_reader_chooses_the_theme(mixed: World, client: Client) -> None:
    async def theme(cookie: str) -> str | None:
        response = await client.get("/", headers={"Cookie": f"prober-theme={cookie}"})
        page = Reading(await response.text())
        return page.all("html")[0].attributes.get("data-theme")

    assert await theme("dark") == "dark"
    assert await theme('"><script>') is None


# In public


async def test_in_public_there_are_no_addresses(mixed: World, connect: Connect) -> None:
    client = await connect(page=lambda: PageSettings("Our doors", public=True))
    assert (await client.get("/checks/bad/10.0.0.2:80")).status == 404
    assert (await client.post("/checks/bad/10.0.0.2:80/probe")).status == 404
    for path in ("/status.csv", "/pools/bad", "/events", "/prober", "/certificates"):
        assert (await client.get(path)).status == 404, path
    for path in ("/checks/bad/10.0.0.2:80/admin", "/pools/bad/admin"):
        assert (await client.post(path, data={"of": "*", "state": "drain"})).status == 404, path


def test_a_reload_changes_how_the_page_shows_itself(tmp_path: Path) -> None:
    config: dict[str, Any] = {"monitors": [], "page": {"title": "Before"}}
    with daemon(config, tmp_path) as prober:
        assert "Before" in prober.get("/")[1]
        config["page"] = {"title": "After", "public": True}
        (tmp_path / "prober.json").write_text(json.dumps(config))
        prober.process.send_signal(signal.SIGHUP)
        prober.wait_for("config_reloaded")
        text = prober.get("/")[1]
        assert "After" in text
        assert "/api/" not in text


# The files


async def test_a_file_may_be_kept_for_good_under_the_address_of_its_content(
    client: Client,
) -> None:
    page = await read(client)
    for link in [e.attributes["href"] for e in page.all("link")]:
        response = await client.get(link)
        assert "immutable" in response.headers["Cache-Control"]
        tag = response.headers["ETag"]
        plain = await client.get(link.partition("?")[0])
        assert plain.headers["Cache-Control"] == "no-cache"
        again = await client.get(link.partition("?")[0], headers={"If-None-Match": tag})
        assert (again.status, await again.read()) == (304, b"")


async def test_there_are_no_files_but_those_of_the_page(client: Client) -> None:
    for name in ("x.css", "..%2Fapp.py", "%2Fetc%2Fpasswd", "__init__.py"):
        assert (await client.get(f"/static/{name}")).status == 404
