"""`prober admin`: what it sends, what it prints, and what it refuses."""

from pathlib import Path

import pytest

from prober.cli import main as cli
from tests.running import daemon, listener, prober

MONITOR = {"name": "m", "type": "TCP", "pool": "web", "interval": 1}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["set", "pool", "web"], "set: expected KIND NAME STATE"),
        (["set", "pool", "web", "drain"], "set: --until is required"),
        (["clear", "pool"], "clear: expected KIND NAME"),
        (["list", "pool"], "list: expected no more arguments"),
        (["stop"], "invalid choice"),
        (["set", "server", "web", "drain"], "invalid choice"),
    ],
)
def test_what_is_incomplete_is_refused(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["admin", *arguments], {})
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_states_are_set_listed_and_cleared(tmp_path: Path) -> None:
    with listener() as port:
        name = f"web/127.0.0.1:{port}"
        pool = {"name": "web", "backends": [f"127.0.0.1:{port}"]}
        config = {"server": {"writable": True}, "pools": [pool], "monitors": [MONITOR]}
        with daemon(config, tmp_path) as running:

            def admin(*arguments: str) -> tuple[int, str]:
                done = prober("admin", *arguments, "--url", running.url)
                return done.returncode, done.stdout + done.stderr

            assert admin("list") == (0, "no admin state is set\n")
            set_it = ("set", "backend", name, "maintenance", "--reason", "kernel", "--by", "anna")
            code, said = admin(*set_it, "--until", "2h")
            assert (code, said.startswith(f"backend {name}: maintenance until ")) == (0, True)
            code, said = admin("list")
            head, row = said.splitlines()
            assert head.split() == ["KIND", "NAME", "STATE", "UNTIL", "BY", "REASON"]
            assert row.split()[:3] == ["backend", name, "maintenance"]
            assert row.split()[4:] == ["anna", "kernel"]
            code, said = admin(*set_it, "--until", "31d")
            assert (code, "until: expected a time within" in said or "at most" in said) == (1, True)
            code, said = admin("set", "pool", "no", "drain", "--until", "1h")
            assert (code, "there is no pool 'no'" in said) == (1, True)
            assert admin("clear", "backend", name) == (
                0,
                f"backend {name}: admin state cleared\n",
            )
            assert admin("clear", "backend", name)[0] == 1


def test_a_daemon_that_is_away_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["admin", "list", "--url", "http://127.0.0.1:1"], {}) == 3
    assert "prober admin: http://127.0.0.1:1: connection refused" in capsys.readouterr().err
