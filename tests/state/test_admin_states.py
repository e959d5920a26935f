"""Admin states: who wins, when they end, what is told of them."""

import pytest

from prober.model.admin import BACKENDS, MONITORS, POOLS, AdminEntry, AdminKey, AdminState
from prober.model.maintenance import MaintenanceWindow, read_schedule
from prober.model.monitor import Model
from prober.model.pool import Pool
from prober.state.admin_states import AdminStates
from tests.web.world import backends, monitor

ONE, TWO = "10.0.0.1:80", "10.0.0.2:80"
POOL = Pool(name="web", backends=backends(ONE, TWO))
MODEL = Model((monitor("m", pool="web"), monitor("n", pool="web")), (POOL,))
SUNDAY_3 = 1795921200.0  # 2026-11-29 03:00 UTC


class World:
    """Admin states on a clock that stands still."""

    def __init__(self, saved: dict[AdminKey, AdminEntry] | None = None) -> None:
        self.now = SUNDAY_3
        self.kept: dict[AdminKey, AdminEntry | None] = {}
        self.told: list[str] = []
        self.states = AdminStates(
            wall=lambda: self.now,
            note=lambda kind, cause, **_: self.told.append(f"{kind}: {cause}"),
            saved=saved,
            journal=self,
        )
        self.states.adopt(MODEL, ())

    def keep_admin(self, key: AdminKey, entry: AdminEntry | None) -> None:
        self.kept[key] = entry

    def entry(self, state: AdminState, until: float | None = 3600.0) -> AdminEntry:
        end = None if until is None else self.now + until
        return AdminEntry(state, end, "kernel", "anna", self.now)

    def of(self, backend: str = ONE) -> AdminState | None:
        entry = self.states.of_backend(POOL, backend, ("m", "n"))
        return entry.state if entry else None


@pytest.fixture
def world() -> World:
    return World()


def test_the_most_specific_state_wins(world: World) -> None:
    world.states.put((POOLS, "web"), world.entry(AdminState.MAINTENANCE))
    assert world.of() is AdminState.MAINTENANCE
    world.states.put((BACKENDS, ONE), world.entry(AdminState.DRAIN))
    assert world.of() is AdminState.DRAIN
    world.states.put((BACKENDS, f"web/{ONE}"), world.entry(AdminState.FORCED_UP))
    assert (world.of(), world.of(TWO)) == (AdminState.FORCED_UP, AdminState.MAINTENANCE)


def test_a_monitor_closes_a_backend_only_with_all_others(world: World) -> None:
    world.states.put((MONITORS, "m"), world.entry(AdminState.MAINTENANCE))
    assert world.of() is None
    world.states.put((MONITORS, "n"), world.entry(AdminState.MAINTENANCE))
    assert world.of() is AdminState.MAINTENANCE


def test_a_state_runs_out(world: World) -> None:
    world.states.put((POOLS, "web"), world.entry(AdminState.DRAIN, 60.0))
    world.now += 59
    world.states.tick()
    assert world.of() is AdminState.DRAIN
    world.now += 1
    world.states.tick()
    assert world.of() is None
    assert world.kept == {(POOLS, "web"): None}
    assert world.told == [
        "admin_state_set: pool web is set to drain by anna: kernel",
        "admin_state_ended: pool web: drain expired",
    ]


def test_a_state_without_end_lasts_until_it_is_taken_back(world: World) -> None:
    world.states.put((BACKENDS, ONE), world.entry(AdminState.DRAIN, None))
    world.now += 1e9
    world.states.tick()
    assert world.of() is AdminState.DRAIN
    assert world.states.clear((BACKENDS, ONE), by="bob")
    assert not world.states.clear((BACKENDS, ONE), by="bob")
    assert world.of() is None


def test_a_window_of_the_configuration_opens_and_closes(world: World) -> None:
    window = MaintenanceWindow(
        pools=("w*",), schedule=read_schedule("Sun 02:00-04:00"), reason="patches"
    )
    world.states.adopt(MODEL, (window,))
    assert world.of() is AdminState.MAINTENANCE
    assert world.states.entries[POOLS, "web"].until == SUNDAY_3 + 3600
    world.states.put((POOLS, "web"), world.entry(AdminState.FORCED_UP))
    assert world.of() is AdminState.FORCED_UP, "what was set comes first"
    world.states.clear((POOLS, "web"), by="anna")
    world.now += 3600
    world.states.tick()
    assert world.of() is None
    assert not world.kept[POOLS, "web"]


def test_states_come_back_and_go_with_what_they_are_of() -> None:
    entry = AdminEntry(AdminState.DRAIN, None, "", "api", SUNDAY_3)
    world = World({(BACKENDS, ONE): entry, (POOLS, "gone"): entry})
    assert world.of() is AdminState.DRAIN
    assert world.states.entries.keys() == {(BACKENDS, ONE)}
    assert world.kept == {(POOLS, "gone"): None}


def test_a_state_is_told_to_others_and_what_they_tell_is_not_told_again(world: World) -> None:
    told: list[tuple[AdminKey, AdminEntry | None]] = []
    world.states.share(lambda key, entry: told.append((key, entry)))
    drain = world.entry(AdminState.DRAIN, 60.0)
    world.states.put((POOLS, "web"), drain)
    world.states.clear((POOLS, "web"), by="anna")
    assert told == [((POOLS, "web"), drain), ((POOLS, "web"), None)]
    world.states.learn((POOLS, "web"), drain)
    assert world.of() is AdminState.DRAIN
    assert world.kept == {(POOLS, "web"): drain}
    world.states.learn((POOLS, "web"), None)
    world.states.learn((POOLS, "web"), None)
    assert world.of() is None
    assert len(told) == 2
    assert world.told[-2:] == [
        "admin_state_set: pool web is set to drain by anna: kernel",
        "admin_state_ended: pool web: drain ended through another member",
    ]


def test_a_state_that_has_run_out_or_is_of_something_else_is_not_learned(world: World) -> None:
    world.states.learn((POOLS, "web"), world.entry(AdminState.DRAIN, -1.0))
    world.states.learn((POOLS, "elsewhere"), world.entry(AdminState.DRAIN))
    assert world.states.entries == {}
    assert world.told == []
    world.states.put((POOLS, "web"), world.entry(AdminState.DRAIN, 60.0))
    world.states.share(lambda *_: pytest.fail("that it ran out here is nobody else's business"))
    world.now += 61
    world.states.tick()
    assert world.of() is None
