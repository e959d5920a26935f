"""What the daemon logs of monitors that cannot probe from this host."""

from collections.abc import Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from prober.engine.opening import Opened
from prober.model.status import Reason, Verdict
from tests.fuzz.life import Life

POOLS = [{"name": "web", "backends": ["127.0.0.1:9"]}]
NOT_HERE = {"type": "TCP", "pool": "web", "source": "203.0.113.9"}


@pytest.fixture
def life() -> Iterator[Life]:
    life = Life()
    yield life
    life.end()


def warned(life: Life, monitors: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    with capture_logs() as lines:
        life.begin(POOLS, monitors)
    return [
        (line["monitor"], line["reason"], line["detail"])
        for line in lines
        if line["event"] == "cannot_probe"
    ]


def test_each_monitor_that_cannot_probe_from_here_is_one_warning_at_start(life: Life) -> None:
    monitors: list[dict[str, Any]] = [{"name": name, **NOT_HERE} for name in ("a", "b")]
    monitors.append({"name": "c", "type": "TCP", "pool": "web"})
    why = "source 203.0.113.9 is no address of this host"
    assert warned(life, monitors) == [("a", "no_route", why), ("b", "no_route", why)]


def test_a_missing_privilege_is_told_with_its_name(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(opened: Opened | None, _: int) -> Verdict | None:
        return Verdict(Reason.NOT_PERMITTED, "no CAP_NET_ADMIN") if opened else None

    monkeypatch.setattr("prober.daemon.local_checks.why_not_opened", denied)
    monitors: list[dict[str, Any]] = [
        {"name": "ping", "type": "ICMP", "pool": "web"},
        {"name": "marked", "type": "TCP", "pool": "web", "fwmark": 7},
        {"name": "plain", "type": "TCP", "pool": "web"},
    ]
    assert warned(life, monitors) == [
        ("ping", "not_permitted", "no CAP_NET_ADMIN"),
        ("marked", "not_permitted", "no CAP_NET_ADMIN"),
    ]


def test_what_was_told_is_told_again_only_if_it_is_news(life: Life) -> None:
    life.begin(POOLS, [{"name": "a", **NOT_HERE}])
    with capture_logs() as lines:
        life.prober._tell_stuck()
    assert not lines
