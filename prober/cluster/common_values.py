"""Small values that all members of a cluster have in common, such as admin states.

They are stored in etcd under `/prober/<cluster>/common/`. A value takes effect on this member when
it is put, and on the others as soon as etcd has it. One that is put while etcd is away is written
when etcd is back; if etcd has lost its data, all values are written again. Of two values of a key,
the later one wins on all members. A deletion is stored like a value, so that a member that was away
does not bring the old value back; it is removed after `FORGOTTEN`.
"""

import asyncio
import json
import zlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from prober.cluster.duties import Tell
from prober.cluster.key_store import KeyStore, Snapshot, StoreUnavailable

RETRY = 1.0
"""Seconds until etcd is tried again after an error."""
FORGOTTEN = 30 * 86400.0
"""Seconds for which a value is kept in etcd after its end."""
LARGEST = 1_000_000
"""Maximum bytes of one value; etcd takes 1.5 MiB a request."""
_MOST_BYTES = 700_000  # after which a write takes no further value
_MOST_KEYS = 100  # in a write; etcd takes 128
_NONSENSE = (ValueError, TypeError, KeyError, RecursionError, zlib.error)


class CommonValue(NamedTuple):
    """A value, when it was put and until when it matters, in unix seconds; None: for ever.

    `content` is JSON; None: the value was deleted.
    """

    content: Any
    at: float
    until: float | None = None

    def to_bytes(self) -> bytes:
        """Return it as it is written."""
        return zlib.compress(json.dumps(self, separators=(",", ":")).encode(), 1)

    def is_later_than(self, other: "CommonValue") -> bool:
        """Return whether this value wins over another; all members come to the same answer."""
        return (self.at, self.to_bytes()) > (other.at, other.to_bytes())


def read_value(value: bytes) -> CommonValue:
    """Read what `to_bytes` wrote; raise ValueError for anything else."""
    try:
        unpacker = zlib.decompressobj()
        text = unpacker.decompress(value, 20 * LARGEST)
        if not unpacker.eof:
            raise ValueError("it is cut off, or too long")
        content, at, until = json.loads(text)
        return CommonValue(content, float(at), None if until is None else float(until))
    except _NONSENSE as error:
        raise ValueError(f"not a value: {error}") from None


class CommonValues:
    """The values that a member knows.

    Args:
        store: The etcd.
        cluster: The name of the cluster.
        wall: Unix time.
        heard: Called with the key and the content of each value that another member has put.
        tell: Reports what operators should know.

    `ready` is set once those in etcd are known.
    """

    def __init__(
        self,
        store: KeyStore,
        cluster: str,
        *,
        wall: Callable[[], float],
        heard: Callable[[str, Any], None],
        tell: Tell,
    ) -> None:
        self._store = store
        self._prefix = f"/prober/{cluster}/common/"
        self._wall = wall
        self._heard = heard
        self._tell = tell
        self._values: dict[str, CommonValue] = {}
        self._waiting: dict[str, None] = {}
        self._poke = asyncio.Event()
        self.ready = asyncio.Event()

    def get(self, key: str) -> Any:
        """Return the content under a key; None: there is none."""
        value = self._values.get(key)
        return value.content if value else None

    def items(self) -> Iterator[tuple[str, Any]]:
        """Yield the keys and contents of all values."""
        for key, value in list(self._values.items()):
            if value.content is not None:
                yield key, value.content

    def recall(self, key: str, value: CommonValue) -> None:
        """Restore a value that an earlier process knew; call this before `run`."""
        self._values[key] = value

    def put(self, key: str, content: Any, *, until: float | None = None) -> None:
        """Set a value on all members from now on; None deletes it."""
        before = self._values.get(key)
        at = self._wall()
        if before is not None:
            at = max(at, before.at + 0.001)  # the clock of its member may be ahead
        value = CommonValue(content, at, at if content is None else until)
        if len(value.to_bytes()) > LARGEST:
            self._tell("record_refused", key=key, reason=f"it has more than {LARGEST} bytes")
            return
        self._values[key] = value
        self._write(key)

    async def run(self) -> None:
        """Follow the values of all members until cancelled."""
        writing = asyncio.create_task(self._write_all())
        try:
            while True:
                try:
                    await self._follow()
                except StoreUnavailable:
                    await asyncio.sleep(RETRY)
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)

    async def _follow(self) -> None:
        snapshot = await self._store.read(self._prefix)
        self._compare(snapshot)
        self.ready.set()
        async for changes in self._store.watch(self._prefix, snapshot.revision):
            for key, item in changes.puts.items():
                self._hear(key.removeprefix(self._prefix), item.value)
            for key in changes.deletes:
                self._saw_deleted(key.removeprefix(self._prefix))

    def _compare(self, snapshot: Snapshot) -> None:
        """Apply everything that is in etcd, and write what is missing there."""
        found = {key.removeprefix(self._prefix): item for key, item in snapshot.items.items()}
        for key, item in found.items():
            self._hear(key, item.value)
        over = self._wall() - FORGOTTEN
        for key, value in list(self._values.items()):
            if value.until is not None and value.until < over:
                del self._values[key]
                if key in found:
                    self._write(key)
            elif key not in found:
                self._write(key)

    def _hear(self, key: str, given: bytes) -> None:
        try:
            value = read_value(given)
        except ValueError as error:
            self._tell("record_refused", key=key, reason=str(error))
            return
        known = self._values.get(key)
        if value == known:
            return
        if known is not None and known.is_later_than(value):
            self._write(key)
            return
        self._values[key] = value
        self._waiting.pop(key, None)
        self._heard(key, value.content)

    def _saw_deleted(self, key: str) -> None:
        known = self._values.get(key)
        if known is not None and known.until is not None and known.until < self._wall():
            del self._values[key]
        elif known is not None:
            self._write(key)

    def _write(self, key: str) -> None:
        self._waiting[key] = None
        self._poke.set()

    async def _write_all(self) -> None:
        await self.ready.wait()
        while True:
            await self._poke.wait()
            self._poke.clear()
            try:
                while self._waiting:
                    await self._write_some()
            except StoreUnavailable:
                self._poke.set()
                await asyncio.sleep(RETRY)

    async def _write_some(self) -> None:
        puts, deletes, size = dict[str, bytes](), list[str](), 0
        written = dict[str, CommonValue | None]()
        for key in self._waiting:
            value = written[key] = self._values.get(key)
            if value is None:
                deletes.append(self._prefix + key)
            else:
                puts[self._prefix + key] = value.to_bytes()
                size += len(puts[self._prefix + key])
            if len(written) == _MOST_KEYS or size > _MOST_BYTES:
                break
        await self._store.change({}, puts, deletes)
        for key, value in written.items():
            if self._values.get(key) == value:
                self._waiting.pop(key, None)
