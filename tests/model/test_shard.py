"""Static shards of a model: every check is in exactly one, and they are about equally large."""

from prober.model.monitor import Model, Monitor
from prober.model.pool import Backend, Pool
from prober.model.shard import Shard, share_of
from prober.probes.tcp import TcpProbe

BACKENDS = tuple(Backend(address=f"192.0.2.{n % 250}", port=1000 + n) for n in range(1000))


def tcp(name: str, **where: object) -> Monitor:
    return Monitor(name=name, type="TCP", probe=TcpProbe(), **where)  # type: ignore[arg-type]


POOLS = (
    Pool(name="web", backends=BACKENDS),
    Pool(name="none"),
    Pool(name="own", backends=BACKENDS),
)
MODEL = Model(
    (
        tcp("a", pool="web"),
        tcp("b", pool="web"),
        tcp("own", targets=BACKENDS),
        tcp("c", pool="none"),
    ),
    POOLS,
)


def test_every_check_is_in_one_share_with_all_checks_of_its_backend() -> None:
    shares = [share_of(MODEL, Shard(index, 3)) for index in range(3)]
    keys = [{check.key for check in share.checks()} for share in shares]
    assert set.union(*keys) == {check.key for check in MODEL.checks()}
    assert sum(map(len, keys)) == len(MODEL.checks())
    for share in shares:
        assert 900 < len(share.checks()) < 1100
        names = {check.key[1] for check in share.checks()}
        assert len(share.checks()) == 3 * len(names)
        assert share.monitors[2].targets == share.pools[2].backends


def test_the_share_of_a_backend_stays_where_it_is() -> None:
    assert [Shard(index, 3).has(BACKENDS[0]) for index in range(3)] == [True, False, False]


def test_a_pool_without_a_backend_in_the_share_is_left_out_with_its_monitors() -> None:
    one = Model((tcp("a", pool="web"),), (Pool(name="web", backends=BACKENDS[:1]),))
    assert share_of(one, Shard(2, 3)) == Model()
    assert share_of(one, Shard(0, 3)) == one


def test_an_empty_pool_is_in_every_share() -> None:
    assert "none" in {pool.name for pool in share_of(MODEL, Shard(0, 3)).pools}


def test_the_only_share_is_everything() -> None:
    assert share_of(MODEL, Shard(0, 1)) == MODEL
