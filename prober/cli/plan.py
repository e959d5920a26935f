"""What a reload of a running daemon would do, worked out from the answers of its API."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from prober.cli.client import Unanswered, all_checks, ask_json
from prober.config.configuration import Config
from prober.config.shrink import SHRINK_WINDOW, Step, drops_most, steps_of
from prober.edits.edit import Edit
from prober.edits.overlay import Edited, overlay
from prober.model.monitor import UDP_PACE, Model
from prober.model.option import HIDDEN, Rejected
from prober.model.schedule import worst_case_detection
from prober.model.shown import ORIGIN_KEYS, monitor_json
from prober.model.wording import clean
from prober.probes import PROBE_TYPES

Json = dict[str, Any]
Name = tuple[str, ...]
"""Names one thing: `("monitor", name)`, `("pool", name)`, `("backend", pool, address:port)` or
`("check", monitor, address:port)`."""
Picture = dict[Name, Json]
"""Everything that is configured, with its keys."""

_POOL_KEYS = ("id", "load_balancer", "project_id", "public_gate")
_MONITOR_IN_OTHER_WORDS = ("name", "pool", "targets", *ORIGIN_KEYS)
_LIST = "targets_from"
_WIDEST = 60  # characters of a value that are shown


class Change(NamedTuple):
    """A key whose value changes; None stands for no value."""

    of: Name
    key: str
    before: Any
    after: Any


class Plan(NamedTuple):
    """What is added, removed and changed, and the same for checks in numbers.

    `hidden` are keys that cannot be compared because the API does not show secrets. `edits` are
    the edits made over the API, with what becomes of each. `before`, `gone`, `come` and `changed`
    are numbers of checks; `refused` is what a reload does not do at the first request.
    `detection` says of monitors how long a failure may go undetected, before and after.
    """

    added: list[Name]
    removed: list[Name]
    changes: list[Change]
    hidden: list[tuple[Name, str]]
    before: int
    gone: int
    come: int
    changed: int
    refused: Step | None = None
    edits: tuple[tuple[Name, str], ...] = ()
    detection: tuple[tuple[Name, tuple[float, float]], ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do, as far as the API shows."""
        return not (self.added or self.removed or self.changes)

    @property
    def untouched(self) -> int:
        """The number of checks that the reload does not touch."""
        return self.before - self.gone - self.changed


def running(url: str, token: str | None = None) -> Picture:
    """Return the picture of a running daemon, or raise `Unanswered`."""
    monitors = ask_json(url, "/api/v1/monitors", token=token)
    pools = ask_json(url, "/api/v1/pools", token=token)
    checks = all_checks(url, {}, token=token)
    try:
        return _picture(
            monitors["monitors"],
            pools["pools"],
            ((p["name"], b["backend"], b["name"]) for p in pools["pools"] for b in p["backends"]),
            ((c["monitor"], c["backend"], c["pool"], c["labels"]) for c in checks),
        )
    except (KeyError, TypeError, AttributeError):
        raise Unanswered(f"{url}: cannot understand the answer; is this a prober?") from None


def with_edits(url: str, config: Config, token: str | None = None) -> Edited:
    """Return a configuration combined with a running daemon's edits, or raise `Unanswered`."""
    try:
        given = [
            Edit(each["kind"], each["id"], each["content"], each["base"], 0.0)
            for each in ask_json(url, "/api/v1/edits", token=token)["edits"]
        ]
    except (KeyError, TypeError):
        raise Unanswered(f"{url}: cannot understand the answer; is this a prober?") from None
    return overlay(config, given)


def fates(edited: Edited) -> Iterator[tuple[Name, str]]:
    """Yield everything that was edited over the API, and what becomes of the edit."""
    names = edited.names()
    for named, edit in edited.edits.items():
        what = f"{edit.action} over the API"
        idle = edited.idle.get(named)
        fate = f"inactive: {Rejected(*idle)}" if idle else "kept"
        yield (edit.kind, names[named]), f"{what}, {fate}"
    for edit, name, why in edited.superseded:
        yield (edit.kind, name), f"{edit.action} over the API, dropped: {why}"


