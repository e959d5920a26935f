"""The messages of etcd's JSON gateway: makes requests from values, and reads values from answers.

Source: https://etcd.io/docs/v3.5/dev-guide/api_grpc_gateway/ and api_reference_v3. What they do not
say was seen on etcd 3.4: int64 are strings, keys and values base64, zero and false fields are
left out, and an error is a string or an object.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from prober.cluster.key_store import (
    Item,
    KeyChanges,
    LeaseLost,
    Snapshot,
    StoreTrouble,
    StoreUnavailable,
    WatchLost,
)

Message = Mapping[str, Any]
MOST_BYTES = 256 << 20
"""Maximum bytes of an answer, which is far above what a cluster stores in etcd."""

_INVALID_ARGUMENT, _NOT_FOUND, _DENIED, _EXHAUSTED = 3, 5, 7, 8
_FAILED_PRECONDITION, _UNAVAILABLE, _UNAUTHENTICATED = 9, 14, 16
_STALE_TOKEN = ("invalid auth token", "revision of auth store is old", "user name is empty")
_AUTH_WORDS = ("authentication failed", "user name is empty", "permission denied", "auth token")


class StaleTokenError(StoreUnavailable):
    """The token has expired, or none was sent: log in again."""

    def __init__(self, detail: str) -> None:
        super().__init__(StoreTrouble.UNAUTHORIZED, detail)


class NoAuthenticationError(Exception):
    """Nobody has to log in: the etcd has authentication disabled."""


def text64(value: bytes | str) -> str:
    """Return a key or value as the gateway takes it."""
    return b64encode(value.encode() if isinstance(value, str) else value).decode()


def under(prefix: str) -> dict[str, str]:
    """Return the range of all keys that begin with a prefix, which is not empty."""
    key = prefix.encode()
    return {"key": text64(key), "range_end": text64(key[:-1] + bytes([key[-1] + 1]))}


def put_request(key: str, value: bytes, lease: int) -> dict[str, object]:
    """Return the request that writes a key."""
    return {"key": text64(key), "value": text64(value), "lease": str(lease)}


def change_request(
    expected: Mapping[str, int],
    puts: Mapping[str, bytes],
    deletes: Collection[str],
    lease: int,
) -> dict[str, object]:
    """Return the transaction that changes keys if each expected key has this revision."""
    compare = [
        {"key": text64(key), "target": "MOD", "result": "EQUAL", "mod_revision": str(revision)}
        for key, revision in expected.items()
    ]
    writes: list[dict[str, object]] = [
        {"request_put": put_request(key, value, lease)} for key, value in puts.items()
    ]
    writes += [{"request_delete_range": {"key": text64(key)}} for key in deletes]
    return {"compare": compare, "success": writes}


def watch_request(prefix: str, after: int) -> dict[str, object]:
    """Return the request to watch a prefix from the next revision on."""
    create = {**under(prefix), "start_revision": str(after + 1), "progress_notify": True}
    return {"create_request": {**create, "fragment": True}}


def answered(status: int, body: bytes) -> Message:
    """Return the message of an answer, or raise the error that it reports.

    Raise `LeaseLost`, `StaleTokenError`, `NoAuthenticationError`, or `StoreUnavailable`.
    """
    message = _loaded(body)
    error = message.get("error")
    if status != 200 or error is not None:
        raise _trouble(status, message)
    result = message.get("result")
    return result if isinstance(result, dict) else message


def revision_of(message: Message) -> int:
    """Return the revision of the whole store when it answered."""
    try:
        return int(message["header"]["revision"])
    except (KeyError, TypeError, ValueError):
        raise _bad("no revision") from None


def snapshot_of(message: Message) -> Snapshot:
    """Return the keys in the answer to a range request."""
    return Snapshot(revision_of(message), dict(map(_item_of, message.get("kvs", ()))))


def seconds_left(message: Message, lease: int) -> float:
    """Return the seconds that a renewed lease has; a dead one answers 200, without a TTL."""
    seconds = _number(message, "TTL")
    if seconds <= 0:
        raise LeaseLost(f"lease {lease:x} has expired")
    return float(seconds)


def lease_of(message: Message) -> int:
    """Return the id of a lease that was granted."""
    identifier = _number(message, "ID")
    if not identifier:
        raise _bad("a lease without an ID")
    return identifier


class WatchStream:
    """What comes over the connection of a watch: bytes in, changes out."""

    def __init__(self) -> None:
        self._rest = b""
        self._puts: dict[str, Item] = {}
        self._deletes: dict[str, None] = {}
        self._revision = 0
        self._is_complete = False
        self.created = False

    def feed(self, data: bytes) -> Iterator[KeyChanges]:
        """Yield the changes that these bytes complete, all together.

        So a key that has changed several times since the last read is seen once, with its latest
        value. Raise `WatchLost` for a watch that was cancelled: etcd keeps its connection open.
        """
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > MOST_BYTES:
            raise _bad("an endless line")
        for line in lines:
            if line.strip():
                self._message(answered(200, line))
        if self._is_complete:
            yield KeyChanges(self._revision, self._puts, list(self._deletes))
            self._puts, self._deletes, self._is_complete = {}, {}, False

    def _message(self, message: Message) -> None:
        if message.get("canceled"):
            raise _cancelled(message)
        if message.get("created"):
            self.created = True
            return
        events = message.get("events", ())
        for event in events:
            key, item = _item_of(event["kv"] if isinstance(event, dict) else None)
            self._revision = max(self._revision, item.revision)
            if event.get("type") == "DELETE":
                self._puts.pop(key, None)
                self._deletes[key] = None
            else:
                self._deletes.pop(key, None)
                self._puts[key] = item
        if not events:
            self._revision = max(self._revision, revision_of(message))
        self._is_complete = not message.get("fragment")


def _cancelled(message: Message) -> StoreUnavailable:
    reason = str(message.get("cancel_reason", ""))
    if any(words in reason for words in _STALE_TOKEN):
        return StaleTokenError(reason)
    if "permission denied" in reason:
        return StoreUnavailable(StoreTrouble.UNAUTHORIZED, reason)
    if "no leader" in reason:
        return StoreUnavailable(StoreTrouble.NO_QUORUM, reason)
    if compacted := _number(message, "compact_revision"):
        return WatchLost(f"everything before revision {compacted} was compacted")
    return WatchLost(reason or "cancelled by etcd")


def _loaded(body: bytes) -> Message:
    try:
        message = json.loads(body)
    except ValueError:
        raise _bad(repr(body[:100])[1:]) from None
    if not isinstance(message, dict):
        raise _bad(repr(body[:100])[1:])
    return message


def _trouble(status: int, message: Message) -> Exception:
    """Return what an answer other than the wanted one means."""
    error = message.get("error")
    inner = error if isinstance(error, dict) else message
    code = inner.get("grpc_code", inner.get("code"))
    words = str(inner.get("message") or error or f"HTTP {status}").removeprefix("etcdserver: ")
    if code == _NOT_FOUND and "lease" in words:
        return LeaseLost(words)
    if code == _FAILED_PRECONDITION and "authentication is not enabled" in words:
        return NoAuthenticationError(words)
    if code == _UNAUTHENTICATED or any(each in words for each in _STALE_TOKEN):
        return StaleTokenError(words)
    return StoreUnavailable(_reason(code, words), words)


def _reason(code: object, words: str) -> StoreTrouble:
    if code == _DENIED or any(each in words for each in _AUTH_WORDS):
        return StoreTrouble.UNAUTHORIZED
    if code == _EXHAUSTED and "space" in words:
        return StoreTrouble.NO_SPACE
    if "timed out" in words:
        return StoreTrouble.TIMEOUT
    if code == _UNAVAILABLE or "leader" in words:
        return StoreTrouble.NO_QUORUM
    return StoreTrouble.BAD_ANSWER


def _item_of(kv: object) -> tuple[str, Item]:
    if not isinstance(kv, dict):
        raise _bad("a key that is no object")
    try:
        key = b64decode(kv["key"], validate=True).decode()
        value = b64decode(kv.get("value", ""), validate=True)
    except (KeyError, TypeError, ValueError):
        raise _bad("a key or value that is not base64") from None
    return key, Item(value, _number(kv, "mod_revision"), _number(kv, "lease"))


def _number(message: Message, field: str) -> int:
    try:
        return int(message.get(field, 0))
    except (TypeError, ValueError):
        raise _bad(f"{field} is no number") from None


def _bad(what: str) -> StoreUnavailable:
    return StoreUnavailable(StoreTrouble.BAD_ANSWER, what)
