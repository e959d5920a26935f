"""The page follows what happens, in every window and behind proxies, or says that it cannot."""

import re
import shutil
import signal
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from prober.model.status import Reason
from prober.web.page.pulse import PULSES
from prober.web.server.services import PageSettings
from tests.page.conftest import Open, Serve
from tests.page.looking import failing, link, without_loading
from tests.page.serving import Served
from tests.ports import free_port
from tests.running import PATIENCE, daemon, listener, program
from tests.web.world import World, monitor

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import expect

expect.set_options(timeout=PATIENCE * 1000)

CHECKS = "/?q=10."
"""Where each check has a row, good ones as well."""


def tcp(port: int) -> dict[str, Any]:
    """Return a configuration that probes a port quickly."""
    return {
        "name": "door",
        "type": "TCP",
        "targets": [f"127.0.0.1:{port}"],
        "interval": "100ms",
        "rise": 2,
        "fall": 2,
    }


def test_the_page_follows_a_backend_that_dies_and_returns(tmp_path: Path, open_page: Open) -> None:
    port = free_port()
    with daemon({"monitors": [tcp(port)]}, tmp_path) as prober:
        page = open_page(f"{prober.url}/?q=door")
        row = page.locator("tr[data-key^=door]")
        with without_loading(page):
            for _ in range(2):
                expect(row.locator(".state")).to_contain_text("CRITICAL")
                expect(page).to_have_title("1 CRITICAL · " + page.locator(".brand").inner_text())
                with listener(port):
                    expect(row.locator(".state")).to_contain_text("OK")
                    icon = page.locator("link[rel=icon]")
                    assert "ok.svg" in (icon.get_attribute("href") or "")
            expect(page.locator("#news")).to_contain_text(f"door 127.0.0.1:{port}: ")
        link(page, "live")
        page.close()


def test_a_lost_connection_is_said_loudly_and_comes_back(tmp_path: Path, open_page: Open) -> None:
    own = free_port()
    with listener() as port:
        listening = ("--listen", f"127.0.0.1:{own}")
        config = {"monitors": [tcp(port)]}
        with daemon(config, tmp_path, *listening) as prober:
            page = open_page(f"http://127.0.0.1:{own}/?q=tcp", trouble=True)
            link(page, "live")
            top = page.locator("main").bounding_box()
            assert prober.stop() == 0
            link(page, "lost")
            expect(page.locator("#lost")).to_contain_text(
                "The prober does not answer. What you see"
            )
            assert page.title().startswith("(lost) ")
            assert page.locator("main").bounding_box() == top  # nothing jumps away from the reader
        with without_loading(page):
            config["monitors"].append({**tcp(port), "name": "second"})
            with daemon(config, tmp_path, *listening):
                link(page, "live")
                expect(page.locator("tr[data-key^=second] .state")).to_contain_text("OK")
                expect(page.locator("#lost")).to_be_hidden()
                assert not page.title().startswith("(lost) ")


def test_the_page_of_a_check_that_is_gone_says_so(
    world: World, serve: Serve, open_page: Open
) -> None:
    def remove() -> None:
        world.configure()
        world.store.note("reload", "nothing is left")

    world.configure(monitor("web", "10.0.0.1:80"))
    served = serve(world)
    page = open_page(f"{served.url}/checks/web/10.0.0.1:80", trouble=True)
    link(page, "live")
    served.do(remove)
    expect(page.get_by_role("heading", level=1)).to_contain_text("Not Found")
    link(page, "live")
    served.do(lambda: world.configure(monitor("web", "10.0.0.1:80")))
    served.do(lambda: world.store.note("reload", "it is back"))
    expect(page.get_by_role("heading", level=1)).to_contain_text("web")


def test_a_pause_lets_the_page_stand_still(shown: Served, open_page: Open) -> None:
    page = open_page(shown.url + CHECKS)
    link(page, "live")
    eventually(page, lambda: listening(shown), 1)
    page.click("#pause")
    link(page, "paused")

    row = page.locator("tr[data-key='sessions-tcp 10.30.9.11:6379']")
    shown.do(failing(shown, "sessions-tcp", "10.30.9.11:6379"))
    asked = contents(shown)
    page.evaluate("new Promise(done => setTimeout(done, 700))")
    assert contents(shown) == asked
    expect(row).to_contain_text("OK")
    page.click("#pause")
    expect(row).to_contain_text("CRITICAL")
    link(page, "live")


