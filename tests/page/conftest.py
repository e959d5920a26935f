"""A real browser: Debian's Chromium, driven by Playwright."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from prober.web.server.services import PageSettings
from tests.page.serving import Served, serving
from tests.page.showcase import showcase
from tests.running import PATIENCE
from tests.web.world import World, kept

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


class Writable:
    """An editor that takes edits, as the daemon's does with `server.writable`."""

    locked: str | None = None
    lasting = True

    async def stored(self) -> bool:
        return True


ARGUMENTS = ["--no-sandbox", "--host-resolver-rules=MAP prober.test 127.0.0.1"]
"""They make a name for the server, by which the browser trusts it no more than another machine."""
CHROMIUM = (
    os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
)
Open = Callable[..., "Page"]
Serve = Callable[..., Served]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let all tests with a browser have the same one."""
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("browser"))


@pytest.fixture(scope="module")  # as long as it is there, no other test has an event loop
def browser() -> Iterator["Browser"]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no chromium")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Yield what serves a world until the test is over."""
    with ExitStack() as stack:
        yield lambda world, **more: stack.enter_context(serving(world, **more))


@pytest.fixture
def open_page(browser: "Browser", serve: Serve) -> Iterator[Open]:  # closed before what it shows
    """Yield what opens a page in a window of its own; nothing may go wrong in there.

    `trouble=True` allows messages in the console, such as those of a lost connection.
    """
    contexts, wrong = [], list[str]()

    def open_page(url: str, *, trouble: bool = False, **options: Any) -> "Page":
        context = browser.new_context(**{"viewport": {"width": 1360, "height": 900}, **options})
        context.set_default_timeout(PATIENCE * 1000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: wrong.append(f"dialog: {dialog.message}"))
        if not trouble:
            page.on("console", lambda message: wrong.append(message.text))
        page.goto(url)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def kept_world(tmp_path: Path) -> Iterator[World]:
    with kept(tmp_path) as world:
        yield world


@pytest.fixture
def shown(kept_world: World, serve: Serve) -> Served:
    """Serve the world of the pictures."""
    served = serve(kept_world, page=lambda: PageSettings("shop.example"), editor=Writable())
    served.do(lambda: showcase(kept_world))
    return served
