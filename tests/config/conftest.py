"""Reads configurations out of texts, with files and environment that exist only here."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from prober.config.configuration import Config
from prober.config.problem import ConfigError
from prober.config.reader import LocalCheck, parse
from prober.model.option import ReadContext

Read = Callable[..., Config]


def _outside(files: Mapping[str, str], environment: Mapping[str, str]) -> ReadContext:
    def read_file(path: str) -> str:
        if path not in files:
            raise FileNotFoundError(2, "No such file or directory")
        return files[path]

    return ReadContext("", read_file, environment)


@pytest.fixture
def read() -> Read:
    """Read a text as the file `prober.yaml`."""

    def reading(
        text: str,
        *,
        files: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
        check_monitor: LocalCheck = lambda _: (),
    ) -> Config:
        outside = _outside(files or {}, environment or {})
        return parse(text, source="prober.yaml", outside=outside, check_monitor=check_monitor)

    return reading


@pytest.fixture
def problems(read: Read) -> Callable[..., list[str]]:
    """Return what is said of a broken text, without the name of the main file."""

    def said(text: str, **more: Any) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            read(text, **more)
        return [str(each).removeprefix("prober.yaml:") for each in caught.value.problems]

    return said
