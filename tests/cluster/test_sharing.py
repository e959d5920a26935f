"""Who probes what: the hash over the members, its weights and zones."""

from collections import Counter
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from prober.cluster.sharing import (
    SHARDS,
    Peer,
    Sharing,
    first_of,
    may_let_go,
    ranking,
    shard_of,
)
from prober.model.schedule import first_due, phase, spread

NUMBERS = [spread("web-http", f"10.0.0.{n // 250}:{n}") for n in range(4000)]
SOME = range(0, SHARDS, 16)
NAMES = st.lists(st.text("abcdefgh-0123456789", min_size=1, max_size=12), unique=True, min_size=1)
ZONES = st.sampled_from(["", "fra-1", "fra-2", "ams-1"])


@st.composite
def memberships(draw: st.DrawFn) -> list[Peer]:
    return [Peer(name, draw(ZONES)) for name in draw(NAMES)]


def first(shard: int, peers: list[Peer]) -> str:
    return ranking(shard, peers)[0].name


@given(memberships(), st.randoms())
def test_all_members_compute_the_same(peers: list[Peer], random: Random) -> None:
    other = list(peers)
    random.shuffle(other)
    mine, theirs = Sharing(peers), Sharing(other)
    for number in NUMBERS[:100]:
        assert mine.owners(number, 3) == theirs.owners(number, 3)


@given(NAMES)
def test_one_more_member_takes_its_share_from_all_and_moves_nothing_else(names: list[str]) -> None:
    before = [Peer(name) for name in names]
    after = [*before, Peer("the new one")]
    moved = 0
    for shard in SOME:
        was, now = first(shard, before), first(shard, after)
        assert now in (was, "the new one")
        moved += now != was
    assert moved / len(SOME) <= 1 / len(after) + 0.05


@given(NAMES.filter(lambda names: len(names) > 1))
def test_when_a_member_goes_only_its_share_moves(names: list[str]) -> None:
    before = [Peer(name) for name in names]
    moved = [shard for shard in SOME if first(shard, before) != first(shard, before[1:])]
    assert all(first(shard, before) == names[0] for shard in moved)
    assert len(moved) / len(SOME) <= 1 / len(before) + 0.05


@given(memberships(), st.integers(1, 9))
def test_vantages_are_different_members_spread_over_the_zones(
    peers: list[Peer], vantages: int
) -> None:
    sharing, zones = Sharing(peers), {peer.name: peer.zone for peer in peers}
    for number in NUMBERS[:50]:
        owners = sharing.owners(number, vantages)
        assert len(owners) == len(set(owners)) == min(vantages, len(peers))
        used = Counter(zones[name] for name in owners)
        assert len(used) == min(len(owners), len(set(zones.values())))
        for name in zones.keys() - set(owners):
            assert used[zones[name]] >= max(used.values()) - 1


def test_weights_hold() -> None:
    peers = [Peer("a", weight=1.0), Peer("b", weight=2.0), Peer("c", weight=1.0)]
    found = Counter(first(shard, peers) for shard in SOME)
    assert abs(found["b"] / len(SOME) - 0.5) < 0.05
    assert abs(found["a"] / len(SOME) - 0.25) < 0.05


def test_another_weight_moves_shards_only_to_or_from_the_member_that_has_it() -> None:
    before = [Peer("a"), Peer("b"), Peer("c")]
    after = [Peer("a"), Peer("b", weight=3.0), Peer("c")]
    moved = {shard for shard in SOME if first(shard, before) != first(shard, after)}
    assert {first(shard, after) for shard in moved} == {"b"}


def test_the_first_zone_is_not_always_the_same() -> None:
    peers = [Peer("a", "fra"), Peer("b", "fra"), Peer("c", "ams")]
    found = Counter(first_of(ranking(shard, peers), 2) for shard in SOME)
    assert len(found) == 4
    assert all("c" in pair for pair in found)


@given(st.lists(st.sets(st.sampled_from(NUMBERS[:60])), min_size=1, max_size=5), st.integers(1, 3))
def test_a_check_in_any_configuration_is_probed_by_members_that_have_it(
    configurations: list[set[int]], vantages: int
) -> None:
    held = {f"m{n}": numbers for n, numbers in enumerate(configurations)}
    sharing = Sharing([Peer(name) for name in held], held)
    for number in NUMBERS[:60]:
        having = {name for name, numbers in held.items() if number in numbers}
        owners = sharing.owners(number, vantages)
        assert set(owners) <= having
        assert len(owners) == min(vantages, len(having))


def test_configurations_that_differ_move_no_check_that_all_have() -> None:
    peers = [Peer("a"), Peer("b"), Peer("c")]
    alike, differing = Sharing(peers), Sharing(peers, {"a": set(NUMBERS[:2000])})
    assert all(alike.owners(n) == differing.owners(n) for n in NUMBERS[:2000])
    assert all("a" not in differing.owners(n) for n in NUMBERS[2000:])


def test_shards_are_about_equal_and_their_checks_spread_in_time() -> None:
    numbers = [spread("m", str(n)) for n in range(200_000)]
    assert max(Counter(map(shard_of, numbers)).values()) < 40
    of_few_shards = [n for n in numbers if shard_of(n) < 16]
    assert len({phase(n, 5.0) for n in of_few_shards}) > 80
    assert max(first_due(0.0, n, 1000) for n in of_few_shards) > 0.9


def test_the_loser_of_a_check_goes_on_until_the_new_owner_began_or_two_intervals() -> None:
    lost = {"lost_at": 100.0, "interval": 5.0}
    assert may_let_go(owners_began=True, now=100.0, **lost)
    assert not may_let_go(owners_began=False, now=109.9, **lost)
    assert may_let_go(owners_began=False, now=110.0, **lost)


def test_of_many_members_none_has_much_more_or_less_than_its_share() -> None:
    sharing = Sharing([Peer(f"member-{n}") for n in range(100)])
    numbers = [spread("web", f"10.0.0.1:{n}") for n in range(50_000)]
    shares = Counter(sharing.owners(number)[0] for number in numbers)
    assert len(shares) == 100
    assert 0.7 * 500 < min(shares.values()) <= max(shares.values()) < 1.4 * 500


@given(memberships(), st.integers(0, SHARDS - 1))
def test_one_vantage_is_the_first_of_several(peers: list[Peer], number: int) -> None:
    sharing = Sharing(peers)
    assert sharing.owners(number << 24, 1) == sharing.owners(number << 24, 3)[:1]
