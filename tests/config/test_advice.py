"""What is allowed in a configuration but likely not meant."""

from typing import Any

import pytest

from prober.config.advice import advice
from prober.config.written_places import places
from prober.model.file_kinds import Secret
from prober.model.kinds import Frozen
from prober.model.monitor import Model, Monitor
from prober.model.pool import Backend, Pool
from prober.model.probe import Probe
from prober.probes.http import HttpProbe
from prober.probes.tcp import TcpProbe
from prober.probes.udp import UdpProbe


def monitor(kind: str, probe: Probe, port: int, **options: Any) -> Monitor:
    targets = (Backend(address="10.0.0.53", port=port),)
    return Monitor(**{"name": "m", "type": kind, "probe": probe, "targets": targets, **options})


def tcp(**options: Any) -> Monitor:
    return monitor("TCP", TcpProbe(), 80, **options)


def udp(port: int, **options: Any) -> Monitor:
    return monitor("UDP_CONNECT", UdpProbe(), port, **{"name": f"u{port}", **options})


def with_header(name: str, *, masked: bool) -> Monitor:
    headers = Frozen({name: Secret("x", masked=masked)})
    return monitor("HTTP", HttpProbe(headers=headers), 80)


@pytest.mark.parametrize(
    ("monitors", "words"),
    [
        ([tcp()], []),
        ([tcp(timeout=5.0, interval=5.0)], []),
        ([tcp(timeout=6.0, interval=5.0)], ["'m': timeout 6s is longer than interval 5s"]),
        ([tcp(slow=1.9, timeout=2.0)], []),
        ([tcp(slow=2.0, timeout=2.0)], ["'m': slow 2s is not shorter than timeout 2s"]),
        (
            [with_header("X-Api-Key", masked=False)],
            ["'m': headers.X-Api-Key is a secret"],
        ),
        ([with_header("X-Api-Key", masked=True)], []),
        ([with_header("X-Shop", masked=False)], []),
        (
            [monitor("HTTP", HttpProbe(url_path="/a#b"), 80)],
            ["'m': url_path has a fragment, which is never sent"],
        ),
        ([monitor("HTTP", HttpProbe(url_path="/a%23b"), 80)], []),
        ([tcp(enabled=False)], ["pool 'm': not probed by any enabled monitor"]),
        ([udp(53, interval=1.1, timeout=1.0)], []),
        ([udp(53, interval=1.0, timeout=1.0)], ["host '10.0.0.53': 1 UDP probe per second"]),
        ([udp(53, interval=2.2), udp(54, interval=2.2)], []),
        ([udp(53, interval=2.1), udp(54, interval=2.1)], ["each is probed about every 2.2 s"]),
        (
            [udp(53, interval=0.5, timeout=0.1, enabled=False)],
            ["not probed by any enabled monitor"],
        ),
    ],
)
def test_what_is_allowed_but_likely_not_meant_is_said(
    monitors: list[Monitor], words: list[str]
) -> None:
    pools = tuple(Pool(name=each.name, backends=each.targets) for each in monitors)
    found = [str(each) for each in advice(Model(tuple(monitors), pools))]
    assert len(found) == len(words)
    assert all(word in sentence for word, sentence in zip(words, found, strict=True))


def test_a_pool_without_backends_is_said() -> None:
    [found] = advice(Model((), (Pool(name="empty"),)))
    assert str(found) == "pool 'empty': no backends, so its status is UNKNOWN"


def test_advice_can_be_given_with_its_place() -> None:
    files = {
        "a.yaml": "include: [b.json]\npools:\n  - backends: []\n    name: empty\nmonitors: [x]\n",
        "b.json": '{"monitors": [\n{"name": "m"}]}',
        "c.yaml": "[",
    }

    def read(name: str) -> str:
        if name not in files:
            raise FileNotFoundError(name)
        return files[name]

    assert places([*files, "gone"], read) == {
        ("pool", "empty"): "a.yaml:4",
        ("monitor", "m"): "b.json:2",
    }


def test_votes_without_a_cluster_are_pointed_out() -> None:
    model = Model((tcp(vantages=3, vote="majority"),), (Pool(name="m", backends=()),))
    said = {str(each) for each in advice(model)} - {str(e) for e in advice(model, in_cluster=True)}
    assert said == {
        "monitor 'm': vantages has no effect without a section `cluster`",
        "monitor 'm': vote has no effect without a section `cluster`",
    }
