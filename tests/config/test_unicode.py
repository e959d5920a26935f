"""Text that is not Unicode is refused by every key there is, whatever it is made of."""

import dataclasses
import inspect
from collections.abc import Iterator
from importlib import import_module
from itertools import chain
from pkgutil import walk_packages
from typing import Any

import pytest

import prober
from prober.config.blackbox.module_kinds import IGNORED
from prober.model.option import ReadContext, Rejected, options_of
from prober.model.secret import secrets_of
from prober.outputs.output_types import OUTPUT_TYPES
from prober.probes import PROBE_TYPES

HALF = "\ud800"


class Variables(dict[str, str]):
    """An environment in which every variable is set, in Latin-1."""

    def __missing__(self, name: str) -> str:
        return f"a{HALF}"


OUTSIDE = ReadContext("", lambda _: "-----BEGIN ", Variables())


def declared() -> Iterator[type]:
    """Yield every dataclass of options."""
    for package in ("model", "config", "probes", "outputs"):
        where = import_module(f"prober.{package}")
        for found in walk_packages(where.__path__, f"{where.__name__}."):
            for _, value in inspect.getmembers(import_module(found.name), inspect.isclass):
                if dataclasses.is_dataclass(value) and value.__module__ == found.name:
                    yield value
    yield from (*PROBE_TYPES.values(), *OUTPUT_TYPES.values())


OPTIONS = sorted(
    {
        (cls.__name__, key, cls)
        for cls in declared()
        for key, option in options_of(cls).items()
        if option.kind is not IGNORED
    },
    key=lambda each: each[:2],
)


def wrapped(text: str) -> list[Any]:
    """Return values of every shape with a text in it."""
    one = ["text", "hex", "base64", "file", "env", "url", "name", "address", "header", "regexp"]
    return [
        text,
        [text],
        {text: "a"},
        {"a": text},
        {"X-A": text},
        [{"a": text}],
        *({key: text} for key in one),
        *([{key: text}] for key in one),
        {"address": "192.0.2.1", "port": 1, "name": text},
        [{"address": "192.0.2.1", "port": 1, "name": text}],
        [{"address": "192.0.2.1", "port": 1, "labels": {"a": text}}],
    ]


VALUES = list(
    chain.from_iterable(
        wrapped(text)
        for text in (HALF, f"a{HALF}", f"/{HALF}", f"http://a/{HALF}", f"{HALF}:1", f"a.{HALF}")
    )
)


def texts(value: object) -> Iterator[str]:
    """Yield all the text in a value that was read."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from chain.from_iterable(map(texts, chain(value, value.values())))
    elif isinstance(value, list | tuple | frozenset):
        yield from chain.from_iterable(map(texts, value))
    elif dataclasses.is_dataclass(value):
        yield from chain.from_iterable(
            texts(getattr(value, each.name)) for each in dataclasses.fields(value)
        )
        yield from (leaf.content for _, _, leaf in secrets_of(value) if hasattr(leaf, "content"))


def test_there_are_options_to_try() -> None:
    assert len(OPTIONS) > 100
    assert prober.__version__


@pytest.mark.parametrize(
    ("cls", "key"), [(cls, key) for _, key, cls in OPTIONS], ids=[f"{n}.{k}" for n, k, _ in OPTIONS]
)
def test_half_a_surrogate_pair_is_refused(cls: type, key: str) -> None:
    kind = options_of(cls)[key].kind
    for value in VALUES:
        try:
            read = kind.read(value, OUTSIDE)
        except Rejected:
            continue
        assert not any(HALF in text for text in texts(read)), value
