"""The page of a pool: its backends by monitors, and what others can ask about it."""

from collections import Counter
from collections.abc import Awaitable, Callable

import pytest

from prober.model.kinds import Frozen
from prober.model.pool import Backend, Pool
from prober.model.status import Reason
from prober.outputs.counters import OutputCounters
from prober.web.page.survey import ROWS
from prober.web.server.services import PageSettings
from tests.web.conftest import Client
from tests.web.reading import Reading
from tests.web.world import HOSTILE, WALL, World, backends, monitor

Connect = Callable[..., Awaitable[Client]]


async def read(client: Client, path: str) -> Reading:
    response = await client.get(path)
    assert response.status == 200
    return Reading(await response.text(), path)


def configure(world: World) -> None:
    """Let three backends be watched by two monitors."""
    members = (
        Backend(address="10.0.0.1", port=80, name="one", labels=Frozen({"rack": "r1"})),
        *backends("10.0.0.2:80", "10.0.0.3:80"),
    )
    pool = Pool(name="web", load_balancer="edge", backends=members)
    world.configure(monitor("http", pool="web"), monitor("port", pool="web"), pools=(pool,))
    for backend in members:
        for name in ("http", "port"):
            world.record(name, backend.key, times=2, facts={"http_status_code": 200})


async def test_backends_stand_by_monitors_with_problems_first(world: World, client: Client) -> None:
    configure(world)
    world.record("http", "10.0.0.3:80", Reason.TIMEOUT, times=3)
    page = await read(client, "/pools/web")
    heads = [each.text for each in page.all("table", "matrix")[0:1]]
    assert "StatusBackendhttpHTTPportHTTP" in heads[0]
    assert page.rows() == ["10.0.0.3:80", "10.0.0.1:80", "10.0.0.2:80"]
    first = page.all("tr", "warning")[0]
    assert "timeout in 125 ms" in first.text
    assert "HTTP 200 in 125 ms" in first.text
    assert "one10.0.0.1:80rack=r1" in page.all("table", "matrix")[0].text
    links = [e.attributes["href"] for e in page.all("a", "cell")]
    assert links[:2] == ["/checks/http/10.0.0.3:80", "/checks/port/10.0.0.3:80"]


async def test_the_head_says_how_the_pool_is_doing(world: World, client: Client) -> None:
    configure(world)
    for name in ("http", "port"):
        world.record(name, "10.0.0.3:80", Reason.REFUSED, times=3)
    page = await read(client, "/pools/web")
    head = page.all("div", "headline")[0].text
    assert "Overview / edge" in head
    assert "WARNING web" in head
    assert "2/3 in service · 1 of 3: refused" in head
    assert page.all("title")[0].text.startswith("WARNING · web")


async def test_many_backends_are_shown_page_by_page(world: World, client: Client) -> None:
    keys = [f"10.0.{i // 250}.{i % 250}:80" for i in range(250)]
    world.configure(monitor("m", *keys))
    seen: list[str] = []
    path = "/pools/m"
    for _ in range(3):
        page = await read(client, path)
        assert len(page.rows()) <= ROWS
        seen += page.rows()
        path = next((e.attributes["href"] for e in page.all("a", rel="next")), "")
    assert not path
    assert sorted(seen) == sorted(keys)


@pytest.mark.parametrize(
    ("settings", "headers", "base"),
    [
        (PageSettings(), {}, "http://prober.test/"),
        (PageSettings(base="/prober"), {}, "http://prober.test/prober/"),
        (PageSettings(base="https://x.example/p"), {}, "https://x.example/p/"),
        (PageSettings(), {"X-Forwarded-Prefix": "/evil"}, "http://prober.test/"),
    ],
)
async def test_urls_for_others_are_whole(
    world: World, connect: Connect, settings: PageSettings, headers: dict[str, str], base: str
) -> None:
    configure(world)
    client = await connect(page=lambda: settings)
    response = await client.get("/pools/web", headers={"Host": "prober.test", **headers})
    page = Reading(await response.text(), "/pools/web")
    copied = [each.attributes["data-copy"] for each in page.all("button", "copy")]
    assert copied[0] == f"{base}health/pools/web"
    assert all(each.startswith(base) for each in copied)


async def test_a_pool_without_backends_or_monitors_says_what_to_do(
    world: World, client: Client
) -> None:
    empty, idle = Pool(name="empty"), Pool(name="idle", backends=backends("10.0.0.1:80"))
    world.configure(pools=(empty, idle))
    for name, words in (("empty", "no backends"), ("idle", "No monitor probes this pool")):
        page = await read(client, f"/pools/{name}")
        assert words in page.all("p", "empty")[0].text


async def test_a_pool_that_does_not_exist_is_not_found(client: Client) -> None:
    assert (await client.get("/pools/web")).status == 404


async def test_it_says_which_outputs_hear_the_pool(world: World, client: Client) -> None:
    configure(world)
    assert not [e for e in (await read(client, "/pools/web")).all("h2") if "hear" in e.text]
    ours = OutputCounters("webhook", lambda pool: pool == "web", sent=3, last_success=WALL - 70)
    broken = OutputCounters("file", last_error=f"cannot write {HOSTILE}", held={"web": 2})
    theirs = OutputCounters("file", lambda pool: pool != "web")
    world.vitals.outputs |= {"chat": ours, "list": broken, "others": theirs}
    lines = [e.text for e in (await read(client, "/pools/web")).all("ul", "outputs")]
    keeps = "keeps 2 failing backends in service (`keep`)"
    chat, file = "chatwebhooklast sent 1m10s ago", f"listfilefailing: cannot write {HOSTILE}"
    assert lines == [f"{chat}{file}; {keeps}"]


async def test_the_page_of_prober_says_how_outputs_are_doing(world: World, client: Client) -> None:
    assert not [e for e in (await read(client, "/prober")).all("h2") if e.text == "Outputs"]
    world.vitals.outputs["chat"] = OutputCounters(
        "webhook",
        sent=1234,
        errors=Counter({"timeout": 2, "refused": 0}),
        held={"web": 2, "shop": 1},
        queue=lambda: 7,
        dropped=5,
        last_success=WALL - 70,
        last_error="HTTP 500",
    )
    world.vitals.outputs["list"] = OutputCounters("file")
    page = await read(client, "/prober")
    rows = {e.attributes["data-key"]: e for e in page.all("tr") if "data-key" in e.attributes}
    assert rows["chat"].text == "chatwebhookfailing: HTTP 5001m10s ago1,234753timeout ×2"
    assert rows["list"].text == "listfileworkingnever0000–"
