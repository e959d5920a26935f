"""What members write into etcd, as bytes: themselves, their votes, the checks they know."""

import json
import zlib
from collections.abc import Collection, Iterable, Iterator
from hashlib import blake2b
from struct import calcsize, iter_unpack, pack
from typing import Any, NamedTuple

from prober.model.ballot import PastChange, Vote
from prober.model.health import Health
from prober.model.status import REASONS, Outcome, Status

LONGEST_RECORD = 16 << 20
"""Maximum bytes of an unpacked record."""
PART = 100_000
"""Check numbers in one key: 800 kB, below etcd's limit of 1.5 MiB a request."""
_NONSENSE = (ValueError, TypeError, KeyError, AttributeError, RecursionError)
_TEXT = 300  # characters of a detail or cause
_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


class BadRecordError(Exception):
    """A value in etcd is not what a member writes."""


class MemberRecord(NamedTuple):
    """A member as it describes itself.

    `instance` differs for each start of a process. `checks_hash` is that of the set of its checks;
    `config_hash` that of its configuration. `ttl` is that of its lease, in seconds; `started_at` is
    in unix seconds. `outputs` has the name of an output in each line.
    """

    name: str
    instance: str
    zone: str = ""
    url: str = ""
    version: str = ""
    started_at: float = 0.0
    config_hash: str = ""
    checks_hash: str = ""
    ttl: float = 10.0
    weight: float = 1.0
    draining: bool = False
    outputs: str = ""

    def to_bytes(self) -> bytes:
        """Return it as it is written."""
        return json.dumps(self._asdict(), separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, value: bytes, name: str) -> "MemberRecord":
        """Read a record; raise `BadRecordError` if it is invalid, or not of the member `name`."""
        try:
            given = json.loads(value)
            known = {key: given[key] for key in cls._fields if key in given}
            kinds = {key: type(default) for key, default in cls._field_defaults.items()}
            for key, kind in kinds.items():
                if kind is float and isinstance(known.get(key), int):
                    known[key] = float(known[key])
                if not isinstance(known.get(key, kind()), kind):
                    raise BadRecordError(f"{key} of member {name!r} is {known[key]!r}")
            record = cls(**known)
        except (ValueError, TypeError, KeyError) as error:
            raise BadRecordError(f"member {name!r}: {error}") from error
        if record.name != name or not isinstance(record.instance, str):
            raise BadRecordError(f"member {name!r} calls itself {record.name!r}")
        if not (record.weight > 0 and record.ttl > 0):
            raise BadRecordError(f"member {name!r} has a weight or ttl of 0")
        return record


def vote_line(number: int, vote: Vote) -> bytes:
    """Return a member's vote on one check as a line."""
    return _encode(_row(number, vote)).encode()


def read_line(line: bytes) -> tuple[int, Vote]:
    """Read a line; raise `BadRecordError` if it is invalid."""
    try:
        number, vote = _vote(*json.loads(line))
    except _NONSENSE as error:
        raise BadRecordError(f"a vote: {error}") from error
    if not line.startswith(b"[%d," % number):
        raise BadRecordError(f"a vote that does not begin with its number, {number}")
    return number, vote


def number_of(line: bytes) -> int:
    """Return the number of the check that a line is about, which has been read before."""
    return int(line[1 : line.index(b",")])


def pack_lines(lines: Iterable[bytes]) -> bytes:
    """Return the votes of one member in one bucket.

    A vote that has not changed is the same line as before, so that only others are read.
    """
    return zlib.compress(b"\n".join(lines), 1)


def unpack_lines(value: bytes) -> set[bytes]:
    """Return the lines in what `pack_lines` wrote; raise `BadRecordError` for anything else."""
    try:
        unpacker = zlib.decompressobj()
        text = unpacker.decompress(value, LONGEST_RECORD)
        if unpacker.unconsumed_tail:
            raise BadRecordError(f"votes of more than {LONGEST_RECORD} bytes")
        if not unpacker.eof:
            raise BadRecordError("votes that are cut off")
    except zlib.error as error:
        raise BadRecordError(f"votes: {error}") from error
    return set(text.split(b"\n")) if text else set()


def _row(number: int, vote: Vote) -> list[Any]:
    last = vote.last and [
        vote.last.reason,
        vote.last.detail[:_TEXT],
        dict(vote.last.facts) if vote.last.facts else None,
        vote.last.at,
        vote.last.seconds,
        vote.last.source_ip,
    ]
    turns = [[*turn[:-1], turn.cause[:_TEXT]] for turn in vote.turns]
    online, streak = vote.health
    row = [number, vote.status, online, streak, vote.since, vote.degraded, last, turns]
    return [*row, list(vote.refutes), vote.follows]


def _vote(  # noqa: PLR0917  (one parameter for each column)
    number: int,
    status: str,
    online: bool | None,  # noqa: FBT001  (a column)
    streak: int,
    since: float,
    degraded: bool,  # noqa: FBT001  (a column)
    last: list[Any] | None,
    turns: list[list[Any]],
    refutes: list[str],
    follows: str,
) -> tuple[int, Vote]:
    if online not in (True, False, None):
        raise ValueError(f"online is {online!r}")
    vote = Vote(
        Status(status),
        Health(online, int(streak)),
        float(since),
        bool(degraded),
        _outcome(*last) if last else None,
        tuple(_turn(*turn) for turn in turns),
        tuple(map(str, refutes)),
        str(follows),
    )
    return int(number), vote


def _outcome(  # noqa: PLR0917  (one parameter for each column)
    reason: str,
    detail: str,
    facts: dict[str, int | float | str] | None,
    at: float,
    seconds: float,
    source_ip: str | None,
) -> Outcome:
    if facts is not None and not all(isinstance(v, int | float | str) for v in facts.values()):
        raise ValueError("a fact is neither a number nor a text")
    whence = None if source_ip is None else str(source_ip)
    return Outcome(REASONS[reason], str(detail), facts, float(at), float(seconds), source_ip=whence)


def _turn(  # noqa: PLR0917  (one parameter for each column)
    at: float, before: str, after: str, reason: str | None, streak: int, cause: str
) -> PastChange:
    why = None if reason is None else REASONS[reason]
    return PastChange(float(at), Status(before), Status(after), why, int(streak), str(cause))


def hash_of(numbers: Collection[int]) -> str:
    """Return the hash of a set of checks, given their numbers."""
    packed = pack(f">{len(numbers)}Q", *sorted(numbers))
    return blake2b(packed, digest_size=12).hexdigest()


def pack_checks(numbers: Collection[int]) -> Iterator[bytes]:
    """Yield a set of checks in parts."""
    ordered = sorted(numbers)
    for start in range(0, max(1, len(ordered)), PART):
        part = ordered[start : start + PART]
        yield pack(f">{len(part)}Q", *part)


def unpack_checks(parts: Collection[bytes]) -> frozenset[int]:
    """Read the parts of a set of checks; raise `BadRecordError` if they are invalid."""
    if any(len(part) % calcsize(">Q") for part in parts):
        raise BadRecordError("a set of checks whose length is not a multiple of 8")
    return frozenset(number for part in parts for (number,) in iter_unpack(">Q", part))
