"""The tables for operators name what there is, and nothing more."""

import re

from prober.state.events import CAPACITY
from prober.web.api.native import EVENTS_PAGE, PAGE
from prober.web.metrics.check_metrics import Metrics
from prober.web.routes import ROUTES
from prober.web.server.services import HEARTBEAT
from tests import ROOT
from tests.web.world import CLUSTER, World

DOCS = ROOT / "docs"


def rows(name: str, heading: str, *, number: int = 1) -> list[list[str]]:
    """Return the cells of the table under this heading row, or of another that begins so."""
    lines = (DOCS / name).read_text().split(f"| {heading} |")[number].splitlines()[2:]
    table = lines[: next(i for i, line in enumerate(lines) if not line.startswith("|"))]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table]


def test_every_route_stands_in_the_table_and_nothing_more() -> None:
    documented = [row[0] for row in rows("api.md", "route")]
    assert documented == [f"`{route.method} {route.path}`" for route in ROUTES]


def test_every_parameter_stands_in_the_table_and_nothing_more() -> None:
    documented = [
        name for row in rows("api.md", "parameter") for name in re.findall(r"`(\w+)`", row[0])
    ]
    declared = {parameter.name for route in ROUTES for parameter in route.parameters()}
    assert sorted(documented) == sorted(declared)


def test_the_numbers_in_the_text_are_those_of_the_code() -> None:
    text = (DOCS / "api.md").read_text()
    assert f"{PAGE} checks or {EVENTS_PAGE} events" in text
    assert f"every {HEARTBEAT:g} s" in text
    assert text.count(f"{CAPACITY:,}") == 2


def test_every_metric_stands_in_the_table_with_its_type_and_nothing_more() -> None:
    world = World()
    world.vitals.cluster = lambda: CLUSTER
    world.store.mine = frozenset()
    text = "".join(Metrics(world.store, world.vitals).pieces(as_openmetrics=False))
    shown = re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE)
    tables = rows("metrics.md", "metric") + rows("metrics.md", "metric", number=2)
    documented = [(row[0].strip("`"), row[1]) for row in tables]
    assert sorted(documented) == sorted(shown)
