"""Tags as Huawei writes them: pairs of a key and a value.

They are kept as OpenStack writes them, which is one text. Of a text with `=`, the key is what comes
before the first one; other text is a key without a value.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

from prober.model.kinds import list_of, matching, text
from prober.model.option import Kind, ReadContext, Rejected
from prober.web.dialects.lbaas.edit_requests import Kinds, read_mapping
from prober.web.server.json_answer import Json

_KINDS: Kinds = {
    "key": matching(r"[^=\x00-\x1f\x7f]+", "text without =", longest=255),
    "value": text(0, 255),
}


class TagPair(NamedTuple):
    """A tag: its key, and its value, which may be empty."""

    key: str
    value: str

    def __str__(self) -> str:
        """Return it as OpenStack writes it."""
        return f"{self.key}={self.value}" if self.value else self.key


def pair_of(tag: str) -> TagPair:
    """Return a tag of OpenStack as a pair."""
    key, _, value = tag.partition("=")
    return TagPair(key, value) if key else TagPair(tag, "")


def shown_pairs(tags: Iterable[str]) -> list[Json]:
    """Return tags as Huawei shows them."""
    return [pair_of(tag)._asdict() for tag in tags]


def _read_pair(value: object, _: ReadContext) -> TagPair:
    found = read_mapping(value, _KINDS, required=("key",))
    return TagPair(found["key"], found.get("value", ""))


TAG_PAIR = Kind(_read_pair, {"type": "object", "required": ["key"]})
_PAIRS = list_of(TAG_PAIR)


def _read_pairs(value: object, outside: ReadContext) -> tuple[TagPair, ...]:
    pairs = _PAIRS.read(value, outside)
    counted = Counter(pair.key for pair in pairs)
    if twice := [key for key, times in counted.items() if times > 1]:
        raise Rejected(f"the key {twice[0]!r} is given twice")
    return pairs


TAG_PAIRS: Kind[tuple[TagPair, ...]] = Kind(_read_pairs, _PAIRS.schema)
"""Tags with different keys."""


def _read_kept_pairs(value: object, outside: ReadContext) -> list[str]:
    return [str(pair) for pair in TAG_PAIRS.read(value, outside)]


KEPT_PAIRS: Kind[Any] = Kind(_read_kept_pairs, _PAIRS.schema)
"""Tags as they are kept."""