def test_a_storm_of_changes_leads_to_two_refreshes_a_second(shown: Served, open_page: Open) -> None:
    page = open_page(shown.url + CHECKS)
    link(page, "live")
    eventually(page, lambda: listening(shown), 1)
    seen = len(shown.requests)

    def refreshes() -> list[float]:
        return [at for at, path in shown.requests[seen:] if path == "/"]

    for _ in range(int(PATIENCE / 0.06)):
        shown.do(lambda: shown.world.store.note("reload", "again"))
        page.wait_for_timeout(60)
        if len(refreshes()) > 3:
            break
    gaps = [b - a for a, b in pairwise(refreshes())]
    assert len(gaps) == 3
    assert min(gaps) > 0.45


def test_what_moves_keeps_the_focus(shown: Served, open_page: Open) -> None:
    page = open_page(shown.url + CHECKS)
    name = "tr[data-key='sessions-tcp 10.30.9.12:6379']"
    page.focus(f"{name} a")

    shown.do(failing(shown, "sessions-tcp", "10.30.9.12:6379"))
    expect(page.locator(name)).to_contain_text("CRITICAL")
    expect(page.locator(f"{name} a")).to_be_focused()


def test_the_page_for_everybody_is_alive_without_the_stream(
    world: World, serve: Serve, open_page: Open
) -> None:
    world.configure(monitor("web", "10.0.0.1:80"))
    served = serve(world, page=lambda: PageSettings(public=True))
    page = open_page(served.url)
    link(page, "live")
    served.do(lambda: world.record("web", "10.0.0.1:80", times=2))
    expect(page.locator("li[data-key='web']")).to_contain_text("OK")
    assert all(re.match(r"/$|/static/", path) for _, path in served.requests)


# Many windows, a prober that stands still, proxies in between


def listening(served: Served) -> int:
    """Return how many windows the prober sends its pulse to."""
    return served.do(lambda: len(served.app[PULSES]))


def contents(served: Served) -> int:
    """Return how often contents were asked for; a browser asks for an icon when it likes."""
    return sum(not path.startswith("/static/") for _, path in served.requests)


def eventually(page: "Page", count: Callable[[], int], wanted: int) -> None:
    """Wait until there are so many."""
    for _ in range(int(PATIENCE / 0.05)):
        if count() == wanted:
            return
        page.wait_for_timeout(50)
    assert count() == wanted


