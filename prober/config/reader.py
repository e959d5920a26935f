"""Reads the configuration as a whole: files in, one model out, or all of their problems."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import sha256
from itertools import islice
from posixpath import dirname, normpath
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from prober.config import garbage
from prober.config.configuration import Config
from prober.config.disk import Disk
from prober.config.document import Document, read_document, says_nothing
from prober.config.entries import Entries, Entry
from prober.config.monitors import Defaults, read_defaults, read_monitor
from prober.config.problem import ConfigError, Problem
from prober.config.sections import (
    BY_THEMSELVES,
    INCLUDED_KEYS,
    KEYS,
    Read,
    read_endpoint,
    read_list,
    read_patterns,
    read_pool,
    read_server,
)
from prober.config.settings import Server
from prober.config.targets import read_targets
from prober.model.endpoint import Endpoint
from prober.model.file_kinds import read_file
from prober.model.monitor import Model, Monitor
from prober.model.option import (
    Complaint,
    Path,
    ReadContext,
    Rejected,
    mapping,
    unknown_keys,
)
from prober.model.pool import Backend

if TYPE_CHECKING:
    from prober.config.blackbox.reading import Modules
    from prober.outputs.output import Output

_WHO = "the user that runs prober"
T = TypeVar("T")
LocalCheck = Callable[[Monitor], Iterable[Complaint]]
"""Returns what is wrong with a monitor on this machine."""
Matches = Callable[[str, str], list[str]]
"""Returns the files that match a pattern relative to a directory."""


class ServerChecks(NamedTuple):
    """Returns what is wrong on this machine with the `server` section and with its web file."""

    server: Callable[[Server], Iterable[Complaint]] = lambda _: ()
    endpoint: Callable[[Endpoint], Iterable[Complaint]] = lambda _: ()


NO_CHECKS = ServerChecks()


def load(
    path: str,
    *,
    environment: Mapping[str, str],
    check_monitor: LocalCheck = lambda _: (),
    check_server: ServerChecks = NO_CHECKS,
    disk: Disk | None = None,
    without_secrets: bool = False,
    without_lists: bool = False,
) -> Config:
    """Read a configuration file and the files it uses; raise `ConfigError` with all problems.

    With `without_secrets`, an absent secret is no problem; with `without_lists`, neither is a list
    of targets that cannot be read or used: it is in `unread_lists`, and empty.
    """
    disk = disk or Disk()
    try:
        content = disk.read_text(path)
    except OSError as error:
        hint = f"; let {_WHO} read it: mode 0644" if isinstance(error, PermissionError) else ""
        message = f"cannot read the file: {error.strerror or error}{hint}"
        raise ConfigError(Problem(path, 0, (), message)) from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError(Problem(path, line, (), "the file is not UTF-8 text")) from None
    outside = ReadContext(
        dirname(path), disk.read_text, environment, without_secrets, disk.note_secret
    )
    config = parse(
        content,
        source=path,
        outside=outside,
        check_monitor=check_monitor,
        check_server=check_server,
        matches=disk.matches,
        without_lists=without_lists,
    )
    for monitor in config.model.monitors:
        if monitor.targets_from and monitor.targets_from.file:
            disk.forget(monitor.targets_from.file)  # each list is followed by itself
    return config


def parse(
    content: str,
    *,
    source: str,
    outside: ReadContext,
    check_monitor: LocalCheck = lambda _: (),
    check_server: ServerChecks = NO_CHECKS,
    matches: Matches | None = None,
    without_lists: bool = False,
) -> Config:
    """Read the text of a configuration; raise `ConfigError` with all problems."""
    with garbage.paused():
        reading = _Reading(outside, check_monitor, check_server, matches or Disk().matches)
        reading.without_lists = without_lists
        server = reading.main_file(content, source)
        model = reading.model()
        if reading.problems:
            order = {name: i for i, name in enumerate(reading.files)}
            raise ConfigError(*sorted(reading.problems, key=lambda p: (order[p.source], p.line)))
        digest = reading.digest.hexdigest()[:16]
        files = tuple(reading.files)
        return Config(
            server,
            model,
            files,
            digest,
            endpoint=reading.endpoint,
            defaults=reading.defaults,
            written=reading.entries.written(),
            modules=reading.modules,
            outputs=tuple(reading.outputs),
            unread_lists=frozenset(reading.unread_lists),
            **reading.by_themselves,
        )


class _Reading:
    """The state of reading one configuration."""

    def __init__(
        self,
        outside: ReadContext,
        check_monitor: LocalCheck,
        check_server: ServerChecks,
        matches: Matches,
    ) -> None:
        self.problems: list[Problem] = []
        self.without_lists = False
        self.files: dict[str, None] = {}
        self.digest = sha256()
        self.defaults = Defaults()
        self.endpoint = Endpoint()
        self.by_themselves: dict[str, Any] = {}
        self.modules: Modules | None = None
        self.outputs: list[Output] = []
        self.entries = Entries()
        self.unread_lists: set[str] = set()
        self._outside = outside
        self._check_monitor = check_monitor
        self._check_server = check_server
        self._matches = matches
        self._listed: dict[str, tuple[Backend, ...]] = {}

    def main_file(self, content: str, source: str) -> Server:
        """Read the main file and the files that it includes."""
        document = self._document(content, source)
        outside = self._outside._replace(read_file=self._read_file)
        given = self._sections(document, KEYS, outside)
        server = None
        if "server" in given:
            server = self._attempt(document, ("server",), read_server, given["server"], outside)
            self._read_endpoint(given["server"], outside, document)
        if server:
            self._complain(document, ("server",), self._check_server.server(server))
        for key, read in BY_THEMSELVES.items():
            if key in given:
                value = self._attempt(document, (key,), read, given[key], outside)
                self.by_themselves[key] = value
        if "defaults" in given:
            self.defaults, complaints = read_defaults(given["defaults"], outside)
            self._complain(document, ("defaults",), complaints)
        self._read_entries(document, given, outside)
        if "outputs" in given:
            self._read_outputs(document, given, outside)
        if "include" in given:
            self._include(document, given["include"], outside)
        if server and server.blackbox_modules:
            self._read_modules(server.blackbox_modules, outside, document)
        return server or Server()

    def model(self) -> Model:
        """Return the model of what was read, and note what does not fit together."""
        for entry, complaint in self.entries.mistakes():
            self._complain(entry.document, entry.path, [complaint])
        return self.entries.model(self._listed)

    def _document(self, content: str, source: str) -> Document:
        self._note_file(content, source)
        document = read_document(content, source)
        self.problems += document.problems
        return document

    def _note_file(self, content: str, source: str) -> None:
        self.files[source] = None
        self.digest.update(content.encode(errors="surrogatepass") + b"\0")

    def _read_file(self, path: str) -> str:
        content = self._outside.read_file(path)
        self.files[path] = None
        return content

    def _open(
        self,
        name: str,
        outside: ReadContext,
        asker: Document,
        path: Path,
        *,
        may_say_nothing: bool = False,
    ) -> Document | None:
        try:
            content = read_file(name, outside)
            if may_say_nothing and says_nothing(content):
                self._note_file(content, outside.locate(name))
                return None
            return self._document(content, outside.locate(name))
        except Rejected as rejected:
            self._complain(asker, path, rejected.complaints)
        except ConfigError as error:
            self.problems += error.problems
        return None

    def _complain(self, document: Document, path: Path, complaints: Iterable[Complaint]) -> None:
        self.problems += (
            document.problem(path + each.path, each.message)
            for each in complaints
            if path + each.path not in document.mistaken
        )

    def _attempt(
        self, document: Document, path: Path, read: Read[T], value: object, outside: ReadContext
    ) -> T | None:
        try:
            return read(value, outside)
        except Rejected as rejected:
            self._complain(document, path, rejected.complaints)
            return None

    def _sections(
        self, document: Document, keys: tuple[str, ...], outside: ReadContext
    ) -> dict[str, object]:
        given = self._attempt(
            document, (), lambda value, _: mapping(value), document.value, outside
        )
        given = given or {}
        strange = unknown_keys(given, KEYS) + [
            Complaint((key,), "belongs in the main file")
            for key in given
            if key in KEYS and key not in keys
        ]
        self._complain(document, (), strange)
        return {key: given[key] for key in keys if key in given}

    def _read_entries(
        self, document: Document, given: dict[str, object], outside: ReadContext
    ) -> None:
        for path, value in self._listed_in(document, given, "pools", outside):
            pool = self._attempt(document, path, read_pool, value, outside)
            self.entries.pools.append(Entry(document, path, value, pool))
        for path, value in self._listed_in(document, given, "monitors", outside):
            monitor = self._attempt(document, path, self._read_monitor, value, outside)
            self.entries.monitors.append(Entry(document, path, value, monitor))
            if monitor and monitor.targets_from and monitor.targets_from.file:
                asker = (*path, "targets_from", "file")
                self._read_target_list(monitor, monitor.targets_from.file, outside, document, asker)

    def _listed_in(
        self, document: Document, given: dict[str, object], key: str, outside: ReadContext
    ) -> Iterator[tuple[Path, object]]:
        values = self._attempt(document, (key,), read_list, given.get(key, []), outside) or ()
        return (((key, i), value) for i, value in enumerate(values))

    def _read_monitor(self, value: object, outside: ReadContext) -> Monitor:
        monitor = read_monitor(value, self.defaults, outside)
        if complaints := list(self._check_monitor(monitor)):
            raise Rejected(*complaints)
        return monitor

    def _read_target_list(
        self, monitor: Monitor, file: str, outside: ReadContext, asker: Document, path: Path
    ) -> None:
        before = len(self.problems)
        if file not in self._listed:
            self._listed[file] = self._backends_in(file, outside, asker, path)
        for _, why in islice(monitor.misfits(self._listed[file]), 1):
            self._complain(asker, path, [Complaint((), f"backend {why}")])
        if self.without_lists and len(self.problems) > before:
            del self.problems[before:]  # who follows the list tells of them
            self.unread_lists.add(file)
            self._listed[file] = ()

    def _backends_in(
        self, file: str, outside: ReadContext, asker: Document, path: Path
    ) -> tuple[Backend, ...]:
        digest = self.digest.copy()
        document = self._open(file, outside._replace(directory=""), asker, path)
        self.digest = digest  # a list is followed by itself: it is not part of the configuration
        if document is None:
            return ()
        return self._attempt(document, (), read_targets, document.value, outside) or ()

    def _read_outputs(
        self, document: Document, given: dict[str, object], outside: ReadContext
    ) -> None:
        from prober.config.output_section import read_output, repeated  # noqa: PLC0415  (few want it)

        found: list[tuple[int, Output]] = []
        for path, value in self._listed_in(document, given, "outputs", outside):
            output = self._attempt(document, path, read_output, value, outside)
            if output:
                found.append((len(found), output))
        self._complain(
            document,
            (),
            (each._replace(path=("outputs", *each.path)) for each in repeated(found)),
        )
        self.outputs = [output for _, output in found]

    def _read_modules(self, file: str, outside: ReadContext, asker: Document) -> None:
        place = outside._replace(directory="")
        document = self._open(file, place, asker, ("server", "blackbox_modules"))
        if document:
            from prober.config.blackbox.reading import read_modules  # noqa: PLC0415  (rarely used)

            inside = outside._replace(directory=dirname(file))
            self.modules, problems = read_modules(document, inside)
            self.problems += problems

    def _read_endpoint(self, server: object, outside: ReadContext, asker: Document) -> None:
        """Read the web file, even if something else in the `server` section is wrong."""
        name = server.get("web_config_file") if isinstance(server, dict) else None
        if not isinstance(name, str) or not name:
            return
        document = self._open(name, outside, asker, ("server", "web_config_file"))
        if document is None or document.value is None:
            return
        inside = outside._replace(directory=dirname(outside.locate(name)))
        endpoint = self._attempt(document, (), read_endpoint, document.value, inside)
        if endpoint:
            self.endpoint = endpoint
            self._complain(document, (), self._check_server.endpoint(endpoint))

    def _include(self, document: Document, value: object, outside: ReadContext) -> None:
        patterns = self._attempt(document, ("include",), read_patterns, value, outside) or ()
        seen = {normpath(document.source)}
        for i, pattern in enumerate(patterns):
            for name in self._matching(pattern, outside.directory, document, ("include", i)):
                place = normpath(outside.locate(name))
                if place not in seen:
                    seen.add(place)
                    self._include_file(document, ("include", i), name, outside)

    def _matching(self, pattern: str, directory: str, asker: Document, path: Path) -> list[str]:
        try:
            return self._matches(pattern, directory)
        except OSError as error:
            self._complain(asker, path, [Complaint((), f"cannot list: {error.strerror}")])
            return []

    def _include_file(self, asker: Document, path: Path, name: str, outside: ReadContext) -> None:
        document = self._open(name, outside, asker, path, may_say_nothing=True)
        if document and document.value is not None:
            inside = outside._replace(directory=dirname(outside.locate(name)))
            given = self._sections(document, INCLUDED_KEYS, inside)
            self._read_entries(document, given, inside)
