"""What members of a cluster ask each other over the API, and what is refused."""

import json
from typing import Any

import pytest

from prober.state.shared_past import read_past
from prober.web.api.cluster_routes import MOST_CHECKS, MOST_SLOTS
from tests.web.conftest import Client
from tests.web.world import WALL, World, monitor

ONE = "10.0.0.1:80"
PATH = "/api/v1/cluster/past"


@pytest.fixture
def world(kept_world: World) -> World:
    kept_world.configure(monitor("web", ONE))
    return kept_world


async def ask(client: Client, body: Any, status: int = 200) -> Any:
    answer = await client.post(PATH, json=body)
    text = await answer.text()
    assert answer.status == status, text
    return json.loads(text)


async def test_a_member_tells_what_it_has_recorded(world: World, client: Client) -> None:
    world.record("web", ONE, times=3)
    found = (await ask(client, {"checks": [["web", ONE], ["web", "10.9.9.9:1"]]}))["pasts"]
    past = read_past(found[0])
    assert (past.streak, len(past.recent), list(past.slots)) == (3, 3, [])
    assert past.last == next(iter(world.store)).last
    assert found[1] is None
    start = int(WALL) // 300 * 300
    body = {"checks": [["web", ONE]], "slots": [start, start + 600, 300]}
    (told,) = (await ask(client, body))["pasts"]
    assert [(slot.start, slot.good) for slot in read_past(told).slots] == [(start, 3)]


@pytest.mark.parametrize(
    "body",
    [
        *([], {}, {"checks": "web"}, {"checks": [["web"]]}, {"checks": [["web", 1]]}),
        {"checks": [["a", "b"]] * (MOST_CHECKS + 1)},
        *({"checks": [], "slots": each} for each in ([0, 300], [0, 300, 0], [0, 300, 7], "abc")),
        *({"checks": [], "slots": each} for each in ([1, 300, 300], [0, -300, 300], [0.5, 1, 300])),
        {"checks": [], "slots": [0, 300 * (MOST_SLOTS + 1), 300]},
        {"checks": [], "more": 1},
    ],
    ids=lambda body: str(body)[:40],
)
async def test_what_is_no_question_is_refused(client: Client, body: Any) -> None:
    answer = await ask(client, body, 400)
    assert "expected a question about checks" in answer["message"]
