"""The page of one check, badges, and the table for spreadsheets."""

import asyncio
import csv
import io
from collections.abc import Awaitable, Callable
from urllib.parse import quote

import pytest
from aiohttp.test_utils import TestClient, TestServer

from prober.model.file_kinds import Secret
from prober.model.kernel_view import KernelView
from prober.model.kinds import Frozen
from prober.model.pool import Backend, Pool
from prober.model.status import Reason
from prober.probes.http import HttpProbe
from prober.state.check_state import Key
from tests.web.conftest import Client
from tests.web.reading import Reading
from tests.web.world import HOSTILE, World, monitor

Connect = Callable[..., Awaitable[Client]]
ONE = "10.0.0.1:80"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
PHASES = (None, 0.001, None, 0.00005, 0.01, 0.0002)


async def read(client: Client, path: str = f"/checks/web/{ONE}") -> Reading:
    response = await client.get(path)
    assert response.status == 200
    return Reading(await response.text(), path)


async def test_the_results_are_shown_with_their_phases(world: World, client: Client) -> None:
    world.configure(monitor("web", ONE))
    world.record("web", ONE, facts={"http_status_code": 200}, phases=PHASES, times=99)
    world.wait(1)
    world.record("web", ONE, Reason.TIMEOUT)
    page = await read(client)
    table = page.all("table", "results")[0]
    assert table.text.startswith("The last 100 results, newest first")
    assert [e.text for e in page.all("th", scope="col")] == [
        "Time (UTC)",
        "Result",
        "Why",
        "Took",
        "connect",
        "send",
        "first byte",
        "transfer",
    ]
    assert [e.text for e in page.all("tr", "bad")] == [
        "08:00:01timeoutno verdict before the deadline125 ms"
    ]
    assert page.all("tr", "good")[0].text == "08:00:00HTTP 200125 ms1.0 ms50 µs10 ms0.2 ms"
    chart = page.all("svg", "chart")[0]
    assert chart.attributes["aria-label"].startswith("Time of the last 100 results by phase")
    assert {"connect", "send", "first_byte", "transfer", "other"} <= {
        each.attributes.get("class") for each in page.all("path")
    }


async def test_what_the_kernel_knows_of_a_failure_is_shown(world: World, client: Client) -> None:
    world.configure(monitor("web", ONE))
    world.record("web", ONE, Reason.TIMEOUT, kernel=KernelView(3, 2))
    facts = (await read(client)).all("dl", "facts")[0].text
    assert "SYNs sent3Segments sent again2" in facts
    assert "Round trip" not in facts
    kernel = KernelView(1, 0, 0.012, 0, "192.0.2.254")
    world.record("web", ONE, Reason.TIMEOUT, kernel=kernel)
    facts = (await read(client)).all("dl", "facts")[0].text
    assert "SYNs sent1Round trip12 msNot acknowledged0 bytesReported by192.0.2.254" in facts
    world.record("web", ONE)
    assert "SYNs" not in (await read(client)).all("dl", "facts")[0].text


async def test_transitions_are_shown_with_their_causes(world: World, client: Client) -> None:
    world.configure(monitor("web", ONE, "10.0.0.2:80"))
    world.record("web", ONE, times=2)
    world.record("web", "10.0.0.2:80", times=2)
    world.record("web", ONE, Reason.REFUSED, times=3, detail="nobody there")
    changes = (await read(client)).all("ol", "changes")[0].text
    assert changes.count("→") == 3
    assert "3 bad in a row, last CONNECT_FAILED (refused): nobody there" in changes


async def test_a_check_without_results_has_a_page(world: World, client: Client) -> None:
    world.configure(monitor("web", ONE))
    page = await read(client)
    assert page.all("p", "empty")[0].text.startswith("There are no results yet.")
    assert "undecided" in page.all("div", "explain")[0].text


async def test_uptime_is_shown_where_history_is_kept(kept_world: World) -> None:
    kept_world.configure(monitor("web", ONE))
    kept_world.record("web", ONE, times=2)
    kept_world.wait(900)
    async with TestClient(TestServer(kept_world.app())) as client:
        page = Reading(await (await client.get(f"/checks/web/{ONE}")).text())
    tiles = page.all("dl", "tiles")[0].text
    only = "– recorded for 15m00s only"
    assert tiles.startswith(f"Uptime 24h100 % of 15m00sUptime 7d{only}Uptime 30d{only}")


async def test_secrets_are_masked(world: World, client: Client) -> None:
    probe = HttpProbe(headers=Frozen({"X-Key": Secret("hunter2", masked=True)}))
    world.configure(monitor("web", ONE, probe=probe))
    text = await (await client.get(f"/checks/web/{ONE}")).text()
    assert "&lt;secret&gt;" in text
    assert "hunter2" not in text


