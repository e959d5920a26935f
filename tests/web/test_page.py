"""The landing page."""

from html.parser import HTMLParser

from prober.model.status import Reason
from tests.web.conftest import Client
from tests.web.world import HOSTILE, World, monitor


class Seen(HTMLParser):
    """The tags and the links of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags.add(tag)
        self.links += [value for name, value in attrs if name == "href" and value]


async def test_the_page_counts_the_enabled_checks_by_status(world: World, client: Client) -> None:
    world.configure(
        monitor("web", "10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"),
        monitor("off", "10.0.0.1:80", enabled=False),
    )
    world.record("web", "10.0.0.1:80", times=2)
    world.record("web", "10.0.0.2:80", Reason.REFUSED, times=3)
    text = await (await client.get("/")).text()
    for status, count in (("OK", 1), ("WARNING", 0), ("CRITICAL", 1), ("UNKNOWN", 1)):
        assert f"<dt>{status}</dt><dd>{count}</dd>" in text
    assert "<h1>here <small>prober 1.2.3</small></h1>" in text


async def test_every_link_of_the_page_leads_somewhere(client: Client) -> None:
    seen = Seen()
    seen.feed(await (await client.get("/")).text())
    assert "/static/style.css" in seen.links
    for link in seen.links:
        assert (await client.get(link)).status == 200, link


async def test_a_hostile_name_is_only_text(world: World, client: Client) -> None:
    world.vitals.name = HOSTILE
    response = await client.get("/")
    seen = Seen()
    seen.feed(await response.text())
    assert response.content_type == "text/html"
    assert not seen.tags & {"script", "style"}


async def test_the_style_sheet_is_served_as_one(client: Client) -> None:
    response = await client.get("/static/style.css")
    assert response.content_type == "text/css"
    assert "prefers-color-scheme" in await response.text()
