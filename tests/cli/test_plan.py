"""What `prober plan` says a reload would do, and that the reload then does it."""

import json
from pathlib import Path
from typing import Any

import pytest

from prober.cli import plan
from prober.cli.client import Unanswered
from prober.daemon.loading import Source
from tests.ports import free_port
from tests.running import daemon, prober

BEFORE = """\
pools:
- {name: web, backends: ["192.0.2.1:80", {address: 192.0.2.2, port: 80, labels: {rack: r1}}]}
- {name: api, backends: ["192.0.2.3:80"]}
monitors:
- {name: a, type: TCP, pool: web}
- {name: b, type: HTTP, pool: api, headers: {X-Key: {env: KEY}}}
- {name: c, type: TCP, targets: ["192.0.2.4:80"]}
"""
HIDDEN = "? monitor b: headers.X-Key: cannot be compared (secret)"


WARNING = (
    "warning: drops 3 of 4 checks: refused unless requested twice within 60 s "
    "or started with --allow-shrink"
)


def told(tmp_path: Path, before: str, after: str) -> list[str]:
    """Return the lines of the plan that leads from one text to another."""

    def picture(text: str) -> plan.Picture:
        (tmp_path / "prober.yaml").write_text(text)
        source = Source(path=str(tmp_path / "prober.yaml"), environment={"KEY": "hush"})
        return plan.planned(source.load().model)

    return list(plan.lines(plan.compare(picture(before), picture(after))))


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        ("", "# nothing\n", ["checks: 0 to add, 0 to remove, 0 to change, 4 untouched"]),
        (
            '["192.0.2.3:80"]',
            '["192.0.2.3:80", "192.0.2.9:80"]',
            [
                "+ backend api 192.0.2.9:80",
                "+ check b 192.0.2.9:80",
                "checks: 1 to add, 0 to remove, 0 to change, 4 untouched",
            ],
        ),
        (
            "name: a, type: TCP",
            "name: a, type: TCP, interval: 10s, slow: 1s",
            [
                "~ monitor a: down_interval: 5 -> 10",
                "~ monitor a: interval: 5 -> 10",
                "~ monitor a: slow: not set -> 1",
                "  monitor a: a failure is detected within 13 s -> 18 s",
                "checks: 0 to add, 0 to remove, 2 to change, 2 untouched",
            ],
        ),
        (
            "rack: r1",
            "rack: r2",
            [
                '~ check a 192.0.2.2:80: labels: {"rack": "r1"} -> {"rack": "r2"}',
                "checks: 0 to add, 0 to remove, 1 to change, 3 untouched",
            ],
        ),
        (
            "name: a, type: TCP",
            "name: a, type: TCP, labels: {x: y}",
            [
                '~ monitor a: labels: {} -> {"x": "y"}',
                "checks: 0 to add, 0 to remove, 2 to change, 2 untouched",
            ],
        ),
        (
            "name: api,",
            "name: api, load_balancer: lb,",
            [
                "~ pool api: load_balancer: default -> lb",
                "checks: 0 to add, 0 to remove, 1 to change, 3 untouched",
            ],
        ),
        (
            'targets: ["192.0.2.4:80"]',
            "pool: api",
            [
                "+ check c 192.0.2.3:80",
                "- pool c",
                "- backend c 192.0.2.4:80",
                "- check c 192.0.2.4:80",
                "checks: 1 to add, 1 to remove, 0 to change, 3 untouched",
            ],
        ),
        (
            "- {name: a, type: TCP, pool: web}\n- {name: b",
            "- {name: B",
            [
                "+ monitor B",
                "+ check B 192.0.2.3:80",
                "- monitor a",
                "- monitor b",
                "- check a 192.0.2.1:80",
                "- check a 192.0.2.2:80",
                "- check b 192.0.2.3:80",
                WARNING,
                "checks: 1 to add, 3 to remove, 0 to change, 1 untouched",
            ],
        ),
    ],
)
def test_a_plan_names_what_comes_goes_and_changes(
    tmp_path: Path, old: str, new: str, lines: list[str]
) -> None:
    found = told(tmp_path, BEFORE, BEFORE.replace(old, new, 1))
    assert [line for line in found if line != HIDDEN] == lines
    assert (HIDDEN in found) is ("- monitor b" not in lines)