async def test_a_check_that_does_not_exist_is_not_found(client: Client) -> None:
    path = "/checks/web/10.0.0.1:80"
    answer = await client.get(path, headers={"Accept": BROWSER})
    assert (answer.status, answer.content_type) == (404, "text/html")
    page = Reading(await answer.text(), path)
    assert "There is no check of monitor 'web' and backend '10.0.0.1:80'." in [
        each.text for each in page.all("p")
    ]
    assert {each.attributes["href"] for each in page.all("a")} >= {"/"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing/here/", 404),
        ("GET", "/check", 404),
        ("POST", "/", 405),
        ("GET", "/checks/web/10.0.0.1:80", 404),
        ("POST", f"/checks/off/{ONE}/probe", 409),
    ],
)
async def test_a_browser_is_shown_a_page_for_every_error_and_a_program_json(
    world: World, client: Client, method: str, path: str, status: int
) -> None:
    world.configure(monitor("off", ONE, enabled=False))
    answer = await client.request(method, path, headers={"Accept": BROWSER})
    assert (answer.status, answer.content_type) == (status, "text/html")
    page = Reading(await answer.text(), path)
    assert {each.attributes["href"] for each in page.all("a")} >= {"/"}
    for link in page.all("link"):
        assert (await client.get(link.attributes["href"])).status == 200
    answer = await client.request(method, path, headers={"Accept": "*/*"})
    assert (answer.status, answer.content_type) == (status, "application/json")
    for other in ("/api/v1/checks/web/10.0.0.1:80", "/v2.0/lbaas/healthmonitors/x"):
        answer = await client.get(other, headers={"Accept": BROWSER})
        assert (answer.status, answer.content_type) == (404, "application/json")


async def test_the_form_probes_and_leads_back(world: World, connect: Connect) -> None:
    asked: list[Key] = []

    def probe(key: Key, tell: Callable[[], None]) -> float:
        asked.append(key)
        asyncio.get_running_loop().call_soon(tell)
        return world.clock

    client = await connect(probe_now=probe)
    name = "a/b c?"
    world.configure(monitor(name, "[2001:db8::7]:80"))
    page = await read(client, "/checks/a%2Fb%20c%3F/[2001:db8::7]:80")
    (form,) = page.all("form", method="post")
    response = await client.post(form.attributes["action"], allow_redirects=False)
    assert response.status == 303
    assert asked == [(name, "[2001:db8::7]:80")]
    assert (await client.get(response.headers["Location"])).status == 200
    assert (await client.post(form.attributes["data-probe"])).status == 202


async def test_what_cannot_be_probed_has_no_button(world: World, client: Client) -> None:
    world.configure(monitor("web", ONE))
    assert not (await read(client)).all("form", method="post")


# Badges


@pytest.mark.parametrize("sort", ["pool", "monitor"])
async def test_a_badge_says_the_status_as_a_word(world: World, client: Client, sort: str) -> None:
    world.configure(monitor("web", ONE))
    world.record("web", ONE, times=2)
    response = await client.get(f"/badge/{sort}/web.svg")
    assert response.content_type == "image/svg+xml"
    assert Reading(await response.text()).all("title")[0].text == "web: OK"
    assert (await client.get(f"/badge/{sort}/wbe.svg")).status == 404


async def test_a_badge_of_a_hostile_name_is_only_text(world: World, client: Client) -> None:
    world.configure(monitor("m", pool=HOSTILE), pools=(Pool(name=HOSTILE),))
    response = await client.get(f"/badge/pool/{quote(HOSTILE, safe='')}.svg")
    assert {e.tag for e in Reading(await response.text()).elements} == {
        "svg",
        "title",
        "rect",
        "path",
        "g",
        "text",
    }


# The table for spreadsheets


async def rows(client: Client, path: str = "/status.csv") -> list[dict[str, str]]:
    response = await client.get(path)
    assert response.content_type == "text/csv"
    return list(csv.DictReader(io.StringIO(await response.text(), newline="")))


async def test_the_table_has_what_the_page_shows(world: World, client: Client) -> None:
    world.configure(monitor("web", ONE, "10.0.0.2:80"))
    world.record("web", ONE, Reason.REFUSED, times=3, detail='said "no", twice\n')
    [bad, unknown] = await rows(client)
    assert (bad["status"], bad["backend"], bad["reason"]) == ("CRITICAL", ONE, "refused")
    assert bad["detail"] == 'said "no", twice\n'
    assert (unknown["status"], unknown["last"]) == ("UNKNOWN", "not probed yet")
    assert [row["backend"] for row in await rows(client, "/status.csv?q=0.2")] == ["10.0.0.2:80"]


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1"])
async def test_no_cell_is_taken_for_a_formula(world: World, client: Client, name: str) -> None:
    named = Backend(address="10.0.0.1", port=80, name=name)
    world.configure(monitor(name, pool="p"), pools=(Pool(name="p", backends=(named,)),))
    [row] = await rows(client)
    assert row["monitor"] == row["name"] == f"'{name}"


async def test_another_certificate_is_among_the_changes(world: World, client: Client) -> None:
    world.configure(monitor("m", "10.0.0.1:443", type="HTTPS"))
    for fingerprint in ("a" * 64, "b" * 64):
        world.record("m", "10.0.0.1:443", times=2, facts={"tls_fingerprint": fingerprint})
    page = await read(client, "/checks/m/10.0.0.1:443")
    (changes,) = page.all("ol", "changes")
    assert changes.text.startswith(
        "08:00:00certificate changedthe target shows another certificate: SHA-256 bbbbbbbbbbbbbbbb"
    )
