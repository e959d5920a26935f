"""A probe on request."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from prober.model.status import Reason
from prober.state.check_state import Key
from tests.running import daemon, listener
from tests.web.conftest import Client
from tests.web.world import World, monitor

Connect = Callable[..., Awaitable[Client]]
Tell = Callable[[], None]
PATH = "/api/v1/checks/web/10.0.0.1:80/probe"


async def test_the_answer_is_the_result_of_the_probe(world: World, connect: Connect) -> None:
    def probe(key: Key, tell: Tell) -> float:
        def finish() -> None:
            world.record(*key, Reason.REFUSED, detail="nobody there")
            tell()

        asyncio.get_running_loop().call_soon(finish)
        return world.clock

    client = await connect(probe_now=probe)
    world.configure(monitor("web", "10.0.0.1:80"))
    response = await client.post(PATH)
    assert response.status == 200
    answer = await response.json()
    assert (answer["reason"], answer["detail"]) == ("refused", "nobody there")


async def test_a_probe_that_waits_too_long_for_its_turn_is_accepted(
    world: World, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prober.web.api.probe_now.SPARE", -1.0)
    client = await connect(probe_now=lambda _key, _tell: world.clock)
    world.configure(monitor("web", "10.0.0.1:80", timeout=0.05))
    response = await client.post(PATH)
    assert response.status == 202
    assert (await response.json())["code"] == "accepted"


@pytest.mark.parametrize(
    ("enabled", "probe", "message"),
    [
        (True, None, "this prober does not probe"),
        (False, lambda _key, _tell: 0.0, "the monitor is disabled"),
        (True, lambda _key, _tell: None, "the check is being removed"),
    ],
)
async def test_what_is_not_probed_is_a_conflict(
    world: World,
    connect: Connect,
    enabled: bool,
    probe: Callable[[Key, Tell], float | None] | None,
    message: str,
) -> None:
    client = await connect(probe_now=probe)
    world.configure(monitor("web", "10.0.0.1:80", enabled=enabled))
    response = await client.post(PATH)
    assert (response.status, (await response.json())["message"]) == (409, message)


async def test_a_check_that_does_not_exist_is_not_found(client: Client) -> None:
    assert (await client.post(PATH)).status == 404


def test_the_daemon_probes_when_it_is_asked(tmp_path: Path) -> None:
    with listener() as port:
        check = {
            "name": "web",
            "type": "TCP",
            "targets": [f"127.0.0.1:{port}"],
            "interval": "1h",
            "fast_interval": "1h",
        }
        with daemon({"monitors": [check]}, tmp_path) as prober:
            for _ in range(2):
                status, body = prober.get(f"/api/v1/checks/web/127.0.0.1:{port}/probe", "POST")
                assert (status, '"reason": "ok"' in body) == (200, True), body
            prober.wait_for("status_changed", to="OK")
