"""What outputs are told of single checks."""

from prober.model.admin import AdminEntry, AdminState
from prober.model.pool import Pool
from prober.model.status import Reason, Status
from prober.state.last_known import LastKnown
from tests.web.world import WALL, World, backends, monitor

ONE, TWO = "10.0.0.1:80", "10.0.0.2:80"


def configured(*names: str) -> tuple[World, LastKnown]:
    """Return a pool of two backends with these monitors, all of whose checks are OK."""
    world = World()
    monitors = [monitor(name, pool="p") for name in names]
    world.configure(*monitors, pools=(Pool(name="p", backends=backends(ONE, TWO)),))
    for name in names:
        for key in (ONE, TWO):
            world.record(name, key, times=2)
    return world, LastKnown(world.store, wall=lambda: world.wall)


def test_checks_are_told_of_if_several_monitors_probe_a_pool() -> None:
    _, known = configured("a")
    assert list(known.checks("p")) == []
    assert list(known.checks("absent")) == []
    world, known = configured("a", "b")
    world.record("b", TWO, Reason.REFUSED, times=3, detail="no")
    found = {(each.monitor, each.backend): each for each in known.checks("p")}
    assert len(found) == 4
    assert found["a", TWO].status is Status.OK
    assert (found["a", TWO].reason, found["a", TWO].cause) == (None, "")
    bad = found["b", TWO]
    assert (bad.status, bad.reason, bad.cause, bad.since) == (
        *(Status.CRITICAL, Reason.REFUSED),
        *("no", WALL),
    )


def test_what_is_decided_or_proves_nothing_is_not_told_of() -> None:
    world, known = configured("a", "b")
    entry = AdminEntry(AdminState.MAINTENANCE, None, "", "a test", WALL)
    world.store.admin.put(("monitors", "a"), entry)
    assert {each.monitor for each in known.checks("p")} == {"b"}
    world.store.admin.put(("backends", f"p/{ONE}"), entry)
    assert [each.backend for each in known.checks("p")] == [TWO]
