"""The pages of events and of prober itself."""

from collections.abc import Awaitable, Callable

import pytest

from prober.model.delay import Delay
from prober.model.status import Reason
from prober.state.load import Overload
from prober.state.vitals import ListHealth
from prober.web.page.event_page import EVENTS
from prober.web.server.services import PageSettings
from tests.web.conftest import Client
from tests.web.reading import Reading
from tests.web.world import HOSTILE, World, monitor

Connect = Callable[..., Awaitable[Client]]
ONE = "10.0.3.7:80"


async def read(client: Client, path: str) -> Reading:
    response = await client.get(path)
    assert response.status == 200
    return Reading(await response.text(), path)


def storm(world: World) -> None:
    """Let all checks of one host fail, one of another, and prober have trouble of its own."""
    names = [f"m{number}" for number in range(14)]
    world.configure(*(monitor(name, ONE) for name in names), monitor("other", "10.9.0.1:80"))
    for state in list(world.store):
        world.record(*state.check.key, times=2)
    world.wait(600)
    world.store.note("local_trouble", "no route from this host (no_route)")
    for name in names:
        world.record(name, ONE, Reason.REFUSED, times=3)
    world.wait(600)
    world.record("other", "10.9.0.1:80", Reason.TIMEOUT, times=3)


async def test_what_belongs_together_is_one_line(world: World, client: Client) -> None:
    storm(world)
    page = await read(client, "/events?to=CRITICAL")
    [group] = [each.text for each in page.all("summary")]
    assert "14 checks, all on 10.0.3.7: refused" in group
    members = [each for each in page.all("li", "event") if "m0" in each.text]
    assert "WARNING → CRITICAL" in members[0].text


async def test_troubles_of_prober_stand_in_the_same_line_of_time(
    world: World, client: Client
) -> None:
    storm(world)
    page = await read(client, "/events")
    own = [each.text for each in page.all("li", "own")]
    assert own == ["08:10:00own troubleno route from this host (no_route)"]


@pytest.mark.parametrize(
    ("query", "seen", "unseen"),
    [
        ("about=prober", "no route", "refused"),
        ("about=checks&to=CRITICAL", "refused", "no route"),
        ("pool=other", "other", "m3"),
        ("monitor=m3", "m3", "other"),
        ("last=1h", "other", "x"),
        ("to=WARNING", "WARNING", "no route"),
    ],
)
async def test_the_address_selects(
    world: World, client: Client, query: str, seen: str, unseen: str
) -> None:
    storm(world)
    page = await read(client, f"/events?{query}")
    [listed] = page.all("ol", "events")
    assert seen in listed.text
    assert unseen not in listed.text


async def test_what_the_address_cannot_mean_is_left_out(world: World, client: Client) -> None:
    storm(world)
    page = await read(client, "/events?about=x&to=ILL&last=9y&before=-1")
    assert len(page.all("summary")) == len((await read(client, "/events")).all("summary"))


async def test_many_events_are_shown_page_by_page(world: World, client: Client) -> None:
    world.configure(monitor("web", ONE))
    for number in range(2 * EVENTS + 10):
        world.store.note("reload", f"number {number}")
    seen: list[str] = []
    path = "/events"
    for _ in range(3):
        page = await read(client, path)
        seen += [each.attributes["data-key"] for each in page.all("li", "event")]
        path = next((e.attributes["href"] for e in page.all("a", rel="next")), "")
    assert not path
    assert len(seen) == len(set(seen)) == 2 * EVENTS + 10


async def test_an_empty_page_says_what_will_be_there(world: World, client: Client) -> None:
    assert "Nothing has happened yet" in (await read(client, "/events")).all("div", "empty")[0].text
    page = await read(client, "/events?pool=x")
    assert "No event matches" in page.all("div", "empty")[0].text


async def test_a_hostile_name_is_only_text(world: World, client: Client) -> None:
    async def shape() -> list[tuple[str, list[str]]]:
        pages = [await read(client, path) for path in ("/events", "/prober")]
        return [(e.tag, sorted(e.attributes)) for page in pages for e in page.elements]

    def happen(name: str) -> None:
        world.configure(monitor(name, ONE))
        world.record(name, ONE, Reason.REFUSED, times=3, detail=name)
        world.store.note("reload", name, monitor=name)
        world.vitals.target_lists = {name: ListHealth(ok=False, read_at=None)}

    happen("plain")
    expected = await shape()
    world.store.events.__init__()  # type: ignore[misc]  # an empty log again
    happen(HOSTILE)
    assert await shape() == expected


# Prober itself


async def test_prober_says_how_it_is_itself(world: World, client: Client) -> None:
    world.configure(monitor("web", ONE))
    world.vitals.config_hash, world.vitals.loop_lag = "c0ffee", 0.0123
    world.record("web", ONE, Reason.NO_ROUTE, times=3)
    world.vitals.skipped["overrun"] = 4
    world.vitals.target_lists = {"shop": ListHealth(ok=False, read_at=world.wall - 60)}
    world.store.note("reload", "1 added")
    page = await read(client, "/prober")
    text = page.all("main")[0].text
    for words in (
        *("Version1.2.3", "Up1m00s", "Loop lag12.3 ms", "c0ffee", "Checks1"),
        *("no route3this host has no route", "overrun4", "last reading failed", "1 added"),
        *("Target lists cannot be read or were refused", "in memory only"),
    ):
        assert words in text, words


async def test_trouble_of_prober_is_said_on_its_page(world: World, client: Client) -> None:
    assert "No problems right now" in (await read(client, "/prober")).all("main")[0].text
    world.vitals.config_ok = False
    world.vitals.load.overload = Overload(0.5, Delay.PLACES)
    late, rejected = (await read(client, "/prober")).all("p", "alarm")
    assert "50% of the probes" in late.text
    assert "The last reload failed" in rejected.text


@pytest.mark.parametrize("path", ["/events", "/certificates", "/prober", "/pools/web"])
async def test_in_public_these_pages_do_not_exist(
    world: World, connect: Connect, path: str
) -> None:
    world.configure(monitor("web", ONE))
    client = await connect(page=lambda: PageSettings(public=True))
    assert (await client.get(path)).status == 404


@pytest.mark.parametrize("path", ["/", "/events", "/certificates", "/prober"])
async def test_the_navigation_says_where_one_is(world: World, client: Client, path: str) -> None:
    page = await read(client, path)
    [here] = page.all("a", **{"aria-current": "page"})
    assert here.attributes["href"] == path
