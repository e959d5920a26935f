"""Finds secrets in configured values, and puts masked ones back."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import Any, TypeVar, cast

from prober.model.file_kinds import Secret
from prober.model.kinds import Frozen
from prober.model.option import HIDDEN, Option, Path, options_of

T = TypeVar("T")

_TELLING = re.compile(
    r".*(?:authorization|cookie|token|secret|password|api[-_]?key).*", re.IGNORECASE | re.DOTALL
)


def names_a_secret(name: str) -> bool:
    """Return whether the value of a header is a secret, judged by its name."""
    return _TELLING.fullmatch(name) is not None


def secrets_of(value: object) -> Iterator[tuple[Path, Option, Any]]:
    """Yield the values in a dataclass of options that may be secrets: path, option, value."""
    return _leaves(value, _that_hide)


def files_of(value: object) -> frozenset[str]:
    """Return the paths of the files that a dataclass of options refers to and that were read."""
    return frozenset(leaf for _, _, leaf in _leaves(value, _that_name_files))


def is_hidden(leaf: object) -> bool:
    """Return whether a value is a placeholder for an existing secret."""
    return (leaf.content if isinstance(leaf, Secret) else leaf) == HIDDEN


def with_secrets(value: T, known: Mapping[Path, Any]) -> T:
    """Return a dataclass of options with its placeholders replaced by the known secrets."""
    return cast("T", _restored(value, known, ()))


def _restored(value: Any, known: Mapping[Path, Any], path: Path) -> Any:
    if is_hidden(value):
        return known.get(path, value)
    if type(value) is tuple:
        return tuple(_restored(each, known, (*path, i)) for i, each in enumerate(value))
    if isinstance(value, Frozen):
        items = value.items()
        return Frozen({name: _restored(each, known, (*path, name)) for name, each in items})
    keys: Iterable[str] = _that_hide(value.__class__)
    if keys:
        new = {key: _restored(getattr(value, key), known, (*path, key)) for key in keys}
        return replace(value, **new)
    return value


Choice = Callable[[type], Mapping[str, Option]]


@cache
def _that_hide(cls: Any) -> Mapping[str, Option]:
    return {key: each for key, each in options_of(cls).items() if each.can_hide}


@cache
def _that_name_files(cls: Any) -> Mapping[str, Option]:
    return {key: each for key, each in options_of(cls).items() if each.kind.names_files}


def _leaves(value: object, chosen: Choice) -> Iterator[tuple[Path, Option, Any]]:
    for key, each in chosen(type(value)).items():
        for path, of, leaf in _inside(each, getattr(value, key), chosen):
            yield (key, *path), of, leaf


def _inside(option: Option, content: object, chosen: Choice) -> Iterator[tuple[Path, Option, Any]]:
    """Yield the parts of a value that is a list, a mapping or a section."""
    items: Iterator[tuple[str | int, object]] | None = None
    if type(content) is tuple:
        items = iter(enumerate(content))
    elif isinstance(content, Frozen):
        items = iter(content.items())
    if items is not None:
        for step, each in items:
            for path, of, leaf in _inside(option, each, chosen):
                yield (step, *path), of, leaf
    elif options_of(type(content)):
        yield from _leaves(content, chosen)
    elif content is not None:
        yield (), option, content