def test_a_list_that_is_read_otherwise_is_a_change_that_touches_no_check(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text('[{"targets": ["192.0.2.1:80", "192.0.2.2:80"]}]')
    listed = "monitors: [{name: m, type: TCP, targets_from: {file: %s}}]"
    (tmp_path / "u.json").write_text((tmp_path / "t.json").read_text())
    first, *rest = told(tmp_path, listed % "t.json", listed % "u.json")
    assert first.startswith("~ monitor m: targets_from: ")
    assert rest == ["checks: 0 to add, 0 to remove, 0 to change, 2 untouched"]


def test_the_file_and_each_list_are_judged_by_themselves(tmp_path: Path) -> None:
    targets = [f"192.0.2.{i}:80" for i in range(8)]
    (tmp_path / "t.json").write_text(json.dumps([{"targets": targets}]))
    (tmp_path / "u.json").write_text(json.dumps([{"targets": targets[:3]}]))
    static = ", ".join(f"192.0.2.{i}:81" for i in range(100, 150))
    listed = "{name: m, type: TCP, targets_from: {file: %s}}"
    both = "monitors: [" + listed + ", {name: s, type: TCP, targets: [" + static + "]}]"
    found = told(tmp_path, both % "t.json", both % "u.json")
    assert found[-2].startswith("warning: drops 5 of 8 checks: ")
    found = told(tmp_path, both % "t.json", f"monitors: [{listed % 't.json'}]")
    assert found[-2].startswith("warning: drops 50 of 50 checks: ")


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "not set"), (0.5, "0.5"), ("a\x1b", "a\\x1b"), ("x" * 99, "x" * 60 + "...")],
)
def test_values_are_shown_in_short_and_clean(value: object, shown: str) -> None:
    now: plan.Picture = {("pool", "p"): {"k": value}}
    then: plan.Picture = {("pool", "p"): {"k": True}}
    assert next(plan.lines(plan.compare(now, then))) == f"~ pool p: k: {shown} -> true"


def monitors(*ports: int, **options: object) -> dict[str, Any]:
    return {
        "monitors": [
            {
                "name": f"m{port}",
                "type": "HTTP",
                "targets": [f"127.0.0.1:{port}"],
                "headers": {"X-Key": {"env": "PROBER_TEST_KEY"}},
                **options,
            }
            for port in ports
        ]
    }


def test_a_plan_of_a_running_daemon_is_what_its_reload_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROBER_TEST_KEY", "hush")
    kept, gone, come = (free_port() for _ in range(3))
    path = tmp_path / "prober.json"
    with daemon(monitors(kept, gone), tmp_path) as running:
        running.wait_for("ready")
        asked = ("plan", "--config", str(path), "--url", running.url)
        done = prober(*asked)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.endswith("checks: 0 to add, 0 to remove, 0 to change, 2 untouched\n")
        assert "cannot be compared (secret)" in done.stdout
        assert "hush" not in done.stdout
        path.write_text(json.dumps(monitors(kept, come, fall=5)))
        done = prober(*asked, "--json")
        assert done.returncode == 3
        found = json.loads(done.stdout)
        assert found["checks"] == {"added": 1, "removed": 1, "changed": 1, "untouched": 0}
        assert found["changed"] == [
            {"of": f"monitor m{kept}", "key": "fall", "before": 3, "after": 5}
        ]
        assert not found["asked_for_twice"]
        assert running.get("/-/reload", "POST")[0] == 200
        line = running.wait_for("config_reloaded")
        assert (line["added"], line["removed"], line["changed"]) == (1, 1, 1)
        assert prober(*asked).returncode == 0


def test_a_bad_file_and_a_daemon_that_is_away_have_exit_codes_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "prober.yaml"
    path.write_text("monitors: [{name: a}]\n")
    url = f"http://127.0.0.1:{free_port()}"
    done = prober("plan", "--config", str(path), "--url", url)
    assert done.returncode == 2
    assert f"{path}:1: monitors[0]: missing key 'type'" in done.stdout
    path.write_text("monitors: []\n")
    done = prober("plan", "--config", str(path), "--url", url)
    assert done.returncode == 1
    assert "cannot reach the daemon" in done.stderr


@pytest.mark.parametrize("answer", [[], {}, {"monitors": 1}])
def test_an_answer_of_something_else_is_not_taken_for_a_daemons(
    monkeypatch: pytest.MonkeyPatch, answer: object
) -> None:
    monkeypatch.setattr("prober.cli.plan.ask_json", lambda *_, **__: answer)
    monkeypatch.setattr("prober.cli.plan.all_checks", lambda *_, **__: [])
    with pytest.raises(Unanswered, match="is this a prober"):
        plan.running("http://h")
