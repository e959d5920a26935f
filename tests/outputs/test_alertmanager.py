"""Alertmanager: which alerts a pool raises, and how they begin, last and end."""

import pytest

from prober.model.status import Status
from prober.outputs.alertmanager import AlertmanagerOutput, Alerts, alerts_of
from prober.outputs.posting import Poster, PostFailed
from tests.outputs.serving import World, pool

URL = "http://127.0.0.1:1"
SETTINGS = AlertmanagerOutput(urls=(URL,))


class Posts(Poster):
    """Takes posts, or refuses them."""

    def __init__(self) -> None:
        super().__init__(timeout=1.0)
        self.bodies: list[list[dict[str, object]]] = []
        self.down = False

    async def post(self, url: str, body: object, **_: object) -> None:
        if self.down:
            raise PostFailed("connect", "refused")
        assert url == f"{URL}/api/v2/alerts"
        assert isinstance(body, list)
        self.bodies.append(body)


def names(*words: str) -> set[str] | None:
    found = alerts_of(pool(*words))
    return None if found is None else {each.labels["alertname"] for each in found.values()}


@pytest.mark.parametrize(
    ("words", "raised"),
    [
        (("ok", "ok"), set()),
        (("ok", "warning"), set()),
        (("ok", "ok", "critical"), {"BackendDown", "PoolDegraded"}),
        (("ok", "critical", "critical"), {"BackendDown", "PoolDown"}),
        (("ok", "critical+maintenance"), set()),
        (("critical+maintenance", "critical"), {"BackendDown", "PoolDown"}),
        (("critical+forced_up", "ok"), set()),
        (("ok", "unknown", "critical"), None),
        ((), set()),
    ],
)
def test_a_pool_raises_alerts_for_what_is_down(
    words: tuple[str, ...], raised: set[str] | None
) -> None:
    assert names(*words) == raised


def test_an_alert_says_where_and_why() -> None:
    found = alerts_of(pool("ok", "ok", "critical", since=(0, 0, 1_700_000_000.0)))
    assert found is not None
    alert = found["backend web/10.0.0.2:80"]
    assert alert.labels == {
        "alertname": "BackendDown",
        "pool": "web",
        "load_balancer": "lb",
        "severity": "warning",
        "backend": "10.0.0.2:80",
        "monitor": "m",
    }
    assert alert.annotations["description"] == "refused: connection refused"
    assert alert.starts_at == 1_700_000_000.0
    assert found["pool web"].annotations["summary"] == f"Pool web is {Status.WARNING}"


async def test_an_alert_begins_lasts_and_ends() -> None:
    world, posts = World(SETTINGS, pool("ok", "ok", "critical")), Posts()
    alerts = Alerts(SETTINGS, world.desk(), posts)
    assert alerts.update("web")
    assert await alerts._send(URL)
    assert not alerts.update("web")
    assert {each["endsAt"] for each in posts.bodies[0]} == {"2027-01-15T08:04:00.000+00:00"}
    world.source.put(pool("unknown", "unknown", "unknown"))
    assert not alerts.update("web"), "UNKNOWN changes nothing"
    world.wall += 60
    world.source.put(pool("ok", "ok", "ok"))
    assert alerts.update("web")
    assert await alerts._send(URL)
    assert {each["endsAt"] for each in posts.bodies[1]} == {"2027-01-15T08:01:00.000+00:00"}
    assert await alerts._send(URL)
    assert len(posts.bodies) == 2
    assert not world.memory.content


async def test_an_end_that_no_alertmanager_accepted_is_sent_later() -> None:
    world, posts = World(SETTINGS, pool("ok", "ok", "critical")), Posts()
    alerts = Alerts(SETTINGS, world.desk(), posts)
    alerts.update("web")
    assert await alerts._send(URL)
    posts.down = True
    world.source.put(pool("ok", "ok", "ok"))
    alerts.update("web")
    assert not await alerts._send(URL)
    assert world.counters.errors["connect"] == 1
    assert world.counters.queue() == 2
    posts.down = False
    assert await alerts._send(URL)
    assert len(posts.bodies[1]) == 2


async def test_after_a_restart_an_alert_that_recovered_meanwhile_is_ended() -> None:
    world, posts = World(SETTINGS, pool("ok", "ok", "critical")), Posts()
    first = Alerts(SETTINGS, world.desk(), posts)
    first.update("web")
    assert len(world.memory.content) == 2
    world.source.put(pool("ok", "ok", "ok"))
    again = Alerts(SETTINGS, world.desk(), posts)
    assert again.update("web")
    assert await again._send(URL)
    assert len(posts.bodies[0]) == 2
    assert not world.memory.content


async def test_a_pool_that_goes_ends_its_alerts() -> None:
    world, posts = World(SETTINGS, pool("ok", "critical", "critical")), Posts()
    alerts = Alerts(SETTINGS, world.desk(), posts)
    alerts.update("web")
    world.source.pools.clear()
    assert alerts.update("web")
    assert await alerts._send(URL)
    assert len(posts.bodies[0]) == 3
