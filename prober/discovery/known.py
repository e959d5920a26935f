"""The last contents of target lists, and configurations with their backends."""

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from prober.config.configuration import Config
from prober.config.problem import ConfigError
from prober.config.targets import parse_targets, write_targets
from prober.model.monitor import Model, TargetList
from prober.model.pool import Backend
from prober.state.directory import open_own

SAVED = "target_lists.json"
"""The file in the state directory with the last lists, for a start at which they are away."""


class Listed(NamedTuple):
    """The backends in a list, and a hash of its text."""

    backends: tuple[Backend, ...]
    print: str


_ANEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL
Known = Mapping[TargetList, Listed]
Followed = Mapping[TargetList, Sequence[str]]
"""Lists, with the names of the monitors that follow each of them."""


def parse(content: str, source: str) -> Listed:
    """Read the text of a list, or raise `ConfigError`."""
    return Listed(parse_targets(content, source), sha256(content.encode()).hexdigest())


def lists_of(model: Model) -> dict[TargetList, list[str]]:
    """Return each list in a model, with the monitors that follow it."""
    found: dict[TargetList, list[str]] = {}
    for monitor in model.monitors:
        if monitor.targets_from:
            found.setdefault(monitor.targets_from, []).append(monitor.name)
    return found


def with_lists(config: Config, known: Known) -> Config:
    """Return the configuration with the backends of these lists in the pools that follow them.

    Those that a monitor cannot probe are left out.
    """
    return _with_backends(
        config,
        {
            name: known[wanted].backends
            for wanted, names in lists_of(config.model).items()
            if wanted in known
            for name in names
        },
    )


def with_lists_in_force(config: Config, running: Model, fresh: Known) -> Config:
    """Return a configuration that was just read, with the contents of its lists in force.

    A reload that changes how a list is read does not change what is known of it. A monitor gets, in
    this order, what it has from the same file or URL, what others have from this list, its content
    in `fresh`, what others have from the same file or URL with other settings, and whatever it has
    until this list can be read.
    """
    pools = {pool.name: pool.backends for pool in running.pools}
    own = {monitor.name: pools[monitor.pool_name] for monitor in running.monitors}
    lists = lists_of(running)
    places = {name: str(each) for each, names in lists.items() for name in names}
    by_place = {str(each): own[names[0]] for each, names in lists.items()}
    found: dict[str, tuple[Backend, ...]] = {}
    for wanted, names in lists_of(config.model).items():
        place, elsewhere = str(wanted), backends_of(running, wanted)
        for name in names:
            mine = own.get(name, ())
            if mine and places.get(name) == place:
                found[name] = mine
            elif wanted in fresh and not elsewhere:
                found[name] = fresh[wanted].backends
            else:
                found[name] = elsewhere or by_place.get(place) or mine
    return _with_backends(config, found)


def backends_of(model: Model, wanted: TargetList) -> tuple[Backend, ...]:
    """Return the backends that a model has from a list."""
    first = next((each.pool_name for each in model.monitors if each.targets_from == wanted), None)
    return next((pool.backends for pool in model.pools if pool.name == first), ())


def _with_backends(config: Config, backends: Mapping[str, tuple[Backend, ...]]) -> Config:
    if not backends:
        return config
    monitors = {monitor.name: monitor for monitor in config.model.monitors}

    def fitting(name: str) -> tuple[Backend, ...]:
        found = backends[name]
        wrong = {i for i, _ in monitors[name].misfits(found)}
        return tuple(each for i, each in enumerate(found) if i not in wrong) if wrong else found

    pools = tuple(
        replace(pool, backends=fitting(pool.name)) if pool.name in backends else pool
        for pool in config.model.pools
    )
    return replace(config, model=replace(config.model, pools=pools))


def restore(directory: str, wanted: Followed) -> dict[TargetList, Listed]:
    """Return the saved contents of these lists; raise OSError or ValueError if unreadable."""
    try:
        descriptor = open_own(Path(directory) / SAVED, os.O_RDONLY)
        with os.fdopen(descriptor, encoding="utf-8") as file:
            saved = dict(json.load(file))
        found = {}
        for each, names in wanted.items():
            keys = [key for key in (*_own_keys(each, names), str(each)) if key in saved]
            if keys:
                found[each] = parse(json.dumps(saved[keys[0]]), SAVED)
    except FileNotFoundError:
        return {}
    except (ConfigError, TypeError, KeyError) as error:
        raise ValueError(f"{SAVED} does not contain saved lists: {error}") from None
    return found


def save(directory: str, known: Known, followed: Followed) -> None:
    """Save lists in a directory, all or none. Raise OSError.

    They are found again by file or URL. Where one is read with several tokens, which may get
    several answers, also by the monitor.
    """
    lists: dict[str, object] = {}
    shared = Counter(map(str, known))
    for each, listed in known.items():
        keys = [
            str(each),
            *(_own_keys(each, followed.get(each, ())) if shared[str(each)] > 1 else ()),
        ]
        lists.update(dict.fromkeys(keys, write_targets(listed.backends)))
    draft = Path(directory) / f"{SAVED}.new"
    draft.unlink(missing_ok=True)  # of a save that did not come to its end
    with os.fdopen(open_own(draft, _ANEW), "w", encoding="utf-8") as file:
        json.dump(lists, file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(Path(directory) / SAVED)


def _own_keys(wanted: TargetList, names: Iterable[str]) -> list[str]:
    return [f"{wanted} {name}" for name in names]
