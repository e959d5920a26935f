"""The page in a real browser."""

import os
from pathlib import Path
from typing import Any

import pytest

from prober.model.notice import Notice
from prober.model.status import Reason
from prober.probes.tcp import TcpProbe
from prober.state.check_state import Key
from prober.web.server.callers import Access
from prober.web.server.services import PageSettings
from tests.page.conftest import Open, Serve, Writable
from tests.page.looking import checks, failing, keys, link, without_loading
from tests.page.serving import Served
from tests.page.showcase import showcase
from tests.running import PATIENCE
from tests.web.test_page import NAMES
from tests.web.world import World, monitor

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import expect

expect.set_options(timeout=PATIENCE * 1000)

AXE = os.environ.get("AXE_CORE", "")
"""The axe.min.js of npm's axe-core."""
PICTURES = os.environ.get("PROBER_SCREENSHOTS", "")
"""Where the pictures of the documents are written to, if anywhere."""

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

WIDE = {"width": 1360, "height": 900}
PHONE = {"width": 320, "height": 700}
POOL = "/pools/storefront"
CHECK = "/checks/checkout-https/10.20.2.12:8443"
PICTURE = {"width": 1280, "height": 800}


# Selecting


def test_a_count_selects_without_loading_the_page_anew(shown: Served, open_page: Open) -> None:
    page = open_page(shown.url)
    everything = keys(page)
    with without_loading(page):
        page.click(".count.critical")
        expect(page.locator(".count.critical")).to_have_attribute("aria-current", "true")
        assert len(checks(page)) == 6
        assert page.url.endswith("/?status=CRITICAL")
        page.go_back()
        expect(page.locator(".count.critical")).not_to_have_attribute("aria-current", "true")
        assert keys(page) == everything


def test_the_search_finds_while_one_types(shown: Served, open_page: Open) -> None:
    page = open_page(shown.url)
    with without_loading(page):
        page.keyboard.press("/")
        page.keyboard.type("redis tcp")
        expect(page.locator("tbody tr:not(.group)")).to_have_count(2)
        assert page.url.endswith("?q=redis+tcp")
        page.click("text=Show all")
        expect(page.locator("#q")).to_have_value("")
        expect(page.locator("tbody tr.band")).to_have_count(7)


def test_a_heading_sorts_and_turns_round(shown: Served, open_page: Open) -> None:
    page = open_page(shown.url)
    page.locator(".orders").get_by_text("last change").click()
    heading = page.locator("thead .certificate")
    heading.get_by_role("link").click()
    expect(heading).to_have_attribute("aria-sort", "ascending")
    assert keys(page)[0] == "certificates-tls 203.0.113.12:443"
    heading.get_by_role("link").click()
    expect(heading).to_have_attribute("aria-sort", "descending")
    assert keys(page)[-1] == "certificates-tls 203.0.113.12:443"


