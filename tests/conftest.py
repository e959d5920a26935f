"""How the tests run: several at once, the longest first, and past what collecting them has left."""

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module

import pytest
from hypothesis import settings

from tests import ROOT

# A few examples of each property, the same each time; `--hypothesis-profile=default` searches on.
settings.register_profile("suite", settings.get_profile("ci"), max_examples=40)

LONG = {
    *("cluster", "faults", "fuzz", "daemon", "blackbox", "discovery", "page", "clients", "outputs"),
    *("test_prometheus.py", "test_worst_values.py"),
}
"""Folders and files of tests that take their time, most of it waiting."""
READABLE = 24
"""Bytes that are still a name."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Run more tests at once than there are cores, because most of them wait."""
    return max(4, min(3 * len(os.sched_getaffinity(0)), 16))


def pytest_sessionstart(session: pytest.Session) -> None:
    """Import the tests, each worker beginning with others, so that each is compiled only once.

    It finds what another one has compiled in the cache; together they would do all work at once.
    """
    worker = getattr(session.config, "workerinput", None)
    if worker is None or session.config.args_source is not pytest.Config.ArgsSource.TESTPATHS:
        return
    paths = sorted(path.relative_to(ROOT) for path in (ROOT / "tests").rglob("test_*.py"))
    first = int(worker["workerid"].removeprefix("gw")) * len(paths) // worker["workercount"]
    for path in paths[first:] + paths[:first]:
        with suppress(BaseException):  # whoever collects it says what is wrong
            import_module(".".join(path.with_suffix("").parts))


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name no test by many bytes: what is random or has a time in it differs in each worker."""
    return "bytes" if isinstance(val, bytes) and len(val) > READABLE else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long, so that nothing is left to wait for at the end."""
    items.sort(key=lambda item: not LONG & set(item.path.parts))


class Groups:
    """Keeps tests of one `xdist_group` in one worker.

    pytest-xdist 3.8 tells the scheduler the group in an attribute that pytest 9.2 does not read.
    """

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            if (grouped := getattr(item, "_nodeid", None)) and hasattr(item, "_id"):
                item._id = type(item._id).parse(grouped)


def pytest_configure(config: pytest.Config) -> None:
    """Add what runs after pytest-xdist."""
    config.pluginmanager.register(Groups())


def pytest_sessionfinish() -> None:
    """Save what was measured of a worker: at its exit, it has ten seconds until it is killed."""
    coverage = sys.modules.get("coverage")
    if measured := coverage and coverage.Coverage.current():
        measured.save()


@pytest.fixture(scope="session", autouse=True)
def what_was_there_before() -> Iterator[None]:
    """Keep the garbage collector to what the tests make: thousands of modules take it long."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
