"""The page for everybody: services by name, notices, a feed, and no address anywhere."""

from collections.abc import Awaitable, Callable
from xml.etree import ElementTree as ET

import pytest

from prober.model.notice import Notice
from prober.model.pool import Pool
from prober.model.status import Reason
from prober.web.server.services import PageSettings
from tests.web.conftest import Client
from tests.web.reading import Reading
from tests.web.world import HOSTILE, WALL, World, backends, monitor

Connect = Callable[..., Awaitable[Client]]
ATOM = "{http://www.w3.org/2005/Atom}"
SECRETS = ("10.0.0", "refused", "503", "secret-host", "1.2.3", "/api/", "/checks/", "watcher")


def configure(world: World) -> None:
    """Let two services of one load balancer be watched, one of which is down."""
    pools = tuple(
        Pool(name=name, load_balancer="shop", backends=backends(f"10.0.0.{number}:80"))
        for number, name in enumerate(("basket", "search"), 1)
    )
    world.configure(
        *(monitor(f"watcher-{pool.name}", pool=pool.name) for pool in pools), pools=pools
    )
    world.vitals.name = "secret-host"
    world.record("watcher-basket", "10.0.0.1:80", times=2)
    facts = {"http_status_code": 503}
    world.record("watcher-search", "10.0.0.2:80", Reason.REFUSED, times=3, facts=dict(facts))


async def read(client: Client, path: str = "/") -> Reading:
    response = await client.get(path)
    assert response.status == 200
    return Reading(await response.text(), path)


async def test_services_are_shown_by_name_and_nothing_else_is(
    world: World, connect: Connect
) -> None:
    configure(world)
    client = await connect(page=lambda: PageSettings("Our shop", public=True))
    text = await (await client.get("/")).text()
    page = Reading(text, "/")
    assert [each.attributes["data-key"] for each in page.all("li")] == ["basket", "search"]
    assert [each.attributes["data-status"] for each in page.all("li")] == ["OK", "CRITICAL"]
    assert page.all("h1")[0].text == "CRITICAL Some services are down"
    assert page.all("title")[0].text == "Some services are down · Our shop"
    for word in SECRETS:
        assert word not in text, word
        assert word not in await (await client.get("/?q=10.0.0.2&status=CRITICAL")).text(), word


async def test_each_service_has_a_strip_of_ninety_days(world: World, connect: Connect) -> None:
    configure(world)
    client = await connect(page=lambda: PageSettings(public=True))
    page = await read(client)
    for _ in range(100):
        if not any("data-incomplete" in each.attributes for each in page.all("section")):
            break
        page = await read(client)
    names = [each.attributes["aria-label"] for each in page.all("svg", "strip")]
    assert [name.partition(":")[0] for name in names] == [
        "last 90 days of basket",
        "last 90 days of search",
    ]


@pytest.mark.parametrize(
    ("begins", "ends", "is_shown"),
    [(None, None, True), (-10, 10, True), (10, 20, False), (-20, -10, False), (None, 10, True)],
)
async def test_a_notice_is_shown_in_its_time(
    world: World, connect: Connect, begins: float | None, ends: float | None, is_shown: bool
) -> None:
    configure(world)
    times = {"begins": begins and WALL + begins, "ends": ends and WALL + ends}
    notice = Notice(text="Planned work", severity="warning", **times)
    client = await connect(page=lambda: PageSettings(public=True, notices=(notice,)))
    page = await read(client)
    assert bool(page.all("p", "notice")) == is_shown


async def test_the_most_severe_notice_comes_first(world: World, connect: Connect) -> None:
    notices = tuple(Notice(text=each, severity=each) for each in ("info", "critical", "warning"))
    client = await connect(page=lambda: PageSettings(public=True, notices=notices))
    shown = [each.text for each in (await read(client)).all("p", "notice")]
    assert shown == ["Critical: critical", "Warning: warning", "Info: info"]


async def test_a_hostile_name_and_notice_are_only_text(world: World, connect: Connect) -> None:
    async def shape(word: str) -> list[tuple[str, list[str]]]:
        pool = Pool(name=word, load_balancer=word, backends=backends("10.0.0.1:80"))
        world.configure(monitor("m", pool=word), pools=(pool,))
        settings = PageSettings(word, public=True, notices=(Notice(text=word),))
        client = await connect(page=lambda: settings)
        page = await read(client)
        drawn = "path", "svg", "title"  # as far as the past is read yet
        return [(e.tag, sorted(e.attributes)) for e in page.elements if e.tag not in drawn]

    assert await shape(HOSTILE) == await shape("plain")


# The feed


async def feed(client: Client) -> ET.Element:
    response = await client.get("/feed.atom", headers={"Host": "status.test"})
    assert response.content_type == "application/atom+xml"
    return ET.fromstring(await response.text())


async def test_the_feed_tells_what_happened_to_services(world: World, connect: Connect) -> None:
    configure(world)
    notice = Notice(text="Planned <work> & more", begins=WALL - 5)
    settings = PageSettings("Our shop", public=True, notices=(notice,))
    client = await connect(page=lambda: settings)
    await read(client)
    for _ in range(3):
        world.wait(10)
        world.record("watcher-basket", "10.0.0.1:80", Reason.REFUSED, times=3)
        await read(client)
    found = await feed(client)
    assert found.findtext(f"{ATOM}title") == "Our shop"
    titles = [each.findtext(f"{ATOM}title") for each in found.findall(f"{ATOM}entry")]
    assert titles == ["Info: Planned <work> & more", "basket: OK to CRITICAL"]
    ids = [each.findtext(f"{ATOM}id") for each in found.findall(f"{ATOM}entry")]
    assert len(set(ids)) == 2
    assert all((each or "").startswith("http://status.test/#") for each in ids)
    text = ET.tostring(found, encoding="unicode")
    for word in SECRETS:
        assert word not in text, word


async def test_a_feed_without_events_is_a_feed(client: Client) -> None:
    assert not (await feed(client)).findall(f"{ATOM}entry")
