"""What all outputs have in common."""

import pytest

from prober.outputs.alertmanager import AlertmanagerOutput
from prober.outputs.haproxy_agent import HaproxyAgentOutput
from prober.outputs.output import OutputType
from prober.outputs.output_types import OUTPUT_TYPES
from prober.outputs.posting import POST_ERRORS
from tests import ROOT
from tests.outputs.serving import World


@pytest.mark.parametrize(
    ("settings", "reasons"),
    [
        (AlertmanagerOutput(urls=("http://127.0.0.1:1",)), set(POST_ERRORS)),
        (HaproxyAgentOutput(listen=()), {"connection", "listen", "no_request"}),
    ],
)
def test_errors_are_counted_from_0_on(settings: OutputType, reasons: set[str]) -> None:
    world = World(settings)
    world.desk()
    assert world.counters.errors == dict.fromkeys(reasons, 0)
    world.counters.errors["listen"] += 1
    world.desk()
    assert world.counters.errors["listen"] == 1


def test_every_type_says_what_can_go_wrong() -> None:
    assert all(each.errors for each in OUTPUT_TYPES.values())


@pytest.mark.parametrize("name", OUTPUT_TYPES)
def test_every_type_has_a_table_of_its_keys_in_the_documents(name: str) -> None:
    assert f"<!-- keys: output {name} -->" in (ROOT / "docs/outputs.md").read_text()
