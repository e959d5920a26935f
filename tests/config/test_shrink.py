"""What of a reload is refused, because it would drop most checks."""

from pathlib import Path

import pytest

from prober.config.changes import changes
from prober.config.shrink import FILE, SHRINK_WINDOW, Ask, ShrinkGuard, Step, steps_of
from prober.daemon.loading import Source, read
from prober.daemon.reload import _steps

NOW = 1000.0


def objection(
    guard: ShrinkGuard, before: int, after: int, now: float = NOW, **ask: object
) -> str | None:
    """Return why a guard refuses a change that only drops."""
    asked = Ask(str(ask.get("digest", "a")), ask.get("asked_at", now), bool(ask.get("rested")))  # type: ignore[arg-type]
    step = Step(before, before - after, after, after)
    return guard.objection(str(ask.get("source", FILE)), [step], asked, now)


@pytest.mark.parametrize(
    ("step", "refused"),
    [
        (Step(0, 0, 0, 0), False),
        (Step(0, 0, 5, 5), False),
        (Step(4, 2, 2, 2), False),
        (Step(4, 3, 1, 1), True),
        (Step(4, 3, 1, 1000), True),
        (Step(4, 4, 4, 4), True),
        (Step(4, 1, 40, 40), False),
        (Step(3, 2, 1, 1), False),
        (Step(3, 3, 0, 1), False),
        (Step(3, 3, 0, 0), True),
        (Step(1, 1, 0, 0), True),
    ],
)
def test_a_change_that_drops_more_than_half_is_refused_unless_it_is_small(
    step: Step, refused: bool
) -> None:
    guard = ShrinkGuard(allow=False)
    assert (guard.objection(FILE, [step], Ask("a", NOW), NOW) is not None) is refused
    assert ShrinkGuard(allow=True).objection(FILE, [step], Ask("a", NOW), NOW) is None


def test_what_is_replaced_within_a_monitor_is_changed_and_not_lost() -> None:
    before = {"a": 4, "b": 1, "listed": 10}
    removed, added = ["a", "a", "a", "b", "listed"], ["a", "a", "c", "c"]
    parts = [{"a", "b", "c"}, {"listed"}]
    assert steps_of(before, removed, added, parts) == [Step(5, 2, 5, 14), Step(10, 1, 9, 14)]


@pytest.mark.parametrize(
    ("later", "digest", "asked_after", "taken"),
    [
        (1.0, "a", 0.5, True),
        (1.0, "a", -0.001, False),  # asked before the refusal, so not in answer to it
        (1.0, "a", None, False),  # only noticed
        (1.0, "b", 0.5, False),
        (SHRINK_WINDOW, "a", 0.5, False),
    ],
)
def test_the_same_content_asked_for_again_is_taken(
    later: float, digest: str, asked_after: float | None, taken: bool
) -> None:
    guard = ShrinkGuard(allow=False)
    assert objection(guard, 10, 1)
    asked_at = None if asked_after is None else NOW + asked_after
    again = objection(guard, 10, 1, NOW + later, digest=digest, asked_at=asked_at)
    assert (again is None) is taken


def test_a_change_that_is_noticed_counts_as_neither_of_two_requests() -> None:
    guard = ShrinkGuard(allow=False)
    assert "leave the file as it is" in (objection(guard, 10, 1, asked_at=None) or "")
    assert "request the same reload again" in (objection(guard, 10, 1, NOW + 1) or "")
    assert objection(guard, 10, 1, NOW + 2, asked_at=None)
    assert objection(guard, 10, 1, NOW + 3) is None


def test_changes_that_are_noticed_and_other_sources_do_not_reset_a_request() -> None:
    guard = ShrinkGuard(allow=False)
    assert objection(guard, 10, 1)
    assert objection(guard, 6, 2, NOW + 1, digest="list", source="http://sd/", asked_at=None)
    assert objection(guard, 10, 2, NOW + 2, digest="b", asked_at=None)
    assert objection(guard, 8, 5, NOW + 3, digest="list", source="/other.json") is None
    assert objection(guard, 10, 1, NOW + 4) is None


def test_a_watched_file_that_rests_is_taken_and_a_list_is_not() -> None:
    guard = ShrinkGuard(allow=False)
    assert objection(guard, 10, 1, asked_at=None)
    assert objection(guard, 10, 2, NOW + 60, asked_at=None, rested=True, digest="b")
    assert objection(guard, 10, 2, NOW + 120, asked_at=None, rested=True, digest="b") is None
    again = objection(guard, 6, 1, source="/list.json", asked_at=None) or ""
    assert again.endswith("request a reload twice within 60 s, or start prober with --allow-shrink")


def test_cutting_again_and_again_stops_at_half_of_what_there_was_within_a_minute() -> None:
    guard = ShrinkGuard(allow=False)
    assert not objection(guard, 100, 60, NOW)
    assert objection(guard, 60, 40, NOW + 10)
    assert not objection(guard, 60, 50, NOW + 20)
    assert not objection(guard, 50, 30, NOW + 20 + SHRINK_WINDOW)


def test_a_confirmed_drop_is_the_base_for_the_next_one() -> None:
    guard = ShrinkGuard(allow=False)
    assert objection(guard, 100, 10, NOW)
    assert not objection(guard, 100, 10, NOW + 1)
    assert not objection(guard, 10, 9, NOW + 2)


REALISTIC = """\
# the shop, with 100 % naïve checks
server: {watch_config: true}
defaults: {interval: 5s, timeout: 2s, rise: 2, fall: 3}
pools:
  - name: web
    load_balancer: lb-1
    backends:
      - 10.0.0.3:8080
      - {address: 10.0.0.4, port: 8080, name: web-4, labels: {rack: r1}}
      - "[2001:db8::7]:8080"
monitors:
  - name: web-http
    type: HTTP
    pool: web
    url_path: /healthz
    expected_codes: "200-204,301"
  - type: TCP
    targets:
      - 10.0.0.53:53
      - 10.0.0.54:53
    name: resolver
"""


@pytest.mark.parametrize("bit_by_bit", [False, True])
def test_a_file_cut_at_any_byte_leaves_at_least_half_of_the_checks(
    tmp_path: Path, bit_by_bit: bool
) -> None:
    path = tmp_path / "prober.yaml"
    content = REALISTIC.encode()
    path.write_bytes(content)
    whole = read(Source(path=str(path), environment={})).config
    assert whole
    assert len(whole.model.checks()) == 5
    guard, running, taken = ShrinkGuard(allow=False), whole, 0
    for length in reversed(range(len(content))):
        if not bit_by_bit:
            guard, running = ShrinkGuard(allow=False), whole
        path.write_bytes(content[:length])
        config = read(Source(path=str(path), environment={})).config
        if config is None:
            continue
        found = changes(running.model, config.model)
        steps = _steps(running.model, config.model, found, None)
        if guard.objection(FILE, steps, Ask(config.digest), NOW) is None:
            running, taken = config, taken + 1
        assert len(running.model.checks()) >= 3
    assert taken
