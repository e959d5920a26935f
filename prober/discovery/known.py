"""The last contents of target lists, and configurations with their backends."""

import json
import os
from collections.abc import Iterable, Mapping
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
"""The file in the state directory with the lists from URLs, for a start without their server."""


class Listed(NamedTuple):
    """The backends in a list, and a hash of its text."""

    backends: tuple[Backend, ...]
    print: str


_ANEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL
Known = Mapping[TargetList, Listed]


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
    """Return the configuration with the backends of these lists in the pools that follow them."""
    backends = {
        name: known[wanted].backends
        for wanted, names in lists_of(config.model).items()
        if wanted in known
        for name in names
    }
    if not backends:
        return config
    pools = tuple(
        replace(pool, backends=backends[pool.name]) if pool.name in backends else pool
        for pool in config.model.pools
    )
    return replace(config, model=replace(config.model, pools=pools))


def restore(directory: str, wanted: Iterable[TargetList]) -> dict[TargetList, Listed]:
    """Return the saved contents of these lists; raise OSError or ValueError if unreadable."""
    try:
        descriptor = open_own(Path(directory) / SAVED, os.O_RDONLY)
        with os.fdopen(descriptor, encoding="utf-8") as file:
            saved = dict(json.load(file))
        return {
            each: parse(json.dumps(saved[each.url]), SAVED) for each in wanted if each.url in saved
        }
    except FileNotFoundError:
        return {}
    except (ConfigError, TypeError, KeyError) as error:
        raise ValueError(f"{SAVED} does not contain saved lists: {error}") from None


def save(directory: str, known: Known) -> None:
    """Save the lists from URLs in a directory, all or none. Raise OSError."""
    lists = {each.url: write_targets(listed.backends) for each, listed in known.items() if each.url}
    draft = Path(directory) / f"{SAVED}.new"
    draft.unlink(missing_ok=True)  # of a save that did not come to its end
    with os.fdopen(open_own(draft, _ANEW), "w", encoding="utf-8") as file:
        json.dump(lists, file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(Path(directory) / SAVED)
