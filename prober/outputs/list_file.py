"""Files with the backends in service, replaced atomically and only if their content changes."""

import asyncio
import json
import os
import re
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any, ClassVar

from prober.files.bounded import BOUNDED, aside
from prober.files.regular import read_regular
from prober.model.admin import AdminState
from prober.model.file_kinds import FILE
from prober.model.kinds import choice
from prober.model.known_status import ServedBackend
from prober.model.option import option
from prober.model.probe import UNIX
from prober.outputs.envoy_eds import Assignments, assignment, discovery_response
from prober.outputs.output import Desk, Feed, keep_option

RETRY = 5.0
"""Seconds between two attempts to write a file."""
NOBODY = "127.0.0.1:1"
"""The only server of an upstream without backends: nginx rejects an empty one."""
_SPACE = re.compile(r"\s")  # ends a key in a map of HAProxy
_NOT_IN_NGINX = re.compile(r"[^A-Za-z0-9_.-]")

Pools = Mapping[str, Mapping[str, ServedBackend]]
"""The pools in order, each with its backends by `address:port`."""


def state_word(backend: ServedBackend) -> str:
    """Return `up`, `drain`, `maint` or `down`."""
    if backend.admin is AdminState.MAINTENANCE or not backend.backend.enabled:
        return "maint"
    if backend.admin is AdminState.DRAIN:
        return "drain"
    return "up" if backend.in_service else "down"


def _as_json(pools: Pools) -> str:
    shown = [
        {"name": name, "backends": [_backend_json(each) for each in backends.values()]}
        for name, backends in pools.items()
    ]
    return json.dumps({"version": 1, "pools": shown}, indent=2) + "\n"


def _backend_json(backend: ServedBackend) -> dict[str, Any]:
    return {
        "backend": backend.key,
        "address": backend.backend.address,
        "port": backend.backend.port,
        "name": backend.backend.name,
        "labels": backend.backend.labels,
        "in_service": backend.in_service,
        "status": backend.known.status if backend.known else None,
        "admin": backend.admin,
    }


def _in_service(pools: Pools) -> Iterator[tuple[str, ServedBackend]]:
    for name, backends in pools.items():
        yield from ((name, each) for each in backends.values() if each.in_service)


def _as_lines(pools: Pools) -> str:
    keys = dict.fromkeys(each.key for _, each in _in_service(pools))
    return "".join(f"{key}\n" for key in keys)


def _as_file_sd(pools: Pools) -> str:
    groups = [
        {
            "targets": [backend.key],
            "labels": {**backend.backend.labels, "pool": name},
        }
        for name, backend in _in_service(pools)
        if not backend.backend.address.startswith(UNIX)  # Prometheus takes no address with a `/`
    ]
    return json.dumps(groups, indent=2) + "\n"


def _as_haproxy_map(pools: Pools) -> str:
    return "".join(
        f"{_SPACE.sub('_', f'{name}/{backend.key}')} {state_word(backend)}\n"
        for name, backends in pools.items()
        for backend in backends.values()
    )


def _as_nginx_upstream(pools: Pools) -> str:
    blocks = []
    for name, backends in pools.items():
        only_backups = all(each.backend.backup for each in backends.values())
        servers = "".join(
            f"    server {each.key}{_nginx_parameters(each, may_be_backup=not only_backups)};\n"
            for each in backends.values()
        )
        servers = servers or f"    server {NOBODY} down;  # the pool has no backends\n"
        blocks.append(f"upstream {nginx_name(name)} {{\n{servers}}}\n")
    return "".join(blocks)


def _nginx_parameters(served: ServedBackend, *, may_be_backup: bool) -> str:
    """Return the parameters of a server; nginx refuses an upstream of nothing but backups."""
    backend = served.backend
    weight = f" weight={backend.weight}" if backend.weight != 1 else ""
    backup = " backup" if backend.backup and may_be_backup else ""
    return weight + backup + ("" if served.in_service else " down")


def nginx_name(pool: str) -> str:
    """Return the name of a pool's upstream; a name that nginx rejects is replaced by a hash."""
    name = _NOT_IN_NGINX.sub("_", pool)
    return name if name == pool else f"{name}_{blake2b(pool.encode(), digest_size=4).hexdigest()}"


def _as_envoy_eds(pools: Pools) -> str:
    resources = (assignment(name, backends.values()) for name, backends in pools.items())
    return json.dumps(discovery_response(resources), indent=2) + "\n"


FORMATS: Mapping[str, Callable[[Pools], str]] = {
    "json": _as_json,
    "lines": _as_lines,
    "file_sd": _as_file_sd,
    "haproxy_map": _as_haproxy_map,
    "nginx_upstream": _as_nginx_upstream,
    "envoy_eds": _as_envoy_eds,
}
"""The function that writes each format."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOutput:
    """Write a file whenever its content changes."""

    errors: ClassVar[tuple[str, ...]] = ("write",)

    format: str = option(choice(*FORMATS), doc="format of the file")
    path: str = option(FILE, doc="path of the file; its directory must exist")
    keep: float = keep_option()

    @asynccontextmanager
    async def run(self, desk: Desk) -> AsyncIterator[None]:
        """Write the file while the context lasts."""
        async with desk.following(_ListFile(self, desk).follow):
            yield


class _ListFile:
    """One file and its content."""

    def __init__(self, settings: FileOutput, desk: Desk) -> None:
        self._settings = settings
        self._desk = desk
        self._assignments = Assignments(desk, settings.keep)
        self._written: str | None = None

    async def follow(self, feed: Feed) -> None:
        """Write the file after each change until the task is cancelled."""
        while True:
            self._assignments.update(await feed.take())
            while not await self._write():
                await asyncio.sleep(RETRY)
                self._assignments.update(list(self._desk.pools()))

    async def _write(self) -> bool:
        """Write the file if its content has changed; return whether it is up to date."""
        names = self._desk.pools()
        told = {name: backends for name in names if (backends := self._assignments.backends(name))}
        waiting = [name for name in names if self._assignments.backends(name) is None]
        if waiting:  # an incomplete file would drop the other pools
            return True
        content = FORMATS[self._settings.format](told)
        if content == self._written:
            return True
        path = Path(self._settings.path)
        try:
            changed = await aside(BOUNDED.call, str(path), partial(replace_content, path, content))
        except OSError as error:
            self._desk.failed("write", f"cannot write {path}: {error.strerror or error}")
            return False
        self._written = content
        if changed:
            self._desk.succeeded()
        return True


def replace_content(path: Path, content: str) -> bool:
    """Replace the content of a file atomically; return whether it differed."""
    wanted = content.encode()
    with suppress(OSError):
        if read_regular(str(path), len(wanted) + 1) == wanted:
            return False
    descriptor, beside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(content)
            os.fchmod(file.fileno(), 0o644)
        Path(beside).replace(path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise
    return True
