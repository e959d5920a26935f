"""What the clouds' APIs know of objects: times, fields, spellings; kept and forgotten."""

from dataclasses import replace
from pathlib import Path

from prober.model.definition import MONITOR, POOL
from prober.model.monitor import Model
from prober.model.pool import Pool
from prober.state.cloud_objects import (
    LOAD_BALANCER,
    MEMBER,
    CloudObject,
    CloudObjects,
    member_key,
)
from prober.state.database import Database
from prober.state.journal import Journal, read_saved
from tests.web.world import backends, monitor

POOL_WEB = Pool(name="web", backends=backends("10.0.0.1:80", "10.0.0.2:80"))
MONITOR_M = monitor("m", pool="web")
MODEL = Model((MONITOR_M,), (POOL_WEB,))


class Clock:
    """A clock that stands still."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_what_is_in_the_file_is_as_old_as_it_was_first_seen() -> None:
    clock = Clock()
    objects = CloudObjects(wall=clock)
    objects.adopt(Model(), MODEL)
    clock.now = 200.0
    changed = Model((replace(MONITOR_M, interval=7.0),), MODEL.pools)
    objects.adopt(MODEL, changed)
    assert objects.of(MONITOR, MONITOR_M.id) == CloudObject(100.0, 200.0)
    assert objects.of(POOL, POOL_WEB.id) == CloudObject(100.0)
    objects.adopt(changed, Model())
    assert objects.of(MONITOR, MONITOR_M.id) is None
    clock.now = 300.0
    objects.adopt(Model(), MODEL)
    assert objects.of(MONITOR, MONITOR_M.id) == CloudObject(300.0)


def test_a_member_is_forgotten_with_its_backend_and_a_load_balancer_is_not() -> None:
    objects = CloudObjects(wall=Clock())
    objects.adopt(Model(), MODEL)
    first, second = (member_key(POOL_WEB, each) for each in POOL_WEB.backends)
    for key in (first, second):
        objects.write(MEMBER, key, {"weight": 5}, created=True)
    objects.write(LOAD_BALANCER, "lb", {"description": "x"}, created=True)
    fewer = Model(MODEL.monitors, (replace(POOL_WEB, backends=POOL_WEB.backends[:1]),))
    objects.adopt(MODEL, fewer)
    assert [key for key, _ in objects.every(MEMBER)] == [first]
    objects.adopt(fewer, Model())
    assert not list(objects.every(MEMBER))
    assert [key for key, _ in objects.every(LOAD_BALANCER)] == ["lb"]
    objects.forget(LOAD_BALANCER, "lb")
    assert not list(objects.every(LOAD_BALANCER))


def test_what_is_written_adds_up_and_counts_as_a_change() -> None:
    clock = Clock()
    objects = CloudObjects(wall=clock)
    objects.write(POOL, "p", {"a": 1}, {"name": ("", "pool")}, created=True)
    clock.now = 200.0
    objects.write(POOL, "p", {"b": [2]})
    known = objects.of(POOL, "p")
    assert known == CloudObject(100.0, 200.0, {"a": 1, "b": [2]}, {"name": ("", "pool")})
    assert [known.spelled("name", each) for each in ("pool", "other")] == ["", "other"]
    assert known.spelled("type", "TCP") == "TCP"


def test_another_process_knows_the_same(tmp_path: Path) -> None:
    said: list[str] = []
    database = Database(str(tmp_path), report=lambda what, _: said.append(what))
    journal = Journal(database, wall=Clock())
    objects = CloudObjects(wall=Clock(), journal=journal)
    objects.write(POOL, "p", {"a": [1, None]}, {"tags": (["x=1", "y"], {"x": "1"})}, created=True)
    objects.write(MONITOR, "m", created=True)
    objects.write(MONITOR, "gone", created=True)
    objects.forget(MONITOR, "gone")
    database.close()
    database = Database(str(tmp_path), report=lambda what, _: said.append(what))
    again = CloudObjects(wall=Clock(), saved=read_saved(database).cloud_objects)
    database.close()
    assert not said
    assert [key for key, _ in again.every(MONITOR)] == ["m"]
    known = again.of(POOL, "p")
    assert known is not None
    assert known[:3] == (100.0, 100.0, {"a": [1, None]})
    assert known.spelled("tags", {"x": "1"}) == ["x=1", "y"]
