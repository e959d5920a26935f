"""Configuration files: every text is a configuration, or every problem that it has, with places."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress

import yaml

from prober.config.advice import advice
from prober.config.configuration import Config
from prober.config.problem import ConfigError
from prober.config.reader import parse
from prober.config.targets import parse_targets, write_targets
from prober.importing.formats import FORMATS, import_from
from prober.importing.source import UnreadableSource
from prober.importing.writer import written
from prober.model.option import ReadContext, show_options
from tests.fuzz.subject import Feed, Subject

MAIN = "prober.yaml"
NAMING = """
server: {blackbox_modules: modules.yaml, web_config_file: web.yaml}
monitors: [{name: listed, type: TCP, targets_from: {file: targets.json}}]
include: [more.yaml]
"""
"""A configuration that names a file of each sort."""
BESIDE = {
    "targets.json": '[{"targets": ["10.0.0.1:80"], "labels": {"rack": "r1"}}]',
    "modules.yaml": "modules: {}\n",
    "web.yaml": "{}\n",
    "secret": "hush\n",
    "more.yaml": "monitors: []\n",
    "ca.pem": "-----BEGIN CERTIFICATE-----\n",
}
"""The files that a configuration may name."""
MESSAGE_LIMIT = 5000


def _read(files: Mapping[str, str]) -> None:
    def read_file(path: str) -> str:
        if path not in files:
            raise FileNotFoundError(2, "No such file or directory")
        return files[path]

    outside = ReadContext("", read_file, {"TOKEN": "hush"})
    try:
        config = parse(
            files[MAIN], source=MAIN, outside=outside, matches=lambda pattern, _: [pattern]
        )
    except ConfigError as error:
        _see_problems(error, files)
    else:
        _see(config)


def _see_problems(error: ConfigError, files: Mapping[str, str]) -> None:
    """See that every problem names a file and a line that is there, and can be printed."""
    assert error.problems
    for problem in error.problems:
        assert problem.source in files, problem
        assert 0 <= problem.line <= _lines(files[problem.source]), problem
        assert problem.message, problem
        text = str(problem)
        assert text.encode()
        assert len(text) < MESSAGE_LIMIT, problem
        assert "hush" not in text, problem


def _lines(text: str) -> int:
    return 1 + sum(text.count(end) for end in ("\n", "\r", "\x85", "\u2028", "\u2029"))


def _see(config: Config) -> None:
    """See that a configuration that was taken can be used and shown."""
    for check in config.model.checks():
        assert check.key
        assert 0 < check.target.port < 65536
        assert check.monitor.stale_after > 0
        check.monitor.probe.bind(check.target)
    for each in (*config.model.monitors, *config.model.pools):
        json.dumps(show_options(each), allow_nan=False).encode()
    for monitor in config.model.monitors:
        shown = json.dumps(show_options(monitor.probe), allow_nan=False)
        assert "hush" not in shown
    for module in (config.modules.usable if config.modules else {}).values():
        assert module.prober
        assert "hush" not in json.dumps(show_options(module), allow_nan=False)
    for each in advice(config.model):
        assert str(each).encode()


def _reader(name: str, main: str | None = None) -> Callable[[], AbstractContextManager[Feed]]:
    @contextmanager
    def opened() -> Iterator[Feed]:
        def feed(content: bytes) -> None:
            try:
                text = content.decode()
            except UnicodeDecodeError:
                return  # what reads files says so before anything else does
            files = {**BESIDE, name: text}
            _read(files if main is None else {**files, MAIN: main})

        yield feed

    return opened


@contextmanager
def _target_lists() -> Iterator[Feed]:
    """Yield what reads lists of targets; what is read is the same when it was written down."""

    def feed(content: bytes) -> None:
        text = content.decode(errors="replace")
        try:
            backends = parse_targets(text, MAIN)
        except ConfigError as error:
            _see_problems(error, {MAIN: text})
        else:
            assert parse_targets(json.dumps(write_targets(backends)), MAIN) == backends

    yield feed


@contextmanager
def _imports() -> Iterator[Feed]:
    """Yield what imports a text as the configuration of each tool: it is read, or refused."""

    def feed(content: bytes) -> None:
        text = content.decode(errors="replace")
        for tool in FORMATS:
            with suppress(UnreadableSource):
                draft = import_from(tool, [("source", text)])
                yaml.safe_load(written(draft, version="1", sources=[]))

    yield feed


SUBJECTS = (
    Subject("configuration", _reader(MAIN)),
    Subject("included", _reader("more.yaml", NAMING)),
    Subject("modules", _reader("modules.yaml", NAMING)),
    Subject("web_config", _reader("web.yaml", NAMING)),
    Subject("target_list", _target_lists),
    Subject("imported", _imports),
)