def planned(model: Model) -> Picture:
    """Return the picture of a model."""
    return _picture(
        json.loads(json.dumps([monitor_json(each) for each in model.monitors])),
        ({"name": p.name, **{key: getattr(p, key) for key in _POOL_KEYS}} for p in model.pools),
        ((pool.name, each.key, each.name) for pool in model.pools for each in pool.backends),
        ((*check.key, check.pool.name, check.labels) for check in model.checks()),
    )


def keep_lists(now: Picture, then: Picture, config: Config) -> None:
    """Add to the plan what the daemon knows of URLs and names, and of files that cannot be read.

    A reload keeps it until they can be read.
    """
    names = {
        each.name
        for each in config.model.monitors
        if (listed := each.targets_from)
        and (listed.asked_every or listed.file in config.unread_lists)
    }
    for name, value in now.items():
        if name[0] in ("backend", "check") and name[1] in names:
            then[name] = value


def _picture(
    monitors: Iterable[Json],
    pools: Iterable[Json],
    backends: Iterable[tuple[str, str, str | None]],
    checks: Iterable[tuple[str, str, str, Json]],
) -> Picture:
    picture: Picture = {}
    for each in monitors:
        rest = {key: each[key] for key in each.keys() - set(_MONITOR_IN_OTHER_WORDS)}
        picture["monitor", each["name"]] = rest
    for each in pools:
        picture["pool", each["name"]] = {key: each[key] for key in _POOL_KEYS if key in each}
    for pool, backend, name in backends:
        picture["backend", pool, backend] = {"name": name}
    for monitor, backend, pool, labels in checks:
        picture["check", monitor, backend] = {"pool": pool, "labels": labels}
    return picture


def compare(now: Picture, then: Picture) -> Plan:
    """Return the changes from one picture to the other."""
    common = [name for name in then if name in now]
    changes = [change for name in common for change in _changes(name, now[name], then[name])]
    changed = {change.of for change in changes if change.key != _LIST}  # leaves its checks alone
    added = [name for name in then if name not in now]
    removed = [name for name in now if name not in then]
    checks = [name for name in now if name[0] == "check"]
    touched = [
        name
        for name in checks
        if name in then
        and not changed.isdisjoint((name, ("monitor", name[1]), ("pool", then[name]["pool"])))
    ]
    told = {change.of for change in changes if change.key == "labels"}
    gone = [name for name in removed if name[0] == "check"]
    come = [name for name in added if name[0] == "check"]
    return Plan(
        added,
        removed,
        [each for each in changes if not _follows(each, told)],
        [(name, key) for name in common for key in _hidden(now[name], then[name])],
        len(checks),
        len(gone),
        len(come),
        len(touched),
        _refused(now, then, gone, come),
        detection=tuple(_detection(common, now, then)),
    )


def _detection(
    common: list[Name], now: Picture, then: Picture
) -> Iterator[tuple[Name, tuple[float, float]]]:
    """Yield the monitors whose failures will be detected sooner or later than now."""
    for name in common:
        if name[0] == "monitor":
            before, after = (_slowest(picture[name]) for picture in (now, then))
            if before is not None and after is not None and before != after:
                yield name, (before, after)


def _slowest(keys: Json) -> float | None:
    """Return how long a failure may go undetected, if the keys say it."""
    try:
        shortest = UDP_PACE if PROBE_TYPES[keys["type"]].paced else 0.0
        return worst_case_detection(
            interval=max(float(keys["interval"]), shortest),
            fast_interval=max(float(keys["fast_interval"]), shortest),
            timeout=float(keys["timeout"]),
            fall=int(keys["fall"]),
        )
    except (KeyError, TypeError, ValueError, ZeroDivisionError):  # a daemon of another version
        return None