def test_the_keyboard_alone_is_enough(shown: Served, open_page: Open) -> None:
    page = open_page(shown.url)

    def tab_to(selector: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            focused = page.locator(":focus")
            assert focused.evaluate("e => getComputedStyle(e).outlineStyle") != "none"
            if focused.evaluate("(e, selector) => e.matches(selector)", selector):
                return
        raise AssertionError(f"no way to {selector}")

    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    tab_to("#theme")
    tab_to(".count.warning")
    page.keyboard.press("Enter")
    expect(page.locator(".count.warning")).to_have_attribute("aria-current", "true")
    expect(page.locator(".count.warning")).to_be_focused()
    tab_to(".orders a:nth-of-type(4)")
    page.keyboard.press("Enter")
    tab_to("thead .latency a")
    page.keyboard.press("Enter")
    expect(page.locator("thead .latency")).to_have_attribute("aria-sort", "descending")
    tab_to("tbody th.check a")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("certificates-tls")


def test_the_key_for_the_search_can_be_switched_off(shown: Served, open_page: Open) -> None:
    page = open_page(shown.url)
    page.uncheck("#shortcut")
    page.reload()
    page.locator("h2, body").first.press("/")
    expect(page.locator("#q")).not_to_be_focused()
    page.check("#shortcut")
    page.locator(".brand a").press("/")
    expect(page.locator("#q")).to_be_focused()


# One check


def test_a_probe_can_be_asked_for(world: World, serve: Serve, open_page: Open) -> None:
    def probe(key: Key, tell: Any) -> float:
        world.record(*key, Reason.REFUSED, detail="nobody there")
        tell()
        return world.clock

    world.configure(monitor("web", "10.0.0.1:80", probe=TcpProbe(), type="TCP"))
    served = serve(world, probe_now=probe)
    page = open_page(f"{served.url}/checks/web/10.0.0.1:80")
    with without_loading(page):
        page.click("text=Probe now")
        expect(page.locator("output")).to_have_text("refused: nobody there")
        expect(page.locator(".results tbody tr")).to_have_count(1)
    page = open_page(f"{served.url}/checks/web/10.0.0.1:80", java_script_enabled=False)
    page.click("text=Probe now")
    expect(page.locator(".results tbody tr")).to_have_count(2)


def test_everything_is_there_without_javascript(shown: Served, open_page: Open) -> None:
    page = open_page(shown.url, java_script_enabled=False)
    assert len(checks(page)) > 5
    page.click(".count.critical")
    assert len(checks(page)) == 6
    page.fill("#q", "web-3")
    page.press("#q", "Enter")
    assert page.url.endswith("/?status=CRITICAL&q=web-3")
    page.click("tbody th.check a")
    expect(page.locator(".results tbody tr")).to_have_count(90)
    expect(page.locator("#pause")).to_be_hidden()


# Safe


def test_no_name_does_anything(world: World, serve: Serve, open_page: Open) -> None:
    world.configure(*(monitor(name, "10.0.0.1:80") for name in NAMES))
    for name in NAMES:
        world.record(name, "10.0.0.1:80", Reason.REFUSED, times=3, detail=name)

    def recover() -> None:
        for name in NAMES:
            world.record(name, "10.0.0.1:80", times=2)

    served = serve(world)
    page = open_page(served.url)
    link(page, "live")
    served.do(recover)
    expect(page.locator(".count.ok b")).to_have_text(str(len(NAMES)))
    expect(page.locator("tr.band")).to_have_count(len(NAMES))
    for place in range(2 * len(NAMES)):
        page.goto(f"{served.url}/{'' if place < len(NAMES) else '?q=10.'}")
        page.locator("tbody th.check > a:first-child").nth(place % len(NAMES)).click()
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= WIDE["width"]


# Looks


def test_dark_follows_the_system_and_the_switch(shown: Served, open_page: Open) -> None:
    def paper() -> str:
        return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    page = open_page(shown.url, color_scheme="dark")
    dark = paper()
    page.click("#theme")
    light = paper()
    assert light != dark
    page.reload()
    assert paper() == light
    page.click("#theme")
    assert paper() == dark


def test_nothing_is_cut_off_at_any_width(shown: Served, open_page: Open) -> None:
    for path in (
        "/",
        "/?sort=since",
        "/?q=http",
        "/events",
        "/certificates",
        "/prober",
        POOL,
        CHECK,
    ):
        page = open_page(shown.url + path)
        for width in (320, 600, 800, 1024, 1360, 2560):
            page.set_viewport_size({"width": width, "height": 700})
            assert page.evaluate("document.documentElement.scrollWidth") == width, path
            expect(page.locator("main h1, main .status").first).to_be_visible()


def test_reduced_motion_is_respected_and_print_has_no_buttons(
    shown: Served, open_page: Open
) -> None:
    page = open_page(shown.url, reduced_motion="reduce")
    moves = "getComputedStyle(document.querySelector('tr.critical td')).animationName"
    page.evaluate("document.querySelector('tr.critical').classList.add('fresh')")
    assert page.evaluate(moves) == "none"
    page.emulate_media(media="print", color_scheme="dark")
    expect(page.locator("#pause")).to_be_hidden()
    expect(page.locator("#q")).to_be_hidden()
    expect(page.locator("table.pools")).to_be_visible()


def test_an_admin_state_is_set_and_ended_on_the_page(shown: Served, open_page: Open) -> None:
    page = open_page(shown.url + POOL)
    link(page, "live")
    page.locator("#admin summary").click()
    page.set_viewport_size({"width": 320, "height": 700})
    inside = "document.querySelector('#admin details').scrollWidth"
    assert page.evaluate(inside) <= page.evaluate(inside.replace("scroll", "client"))
    page.set_viewport_size({"width": 1360, "height": 900})
    page.locator("#admin select[name=of]").select_option("storefront/10.20.1.11:8080")
    page.locator("#admin select[name=state]").select_option("forced_down")
    page.locator("#admin input[name=reason]").fill("a new disk")
    shown.do(failing(shown, "storefront-port", "10.20.1.12:8080"))
    expect(page.locator("tr[data-key='10.20.1.12:8080']")).to_contain_text("WARNING")
    expect(page.locator("#admin input[name=reason]")).to_have_value("a new disk")
    expect(page.locator("#admin select[name=state]")).to_have_value("forced_down")
    page.get_by_role("button", name="Set", exact=True).click()
    states = page.locator(".admin-states")
    expect(states).to_contain_text("forced down of web-1 10.20.1.11:8080")
    expect(states).to_contain_text("set by page: a new disk")
    page.get_by_role("button", name="End forced_down of storefront/10.20.1.11:8080").click()
    expect(states).not_to_contain_text("web-1")
    assert page.url == shown.url + POOL


def test_the_answer_to_a_form_that_is_refused_stays(shown: Served, open_page: Open) -> None:
    page = open_page(shown.url + POOL, trouble=True)
    page.locator("#admin summary").click()
    page.locator("#admin select[name=until]").evaluate("each => each.options[0].value = '99d'")
    page.locator("#admin select[name=until]").select_option("99d")
    page.locator("#admin select[name=of]").select_option("*")
    page.get_by_role("button", name="Set", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Bad Request")
    expect(page.locator("main")).to_contain_text("at most 30 days ahead")
    link(page, "paused")
    expect(page.locator("#pause")).to_be_hidden()
    expect(page.locator("#lost")).to_be_hidden()


def test_a_form_works_over_plain_http_from_another_machine(
    kept_world: World, serve: Serve, open_page: Open
) -> None:
    """Then a browser sends nothing but the origin to tell our form from that of another site."""
    access = Access()
    access.allow_hosts(("prober.test",))
    served = serve(kept_world, editor=Writable(), access=access)
    served.do(lambda: showcase(kept_world))
    page = open_page(served.url.replace("127.0.0.1", "prober.test") + POOL)
    assert not page.evaluate("isSecureContext")
    page.locator("#admin summary").click()
    page.locator("#admin select[name=of]").select_option("*")
    page.get_by_role("button", name="Set", exact=True).click()
    expect(page.locator(".admin-states")).to_contain_text("maintenance of the whole pool")


@pytest.mark.skipif(not AXE, reason="AXE_CORE does not name npm's axe.min.js")
@pytest.mark.parametrize(
    ("theme", "viewport", "path"),
    [
        ("light", WIDE, "/"),
        ("light", WIDE, CHECK),
        ("light", WIDE, POOL),
        ("light", WIDE, "/events"),
        ("dark", PHONE, "/events"),
        ("light", WIDE, "/prober"),
        ("light", WIDE, "/certificates"),
        ("dark", PHONE, "/certificates"),
        ("dark", WIDE, "/?wall"),
        ("dark", PHONE, "/prober"),
        ("dark", WIDE, "/"),
        ("dark", WIDE, POOL),
        ("light", PHONE, POOL),
        ("light", PHONE, "/"),
        ("dark", WIDE, "/?sort=-since"),
        ("light", PHONE, "/?status=OK"),
        ("dark", PHONE, CHECK),
    ],
)
def test_axe_finds_no_violation(
    shown: Served, open_page: Open, theme: str, viewport: dict[str, int], path: str
) -> None:
    page = open_page(shown.url + path, color_scheme=theme, viewport=viewport)
    page.evaluate(Path(AXE).read_text())
    found = page.evaluate("rules => axe.run({runOnly: rules})", RULES)
    assert [
        (each["id"], [node["html"][:200] for node in each["nodes"][:3]])
        for each in found["violations"]
    ] == []


def test_ten_thousand_checks_are_shown_a_hundred_at_a_time(
    world: World, serve: Serve, open_page: Open
) -> None:
    names = [f"10.{i // 62500}.{i // 250 % 250}.{i % 250}:80" for i in range(10_000)]
    world.configure(monitor("m", *names))
    served = serve(world)
    page = open_page(f"{served.url}/?sort=latency")
    expect(page.locator(".pages")).to_contain_text("1–100 of 10,000")
    assert len(keys(page)) == 100
    page.locator(".pages").get_by_text("Last").click()
    expect(page.locator(".pages")).to_contain_text("9,901–10,000 of 10,000")


@pytest.fixture
def pictured(kept_world: World, serve: Serve) -> Served:
    """Serve the world of the pictures, with its past."""
    served = serve(kept_world, page=lambda: PageSettings("shop.example"), editor=Writable())
    served.do(lambda: showcase(kept_world, kept_world._database))
    return served


def test_the_pictures_of_the_documents(pictured: Served, open_page: Open, tmp_path: Path) -> None:
    """Write them if PROBER_SCREENSHOTS says where to; see that they stay small."""
    folder = Path(PICTURES or tmp_path)
    pages = {
        "page": "/",
        "page-pool": POOL,
        "page-check": f"{CHECK}?range=24h",
        "page-events": "/events",
        "page-certificates": "/certificates",
        "page-prober": "/prober",
        "page-wall": "/?wall",
    }
    for name, path in pages.items():
        for theme in ("light", "dark"):
            page = open_page(pictured.url + path, color_scheme=theme, viewport=PICTURE)
            link(page, "live")
            expect(page.locator("[data-incomplete]")).to_have_count(0)
            page.screenshot(path=folder / f"{name}-{theme}.png")
            assert (folder / f"{name}-{theme}.png").stat().st_size < 200_000
    page = open_page(pictured.url, viewport={"width": 390, "height": 800})
    expect(page.locator("[data-incomplete]")).to_have_count(0)
    page.screenshot(path=folder / "page-phone.png")


@pytest.fixture
def published(kept_world: World, serve: Serve) -> Served:
    """Serve the page for everybody, with a notice."""
    notice = Notice(text="Orders may be slow while we move a database.", severity="warning")
    settings = PageSettings("Shop status", public=True, notices=(notice,))
    served = serve(kept_world, page=lambda: settings)
    served.do(lambda: showcase(kept_world, kept_world._database))
    return served


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_page_for_everybody_looks_good_everywhere(
    published: Served, open_page: Open, tmp_path: Path, theme: str
) -> None:
    page = open_page(published.url, color_scheme=theme, viewport=PICTURE)
    expect(page.locator("[data-incomplete]")).to_have_count(0)
    page.screenshot(path=Path(PICTURES or tmp_path) / f"page-public-{theme}.png")
    for width in (320, 800, 2560):
        page.set_viewport_size({"width": width, "height": 700})
        assert page.evaluate("document.documentElement.scrollWidth") == width
    if AXE:
        page.evaluate(Path(AXE).read_text())
        found = page.evaluate("rules => axe.run({runOnly: rules})", RULES)
        assert [each["id"] for each in found["violations"]] == []