def hide(page: "Page", *, hidden: bool) -> None:
    """Let the page believe that nobody sees it, or that somebody does again."""
    page.evaluate(
        """hidden => {
            Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )


def test_eight_windows_share_one_connection(shown: Served, open_page: Open) -> None:
    """A browser gives a host six connections, and more windows than that once waited for ever."""
    first = open_page(shown.url + CHECKS)
    pages = [first, *(first.context.new_page() for _ in range(7))]
    for page in pages[1:]:
        page.goto(shown.url + CHECKS)
    eventually(first, lambda: listening(shown), 1)
    shown.do(failing(shown, "sessions-tcp", "10.30.9.11:6379"))
    for page in pages:
        row = page.locator("tr[data-key='sessions-tcp 10.30.9.11:6379']")
        expect(row).to_contain_text("CRITICAL")
        link(page, "live")
    pages[0].close()  # perhaps the one that listened for all
    shown.do(failing(shown, "sessions-tcp", "10.30.9.12:6379"))
    for page in pages[1:]:
        row = page.locator("tr[data-key='sessions-tcp 10.30.9.12:6379']")
        expect(row).to_contain_text("CRITICAL")
    eventually(pages[1], lambda: listening(shown), 1)


def test_a_window_that_nobody_sees_asks_for_nothing(shown: Served, open_page: Open) -> None:
    page = open_page(shown.url + CHECKS)
    eventually(page, lambda: listening(shown), 1)
    hide(page, hidden=True)
    eventually(page, lambda: listening(shown), 0)
    asked = contents(shown)
    shown.do(failing(shown, "sessions-tcp", "10.30.9.11:6379"))
    page.wait_for_timeout(700)
    assert contents(shown) == asked
    hide(page, hidden=False)
    row = page.locator("tr[data-key='sessions-tcp 10.30.9.11:6379']")
    expect(row).to_contain_text("CRITICAL")
    eventually(page, lambda: listening(shown), 1)


def test_a_page_without_its_stream_polls_and_is_not_past(shown: Served, open_page: Open) -> None:
    page = open_page("about:blank", trouble=True)
    page.route("**/pulse", lambda route: route.abort())
    page.goto(shown.url + CHECKS)
    link(page, "polling")
    shown.do(failing(shown, "sessions-tcp", "10.30.9.11:6379"))
    row = page.locator("tr[data-key='sessions-tcp 10.30.9.11:6379']")
    expect(row).to_contain_text("CRITICAL")
    expect(page.locator("#lost")).to_be_hidden()


def test_a_prober_that_stood_still_is_followed_again_at_once(
    tmp_path: Path, open_page: Open
) -> None:
    with listener() as port, daemon({"monitors": [tcp(port)]}, tmp_path) as prober:
        page = open_page(prober.url, trouble=True)
        link(page, "live")
        with without_loading(page):
            prober.process.send_signal(signal.SIGSTOP)
            link(page, "lost")
            prober.process.send_signal(signal.SIGCONT)
            link(page, "live")
        page.close()


NGINX = """
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{ listen 127.0.0.1:{port}; location /prober/ {{ proxy_pass {url}/; }} }}
}}
"""


@pytest.mark.skipif(not shutil.which("nginx"), reason="there is no nginx")
def test_behind_nginx_with_nothing_but_proxy_pass_the_page_is_live(
    shown: Served, open_page: Open, tmp_path: Path
) -> None:
    port = free_port()
    config = tmp_path / "nginx.conf"
    config.write_text(NGINX.format(folder=tmp_path, port=port, url=shown.url))
    with program("nginx", "-p", str(tmp_path), "-c", str(config), port=port):
        page = open_page(f"http://127.0.0.1:{port}/prober/{CHECKS[1:]}")
        eventually(page, lambda: listening(shown), 1)
        shown.do(failing(shown, "sessions-tcp", "10.30.9.11:6379"))
        row = page.locator("tr[data-key='sessions-tcp 10.30.9.11:6379']")
        expect(row).to_contain_text("CRITICAL")
        link(page, "live")
        row.get_by_role("link").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("sessions-tcp")
        page.click(".brand a")
        expect(page).to_have_url(f"http://127.0.0.1:{port}/prober/")
        expect(page.locator("tr.band").first).to_be_visible()
        page.close()


def test_a_page_of_an_older_prober_is_loaded_anew(shown: Served, open_page: Open) -> None:
    page = open_page(shown.url + CHECKS)
    link(page, "live")
    page.evaluate("document.querySelector('script[src]').setAttribute('src', 'static/page.js?v=0')")
    page.evaluate("window.stays = true")
    shown.do(lambda: shown.world.store.note("reload", "upgraded"))
    expect(page.locator("script[src$='v=0']")).to_have_count(0)
    assert not page.evaluate("window.stays")
    link(page, "live")


def test_a_storm_of_changes_does_not_freeze_the_browser(
    world: World, serve: Serve, open_page: Open
) -> None:
    """5,000 changes lead to few refreshes, each of which touches no more rows than are shown."""
    keys = [f"10.{i // 62500}.{i // 250 % 250}.{i % 250}:80" for i in range(2500)]
    world.configure(monitor("m", *keys))
    for key in keys:
        world.record("m", key, times=2)
    served = serve(world)
    page = open_page(f"{served.url}/")
    link(page, "live")
    eventually(page, lambda: listening(served), 1)
    page.evaluate(
        """() => {
            window.touched = []; window.tasks = [];
            const count = (seen) => window.touched.push(seen.length);
            const what = { subtree: true, childList: true, attributes: true, characterData: true };
            new MutationObserver(count).observe(document.body, what);
            const note = (list) => list.getEntries().forEach((e) => window.tasks.push(e.duration));
            new PerformanceObserver(note).observe({ entryTypes: ["longtask"] });
        }"""
    )
    seen = len(served.requests)

    def fail(first: int) -> None:
        for key in keys[first : first + 250]:
            world.record("m", key, Reason.REFUSED, times=3)  # to WARNING, then to CRITICAL

    before = world.store.events.last_id
    for first in range(0, len(keys), 250):
        served.do(lambda first=first: fail(first))  # type: ignore[misc]  # a number
        page.wait_for_timeout(50)
    assert world.store.events.last_id - before >= 5000
    expect(page.locator(".count.critical b")).to_have_text("2,500")
    refreshes = [path for _, path in served.requests[seen:] if path == "/"]
    touched, tasks = page.evaluate("[window.touched, window.tasks]")
    assert len(refreshes) < 60  # of 5,000 changes
    assert max(touched) < 3000  # nodes and attributes, in the largest refresh
    assert max(tasks, default=0) < 2000