def _refused(now: Picture, then: Picture, gone: list[Name], come: list[Name]) -> Step | None:
    """Return what drops too many checks: the file, or a list, each by itself."""
    listed = {
        name[1]
        for picture in (now, then)
        for name, keys in picture.items()
        if name[0] == "monitor" and keys.get(_LIST)
    }
    followed = {name for name in listed if ("monitor", name) in now and ("monitor", name) in then}
    counts = Counter(name[1] for name in now if name[0] == "check")
    removed, added = ([name[1] for name in names] for names in (gone, come))
    by_file = [[name for name in names if name not in followed] for names in (removed, added)]
    steps = steps_of(counts, by_file[0], by_file[1], [counts.keys() - listed, listed])
    steps += steps_of(counts, removed, added, [{name} for name in sorted(followed)])
    return next(filter(drops_most, steps), None)


def _changes(name: Name, now: Json, then: Json) -> Iterator[Change]:
    for key in sorted(now.keys() | then.keys()):
        if now.get(key) != then.get(key):
            yield Change(name, key, now.get(key), then.get(key))


def _follows(change: Change, told: set[Name]) -> bool:
    """Return whether a check's labels differ only because of its monitor's, already reported."""
    return change.of[0] == "check" and change.key == "labels" and ("monitor", change.of[1]) in told


def _hidden(now: Json, then: Json) -> Iterator[str]:
    for key in sorted(now.keys() & then.keys()):
        if now[key] == then[key] == HIDDEN:
            yield key
        elif isinstance(now[key], dict) and isinstance(then[key], dict):
            yield from (f"{key}.{inner}" for inner in _hidden(now[key], then[key]))


def lines(plan: Plan) -> Iterator[str]:
    """Yield the lines of a plan, with the summary last."""
    yield from (f"+ {_words(name)}" for name in plan.added)
    yield from (f"- {_words(name)}" for name in plan.removed)
    for of, key, before, after in plan.changes:
        yield f"~ {_words(of)}: {clean(key)}: {_shown(before)} -> {_shown(after)}"
    for of, slowest in plan.detection:
        before, after = (f"{seconds:g} s" for seconds in slowest)
        yield f"  {_words(of)}: a failure is detected within {before} -> {after}"
    for name, key in plan.hidden:
        yield f"? {_words(name)}: {clean(key)}: cannot be compared (secret)"
    yield from (f"= {_words(name)}: {clean(fate)}" for name, fate in plan.edits)
    if plan.refused:
        yield (
            f"warning: drops {plan.refused.lost} of {plan.refused.before} checks: refused unless "
            f"requested twice within {SHRINK_WINDOW:g} s or started with --allow-shrink"
        )
    yield (
        f"checks: {plan.come} to add, {plan.gone} to remove, "
        f"{plan.changed} to change, {plan.untouched} untouched"
    )


def as_json(plan: Plan) -> Json:
    """Return a plan as JSON."""
    return {
        "added": [" ".join(name) for name in plan.added],
        "removed": [" ".join(name) for name in plan.removed],
        "changed": [{**each._asdict(), "of": " ".join(each.of)} for each in plan.changes],
        "not_comparable": [{"of": " ".join(name), "key": key} for name, key in plan.hidden],
        "edits": [{"of": " ".join(name), "fate": fate} for name, fate in plan.edits],
        "checks": {
            "added": plan.come,
            "removed": plan.gone,
            "changed": plan.changed,
            "untouched": plan.untouched,
        },
        "asked_for_twice": plan.refused is not None,
    }


def _words(name: Name) -> str:
    return clean(" ".join(name))


def _shown(value: object) -> str:
    if value is None:
        return "not set"
    if isinstance(value, float):
        return f"{value:g}"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return clean(text if len(text) <= _WIDEST else f"{text[:_WIDEST]}...")
