"""Members in simulated time: one fault each, and how it ends."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from prober.cluster.duties import Outline
from prober.cluster.key_store import StoreTrouble
from prober.cluster.member import NAME_PATIENCE
from prober.model.status import Status
from tests.cluster.simulated import FALL, RISE, Machine, World, outlines

CHECKS = outlines(60)
INTERVAL = CHECKS[0].interval
TTL = 10.0


@pytest.fixture
def world() -> Iterator[World]:
    with closing(World()) as world:
        yield world


def start(world: World, *names: str, checks: list[Outline] = CHECKS) -> None:
    """Let these members settle, with every check decided."""
    for name in names:
        Machine(world, name, checks)
    world.run(30.0)
    assert world.longest_gap() == 0.0
    world.forget_gaps()


def assert_settled(world: World, vantages: int = 1) -> None:
    """Each check has its probers, and all members show the same."""
    machines = [each for each in world.machines.values() if each.is_working]
    for check in CHECKS:
        assert len(world.probers(check.number)) == min(vantages, len(machines))
    for machine in machines:
        assert machine.work.shown == machines[0].work.shown


def owned(world: World, name: str) -> set[int]:
    return set(world.machines[name].work.probing)


def shown(world: World, number: int) -> set[Status]:
    return {m.work.shown[number].status for m in world.machines.values() if m.is_working}


def test_members_share_the_checks_and_show_all(world: World) -> None:
    start(world, "a", "b", "c")
    assert_settled(world)
    assert all(owned(world, name) for name in "abc")
    assert shown(world, CHECKS[0].number) == {Status.OK}


@pytest.mark.parametrize("place", ["absorb", "let_go", "enter"])
def test_a_bug_is_told_and_counted_and_the_member_joins_again(
    world: World, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    start(world, "a", "b")
    buggy = world.machines["a"]
    rota, works = buggy.member.rota, getattr(buggy.member.rota, place)

    def fails(*_: object, **__: object) -> None:
        monkeypatch.setattr(rota, place, works)
        raise LookupError("a bug")

    monkeypatch.setattr(rota, place, fails)
    if place == "enter":
        world.etcd.wipe()
    world.truth[min(owned(world, "b"))] = False
    world.run(4 * INTERVAL)
    (said,) = buggy.events("internal_error")
    assert isinstance(said["exc_info"], LookupError)
    assert buggy.member.errors[StoreTrouble.INTERNAL] == 1
    assert buggy.member.is_joined
    assert world.longest_gap() == 0.0
    assert_settled(world)


def test_nothing_is_written_while_nothing_changes(world: World) -> None:
    start(world, "a", "b", "c")
    before = world.etcd.writes
    world.run(600.0)
    assert world.etcd.writes == before


def test_a_change_of_status_is_shown_everywhere_within_two_seconds(world: World) -> None:
    start(world, "a", "b", "c")
    number = next(iter(owned(world, "a")))
    world.truth[number] = False
    while world.machines["a"].work.shown[number].status is not Status.CRITICAL:
        world.run(0.5)
    world.run(2.0)
    assert shown(world, number) == {Status.CRITICAL}
    assert_settled(world)


def test_a_member_that_leaves_hands_over_without_a_gap(world: World) -> None:
    start(world, "a", "b", "c")
    world.machines["b"].terminate()
    world.run(5.0)
    assert world.machines["b"].dead
    assert world.longest_gap() == 0.0
    world.run(2 * INTERVAL)
    assert_settled(world)
    assert world.machines["a"].events("member_left") == [{"member": "b", "cause": "left"}]
    assert not any("/b" in key for key in world.etcd.items)


def test_the_last_member_leaves_its_votes_behind(world: World) -> None:
    start(world, "a")
    world.machines["a"].terminate()
    world.run(5.0)
    assert world.machines["a"].dead
    machine = Machine(world, "a2", CHECKS)
    world.run(3.0)
    assert {each.status for each in machine.work.shown.values()} == {Status.OK}
    assert not any(key[-2:] == "/a" for key in world.etcd.items)


def test_after_a_crash_others_go_on_with_status_streak_and_since(world: World) -> None:
    start(world, "a", "b", "c")
    number = next(iter(owned(world, "a")))
    world.truth[number] = False
    while world.machines["a"].work.vote(number).health.streak > 1 - FALL:
        world.run(1.0)
    world.run(0.5)
    before = world.machines["a"].work.vote(number)
    world.machines["a"].kill()
    world.run(TTL + 1.0)
    assert world.longest_gap() <= TTL + 1.0
    (heir,) = world.probers(number)
    assert before.turns == world.machines[heir].work.vote(number).turns[: len(before.turns)]
    world.run(INTERVAL)
    vote = world.machines[heir].work.vote(number)
    assert vote.status is Status.CRITICAL
    assert [turn.after for turn in vote.turns][-2:] == [Status.WARNING, Status.CRITICAL]
    assert shown(world, number) == {Status.CRITICAL}
    assert world.machines["b"].events("member_left") == [{"member": "a", "cause": "lost"}]
    assert_settled(world)


def test_a_paused_member_that_goes_on_says_nothing_and_soon_shows_the_truth(
    world: World,
) -> None:
    start(world, "a", "b", "c")
    mine = owned(world, "a")
    for number in mine:
        world.truth[number] = False
    paused = world.machines["a"]
    paused.paused = True
    world.run(60.0)
    assert world.longest_gap() <= TTL + 1.0
    for number in mine:
        world.truth[number] = True
    writes = world.etcd.writes
    paused.paused = False
    paused.work.probe()
    assert not paused.member.standing.may_speak()
    world.run(0.01)
    assert world.etcd.writes <= writes + 1  # it joins
    world.run(3.0)
    assert {paused.work.shown[number].status for number in mine} == {Status.CRITICAL}
    world.run(4 * INTERVAL)
    assert_settled(world)
    assert owned(world, "a") == mine


def test_the_votes_of_a_member_that_is_back_are_not_deleted(
    world: World,
) -> None:
    start(world, "a", "b", "c")
    back = world.machines["b"]
    for name in "ac":
        world.machines[name].line.delay = 1.8  # what they write arrives when it is back
    back.paused = True
    while "/prober/test/live/members/b" in world.etcd.items:
        world.run(0.01)
    world.run(0.3)
    back.paused = False
    world.run(4 * INTERVAL)
    assert back.member.is_joined
    for machine in world.machines.values():
        counts = {record.name: checks for record, checks in machine.member.rota.census()}
        assert counts == {name: len(owned(world, name)) for name in "abc"}
    assert_settled(world)


def test_votes_that_somebody_deletes_are_written_again(world: World) -> None:
    start(world, "a", "b")
    gone = [key for key in world.etcd.items if "/votes/" in key and key.endswith("/b")]
    world.etcd.write({}, gone, 0)
    world.run(3.0)
    assert all(key in world.etcd.items for key in gone)


def test_a_member_without_its_network_goes_on_and_others_take_over(world: World) -> None:
    start(world, "a", "b", "c")
    mine, alone = owned(world, "a"), world.machines["a"]
    alone.line.cut = True
    world.run(60.0)
    assert owned(world, "a") == mine
    assert len(alone.events("cluster_degraded")) == 1
    for number in mine:
        assert len(world.probers(number)) == 2
        world.truth[number] = False
    world.run(4 * INTERVAL)
    for number in mine:
        assert shown(world, number) == {Status.CRITICAL}
    alone.line.cut = False
    world.run(3 * INTERVAL)
    assert len(alone.events("cluster_restored")) == 1
    assert alone.member.is_joined
    assert_settled(world)
    assert owned(world, "a") == mine


def test_without_etcd_everybody_goes_on_and_nothing_changes_when_it_is_back(world: World) -> None:
    start(world, "a", "b", "c")
    before = {name: owned(world, name) for name in "abc"}
    statuses = dict(world.machines["a"].work.shown)
    released = {name: len(m.events("shards_released")) for name, m in world.machines.items()}
    world.etcd.up = False
    world.run(TTL + 5.0)
    for machine in world.machines.values():
        assert machine.member.standing.degraded
        assert machine.member.standing.may_speak()
    world.run(600.0)
    assert {name: owned(world, name) for name in "abc"} == before
    world.etcd.come_back()
    world.run(TTL)
    for machine in world.machines.values():
        assert machine.member.is_joined
        assert machine.work.shown == statuses
        assert len(machine.events("shards_released")) == released[machine.name]
    assert {name: owned(world, name) for name in "abc"} == before
    assert world.longest_gap() == 0.0
    assert_settled(world)


def test_an_outage_of_etcd_shorter_than_the_lease_is_not_noticed(world: World) -> None:
    start(world, "a", "b")
    world.etcd.up = False
    world.run(5.0)
    world.etcd.come_back()
    world.run(20.0)
    for machine in world.machines.values():
        assert machine.events("cluster_degraded") == machine.events("member_left") == []


def test_what_changed_while_etcd_was_away_is_shown_when_it_is_back(world: World) -> None:
    start(world, "a", "b", "c")
    number = next(iter(owned(world, "a")))
    world.etcd.up = False
    world.run(60.0)
    world.truth[number] = False
    world.run(4 * INTERVAL)
    assert shown(world, number) == {Status.OK, Status.CRITICAL}
    world.etcd.come_back()
    world.run(5.0)
    assert shown(world, number) == {Status.CRITICAL}


def test_data_that_was_wiped_is_written_anew_and_nobody_moves(world: World) -> None:
    start(world, "a", "b", "c")
    before = {name: owned(world, name) for name in "abc"}
    number = next(iter(owned(world, "a")))
    world.truth[number] = False
    world.run(30.0)
    statuses = dict(world.machines["b"].work.shown)
    for outage in (0.0, 60.0):
        world.etcd.up = False
        world.run(outage)
        world.etcd.wipe()
        world.etcd.come_back()
        world.run(15.0)
        assert {name: owned(world, name) for name in "abc"} == before
        for machine in world.machines.values():
            assert machine.work.shown == statuses
            assert machine.events("member_left") == []
        assert sum("/votes/" in key for key in world.etcd.items) > 30
    assert world.longest_gap() == 0.0


def test_a_member_that_does_not_come_back_after_a_wipe_is_replaced(world: World) -> None:
    start(world, "a", "b", "c")
    world.etcd.up = False
    world.run(20.0)
    world.machines["a"].kill()
    world.etcd.wipe()
    world.etcd.come_back()
    world.run(TTL + 10.0)
    assert_settled(world)
    assert world.machines["b"].events("member_left") == [{"member": "a", "cause": "lost"}]


def test_a_member_that_starts_without_etcd_probes_everything_and_joins_later(world: World) -> None:
    start(world, "a", "b")
    late = Machine(world, "c", CHECKS, cut=True)
    world.run(10.0)
    assert late.member.ready.is_set()
    assert owned(world, "c") == {check.number for check in CHECKS}
    assert len(late.events("cluster_degraded")) == 1
    late.line.cut = False
    world.run(3 * INTERVAL)
    assert late.member.is_joined
    assert_settled(world)
    assert 0 < len(owned(world, "c")) < len(CHECKS)


def test_members_that_all_start_without_etcd_settle_when_it_comes(world: World) -> None:
    world.etcd.up = False
    for name in "abc":
        Machine(world, name, CHECKS)
    world.run(60.0)
    world.etcd.come_back()
    world.run(4 * INTERVAL)
    assert_settled(world)


def test_a_member_that_joins_takes_its_share_without_a_change_of_status(world: World) -> None:
    start(world, "a", "b")
    statuses = dict(world.machines["a"].work.shown)
    joined = Machine(world, "c", CHECKS)
    world.run(2.0)
    assert joined.work.shown == statuses
    world.run(3 * INTERVAL)
    assert_settled(world)
    assert joined.work.spoken == []
    assert world.longest_gap() == 0.0


@pytest.mark.parametrize("vantages", [1, 2])
@pytest.mark.parametrize("before", [step / 10 for step in range(6, 31, 8)])
def test_what_is_found_while_others_join_is_lost_on_none_of_them(
    world: World, vantages: int, before: float
) -> None:
    """The others join so long before the result that decides it."""
    checks = outlines(60, vantages=vantages)
    first = Machine(world, "a", checks)
    world.run(RISE * INTERVAL - before)
    for name in "bc":
        Machine(world, name, checks).line.delay = 0.9
    world.run(4 * INTERVAL)
    for check in checks:
        assert first.work.turns[check.number] == [Status.UNKNOWN, Status.OK]
        for name in "bc":
            assert world.machines[name].work.turns[check.number][-1] is Status.OK
    assert world.longest_gap() == 0.0


@pytest.mark.parametrize("before", [step / 10 for step in range(6, 31, 8)])
def test_a_change_of_status_while_another_member_joins_is_not_taken_back(
    world: World, before: float
) -> None:
    start(world, "a")
    for check in CHECKS:
        world.truth[check.number] = False
    world.run(FALL * INTERVAL - before)
    assert shown(world, CHECKS[0].number) == {Status.WARNING}
    Machine(world, "b", CHECKS).line.delay = 0.9
    world.run(4 * INTERVAL)
    for check in CHECKS:
        said = world.machines["a"].work.turns[check.number]
        assert said == [Status.UNKNOWN, Status.OK, Status.WARNING, Status.CRITICAL]
        assert shown(world, check.number) == {Status.CRITICAL}


def test_all_members_restart_one_after_the_other(world: World) -> None:
    start(world, "a", "b", "c")
    statuses = dict(world.machines["a"].work.shown)
    for name in "abc":
        world.machines[name].terminate()
        world.run(5.0)
        machine = Machine(world, name, CHECKS)
        world.run(2 * INTERVAL)
        assert machine.work.spoken == []
    assert world.longest_gap() == 0.0
    assert_settled(world)
    assert world.machines["a"].work.shown == statuses


def test_a_second_member_of_a_name_ends_and_says_who_has_it(world: World) -> None:
    start(world, "a", "b")
    first = world.machines["a"]
    second = Machine(world, "a", CHECKS)
    world.machines["first"] = first
    world.run(TTL + 10.0)
    assert second.taken is not None
    assert "http://a:9290" in second.taken
    assert second.work.probing == set()
    assert first.member.is_joined


def test_after_a_crash_the_same_name_joins_again(world: World) -> None:
    start(world, "a", "b")
    world.machines["a"].kill()
    again = Machine(world, "a", CHECKS)
    world.run(TTL + NAME_PATIENCE)
    assert again.member.is_joined
    world.run(3 * INTERVAL)
    assert_settled(world)


def test_a_lost_answer_does_not_confuse_a_member_about_itself(world: World) -> None:
    start(world, "a", "b")
    joining = Machine(world, "c", CHECKS)
    joining.line.lose_answers = True
    world.run(8.0)
    joining.line.lose_answers = False
    world.run(4 * INTERVAL)
    assert joining.member.is_joined
    assert_settled(world)


def test_answers_after_one_and_a_half_seconds_change_nothing(world: World) -> None:
    start(world, "a", "b", "c")
    for machine in world.machines.values():
        machine.line.delay = 1.5
    world.run(300.0)
    assert_settled(world)
    for machine in world.machines.values():
        assert machine.events("cluster_degraded") == machine.events("member_left") == []


def test_a_watch_that_misses_compacted_changes_leads_to_a_full_read(world: World) -> None:
    start(world, "a", "b", "c")
    number = next(iter(owned(world, "a")))
    world.machines["b"].line.cut = True
    world.truth[number] = False
    world.run(8.0)
    world.etcd.compact()
    world.machines["b"].line.cut = False
    world.run(15.0)
    assert shown(world, number) == {Status.CRITICAL}


def test_a_full_etcd_changes_nothing_for_who_probes(world: World) -> None:
    start(world, "a", "b", "c")
    world.etcd.full = True
    for check in CHECKS[:20]:
        world.truth[check.number] = False
    world.run(120.0)
    assert world.longest_gap() == 0.0
    world.etcd.full = False
    world.run(5.0)
    assert_settled(world)


def test_a_check_of_one_configuration_is_probed_by_the_member_that_has_it(
    world: World,
) -> None:
    start(world, "a", "b", "c")
    more = [*CHECKS, *outlines(80)[60:]]
    world.machines["a"].configure(more)
    world.run(2.0)
    for check in more[60:]:
        assert world.probers(check.number) == ["a"]
    world.machines["b"].configure(CHECKS[:30])
    world.run(3 * INTERVAL)
    assert all(len(world.probers(check.number)) == 1 for check in more)
    assert owned(world, "b") <= {check.number for check in CHECKS[:30]}
    for name in "abc":
        world.machines[name].configure(more)
        world.run(10.0)
    assert world.longest_gap() < 1.0  # until others know that a member has dropped a check
    assert all(len(world.probers(check.number)) == 1 for check in more)
    assert not any("/sets/" in key for key in world.etcd.items)


def test_a_check_that_was_added_while_etcd_is_away_is_probed(world: World) -> None:
    start(world, "a", "b")
    more = [*CHECKS, *outlines(70)[60:]]
    world.etcd.up = False
    world.run(20.0)
    for name in "ab":
        world.machines[name].configure(more)
    world.run(1.0)
    assert all(world.probers(check.number) for check in more)
    world.etcd.come_back()
    world.run(3 * INTERVAL)
    assert all(len(world.probers(check.number)) == 1 for check in more)


def test_vantages_are_probed_by_as_many_members_and_survive_a_crash(world: World) -> None:
    checks = outlines(60, vantages=2)
    start(world, "a", "b", "c", checks=checks)
    assert_settled(world, 2)
    world.machines["c"].kill()
    world.run(TTL + 3 * INTERVAL)
    assert_settled(world, 2)


def test_the_vote_of_a_vantage_that_is_gone_counts_no_more(world: World) -> None:
    checks = outlines(60, vantages=2)
    start(world, "a", "b", checks=checks)
    world.machines["a"].kill()
    world.run(TTL + 3 * INTERVAL)
    for check in checks:
        world.truth[check.number] = False
    world.run(4 * INTERVAL)
    assert all(shown(world, check.number) == {Status.CRITICAL} for check in checks)


def test_a_value_that_no_member_wrote_is_refused_and_harms_nobody(world: World) -> None:
    start(world, "a", "b")
    for key in ("members/evil", "votes/3/evil", "sets/00/0/1", "votes/3/a", "other", "members/b/c"):
        world.etcd.write({f"/prober/test/live/{key}": b"\xff nonsense"}, [], 0)
    world.run(30.0)
    assert_settled(world)
    assert world.machines["b"].events("record_refused")
