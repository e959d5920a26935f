"""`prober explain`: what it says of a check, and of one that is not there."""

import json
from pathlib import Path
from typing import Any

import pytest

from prober.cli import explanation
from prober.cli import main as cli
from tests.running import daemon, listener

SINCE, AT = "2027-01-15T07:56:48.000Z", "2027-01-15T07:59:58.000Z"
NOW = 1_800_000_000.0  # 08:00:00
BAD = {"result": "TIMEOUT", "reason": "timeout"}
CHECK: dict[str, Any] = {
    "monitor": "web-http",
    "backend": "10.0.0.3:80",
    "backend_name": "one",
    "pool": "web",
    "load_balancer": "edge",
    "status": "CRITICAL",
    "since": SINCE,
    "explain": "offline: 2 more good in a row make it OK",
    "streak": -4,
    "rise": 2,
    "fall": 3,
    "last": {**BAD, "detail": "no answer", "at": AT, "duration_seconds": 2.0},
    "recent": [BAD, BAD, {"result": "UNKNOWN"}, {"result": "OK"}],
    "uptime": {"1d": {"uptime": 0.9995}, "30d": {"uptime": None}},
    "admin": {"state": "drain", "until": None, "by": "anna", "reason": "kernel"},
}


def test_everything_that_is_known_is_said() -> None:
    assert explanation.lines(CHECK, NOW, colour=False) == [
        "web-http 10.0.0.3:80 (one), pool web, load balancer edge",
        f"  status    CRITICAL for 3m12s, since {SINCE}",
        "  last      no answer, in 2.0 s, 2s ago",
        "  reason    timeout: no verdict before the deadline",
        "  streak    4 bad in a row; rise 2, fall 3",
        "  change    offline: 2 more good in a row make it OK",
        "  recent    .?xx  (newest last; . good, x bad, ? inconclusive)",
        "  uptime    99.950% of 1d",
        "  admin     drain until it is ended by anna kernel",
    ]


def test_a_check_without_a_result_says_so() -> None:
    fresh = {**CHECK, "last": None, "recent": [], "uptime": None, "admin": None, "streak": 0}
    shown = explanation.lines(fresh, NOW, colour=False)
    assert shown[2:] == [
        "  last      not probed yet",
        "  change    offline: 2 more good in a row make it OK",
    ]
    disabled = {**fresh, "last": {"result": "UNKNOWN", "reason": "disabled"}}
    assert explanation.lines(disabled, NOW, colour=False)[2] == "  last      disabled"


def test_colour_is_the_status_and_nothing_from_outside() -> None:
    shown = explanation.lines({**CHECK, "backend_name": "\x1b[2J"}, NOW, colour=True)
    assert "\x1b" not in shown[0]
    assert shown[1].startswith("  status    \x1b[1;31mCRITICAL\x1b[0m for")


def test_a_daemon_is_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with listener() as port:
        backends = [{"address": "127.0.0.1", "port": port, "name": "up"}]
        monitor = {"name": "m", "type": "TCP", "pool": "web", "interval": 1, "rise": 1}
        config = {"pools": [{"name": "web", "backends": backends}], "monitors": [monitor]}
        with daemon(config, tmp_path) as running:
            running.wait_for("status_changed", to="OK")
            assert cli.main(["explain", "m", "up", "--url", running.url], {}) == 0
            assert f"m 127.0.0.1:{port} (up), pool web" in capsys.readouterr().out
            cli.main(["explain", "m", "--json", "--url", running.url], {})
            (check,) = json.loads(capsys.readouterr().out)["checks"]
            assert check["backend_name"] == "up"
            assert cli.main(["explain", "m", "down", "--url", running.url], {}) == 3
            assert "there is no check 'down' of monitor 'm'" in capsys.readouterr().err


def test_a_monitor_has_to_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["explain"], {})
    assert ended.value.code == 2
    assert "expected MONITOR [BACKEND]" in capsys.readouterr().err
