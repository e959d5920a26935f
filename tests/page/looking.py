"""What tests see of a page in a browser."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from prober.model.status import Reason
from tests.page.serving import Served
from tests.running import PATIENCE

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import expect

expect.set_options(timeout=PATIENCE * 1000)


def keys(page: "Page") -> list[str]:
    """Return the keys of the rows that are shown."""
    found: list[str] = page.locator("tr[data-key]").evaluate_all(
        "rows => rows.map(row => row.dataset.key)"
    )
    return found


def checks(page: "Page") -> list[str]:
    """Return the keys of the rows of checks."""
    return [key for key in keys(page) if not key.startswith("pool ")]


def link(page: "Page", state: str) -> None:
    """Wait until the page says that it is live, polling, lost or paused."""
    expect(page.locator("html")).to_have_attribute("data-link", state)


@contextmanager
def without_loading(page: "Page") -> Iterator[None]:
    """Assert that the page stays the same document."""
    page.evaluate("window.stays = true")
    yield
    assert page.evaluate("window.stays"), "the page was loaded anew"


def failing(served: Served, name: str, key: str) -> Callable[[], None]:
    """Return what lets a check fail three times in a row."""

    def fail() -> None:
        for _ in range(3):
            served.world.record(name, key, Reason.REFUSED)

    return fail
