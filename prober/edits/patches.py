"""Definitions that come over the API: whole ones, and patches of existing ones.

A patch keeps what it does not mention, including secrets from files and the environment. Nothing
that comes over the API may refer to what is read on this machine.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import Any, NoReturn

from prober.config.monitors import WHERE, Defaults, EarlierValues, all_keys, read_monitor
from prober.model.definition import Origin
from prober.model.monitor import Monitor
from prober.model.option import (
    HIDDEN,
    Complaint,
    Path,
    ReadContext,
    Rejected,
    build,
    have_in_common,
    options_of,
    read_options,
    show_options,
    unknown_keys,
)
from prober.model.pool import Backend, Pool
from prober.model.probe import Probe
from prober.model.secret import files_of, is_hidden, secrets_of, with_secrets
from prober.probes import PROBE_TYPES

Content = Mapping[str, object]
"""Keys as in the configuration, with JSON values; None: the default."""
Keys = Iterable[str]

_NOT_HERE = "not allowed over the API: it would be read on prober's host"


class _NoEnvironment(Mapping[str, str]):
    """An environment that must not be read."""

    def __getitem__(self, name: str) -> NoReturn:
        raise Rejected(_NOT_HERE)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def created_monitor(content: Content, defaults: Defaults) -> Monitor:
    """Return a monitor that is not in the file, or raise `Rejected`."""
    _reject_lists(content)
    monitor = read_monitor(dict(content), defaults, _outside())
    return replace(monitor, origin=Origin.API, under_policy=True)


def created_pool(content: Content) -> Pool:
    """Return a pool that is not in the file, or raise `Rejected`."""
    values, complaints = read_options(Pool, content, _outside())
    pool = build(Pool, values, unknown_keys(content, options_of(Pool)) + complaints)
    return replace(pool, origin=Origin.API, backends=_marked(pool.backends, ()))


def changed_monitor(monitor: Monitor, keys: Keys, patch: Content, defaults: Defaults) -> Monitor:
    """Return a monitor in the file with a patch, or raise `Rejected`; `keys` are in the file."""
    _reject_lists(patch)
    given = {key: value for key, value in patch.items() if value is not None}
    stay = frozenset(keys) - patch.keys()
    common = {key: getattr(monitor, key) for key in options_of(Monitor) if key in stay}
    kept = EarlierValues(
        {**common, "id": monitor.id},
        {
            key: getattr(monitor.probe, key)
            for key in _carried(monitor.type, given.get("type", monitor.type))
            if key in stay
        },
    )
    new = read_monitor(given, defaults, _outside(files_of(monitor.probe)), kept)
    return replace(
        new,
        probe=with_secrets(new.probe, _secrets_by_path(monitor.probe)),
        targets=_marked(new.targets, monitor.targets),
        origin=Origin.EDITED,
        under_policy=_way(new) != _way(monitor),
    )


def _way(monitor: Monitor) -> tuple[object, ...]:
    """Return what decides where the probes of a monitor go, beside its targets."""
    return monitor.pool, monitor.port, monitor.probe.proxy


def changed_pool(pool: Pool, keys: Keys, patch: Content) -> Pool:
    """Return a pool in the file with a patch, or raise `Rejected`; `keys` are in the file."""
    given = {key: value for key, value in patch.items() if value is not None}
    stay = frozenset(keys) - patch.keys()
    kept = {key: getattr(pool, key) for key in options_of(Pool) if key in stay}
    values, complaints = read_options(Pool, given, _outside(), {**kept, "id": pool.id})
    new = build(Pool, values, unknown_keys(given, options_of(Pool)) + complaints)
    return replace(new, origin=Origin.EDITED, backends=_marked(new.backends, pool.backends))


def patched(before: Content, patch: Content, of: Monitor | Pool) -> dict[str, object]:
    """Return a definition or patch after another patch; raise `Rejected`.

    Both are of the same object, whose current state is `of`.
    """
    known = all_keys() if isinstance(of, Monitor) else tuple(options_of(Pool))
    complaints = unknown_keys((key for key, value in patch.items() if value is None), known)
    fixed = ("id",) if isinstance(of, Monitor) else ("id", "name")
    complaints += [
        Complaint((key,), "cannot be changed")
        for key in fixed
        if patch.get(key) not in (None, getattr(of, key))
    ]
    if complaints:
        raise Rejected(*complaints)
    after = {key: value for key, value in patch.items() if key not in fixed}
    if isinstance(of, Monitor):
        if of.targets_from and after.get("targets_from") == show_options(of.targets_from):
            del after["targets_from"]
        if any(after.get(key) is not None for key in WHERE):
            after = {**dict.fromkeys(WHERE), **after}
        stay = _carried(of.type, after.get("type", of.type)) | options_of(Monitor).keys()
        before = {key: value for key, value in before.items() if key in stay}
        for key in _hiding_keys() & after.keys() & before.keys():
            after[key] = _unhidden(after[key], before[key])
    return {**before, **after}


def whole(content: Content) -> dict[str, object]:
    """Return a definition without the keys that were reset to their default."""
    return {key: value for key, value in content.items() if value is not None}


def replacing(content: Content, keys: Keys) -> dict[str, object]:
    """Return the patch that replaces a definition that sets these keys."""
    return {**{key: None for key in keys if key not in ("name", "id")}, **content}


def unknown_secrets(probe: Probe) -> list[Complaint]:
    """Return a complaint for each secret that should be kept but does not exist."""
    message = f"{HIDDEN!r} means to keep the existing secret, but there is none"
    return [Complaint(path, message) for path, _, leaf in secrets_of(probe) if is_hidden(leaf)]


def hidden(content: Content, shown: Content) -> dict[str, object]:
    """Return a content with its secrets masked as they are in the `shown` definition."""
    keys = _hiding_keys() & content.keys()
    return {**content, **{key: _masked(content[key], shown.get(key)) for key in keys}}


def _masked(given: object, seen: object) -> object:
    """Return a value with everything masked that the definition does not show either."""
    if isinstance(given, dict):
        known = seen if isinstance(seen, dict) else {}
        return {name: _masked(value, known.get(name)) for name, value in given.items()}
    if isinstance(given, list):
        return [_masked(value, None) for value in given]
    return given if given is None or given == seen else HIDDEN


def _reject_lists(content: Content) -> None:
    if content.get("targets_from") is not None:
        raise Rejected(Complaint(("targets_from",), _NOT_HERE))


def _outside(readable: frozenset[str] = frozenset()) -> ReadContext:
    """Return a read context with nothing to read except PEM files that the file uses already."""

    def read_file(path: str) -> str:
        if path in readable:
            return "-----BEGIN "  # it was found valid when the file was read
        raise Rejected(_NOT_HERE)

    return ReadContext("", read_file, _NoEnvironment())


def _hiding_keys() -> frozenset[str]:
    """Return the keys of monitors of any type that may contain a secret."""
    return _hiding((Monitor, *PROBE_TYPES.values()))


@cache
def _hiding(types: tuple[type, ...]) -> frozenset[str]:
    return frozenset(
        key for each in types for key, option in options_of(each).items() if option.can_hide
    )


@cache
def _carried_over(old: type[Probe], new: type[Probe]) -> frozenset[str]:
    return frozenset(key for key in options_of(new) if have_in_common(old, new, key))


def _carried(old: str, new: object) -> frozenset[str]:
    """Return the keys of one probe type that mean the same in another."""
    if not isinstance(new, str) or new not in PROBE_TYPES:
        return frozenset()
    return _carried_over(PROBE_TYPES[old], PROBE_TYPES[new])


def _marked(backends: tuple[Backend, ...], of_the_file: Iterable[Backend]) -> tuple[Backend, ...]:
    """Return backends, with those marked that are not in the file, or are probed elsewhere."""
    known = {(backend.key, backend.target(None)) for backend in of_the_file}
    return tuple(
        each if (each.key, each.target(None)) in known else replace(each, under_policy=True)
        for each in backends
    )


def _unhidden(given: object, before: object) -> object:
    """Return a given value, with the secrets that it only refers to put back."""
    if isinstance(given, dict) and isinstance(before, dict):
        return {name: _unhidden(value, before.get(name)) for name, value in given.items()}
    return before if given == HIDDEN and isinstance(before, str) else given


def _secrets_by_path(probe: Probe) -> dict[Path, Any]:
    return {path: leaf for path, _, leaf in secrets_of(probe)}
