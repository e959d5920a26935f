"""How rows of the state database are written."""

from collections.abc import Sequence
from typing import Any, NamedTuple

Row = tuple[Any, ...]


class Table(NamedTuple):
    """How rows of a table are written: `upsert` takes a row, `delete` a key."""

    name: str
    upsert: str
    delete: str


def table(name: str, key: Sequence[str], columns: Sequence[str]) -> Table:
    """Return how to write a table with this primary key and these other columns."""
    every = (*key, *columns)
    places = ", ".join("?" * len(every))
    updates = ", ".join(f"{column} = excluded.{column}" for column in columns)
    match = " AND ".join(f"{column} = ?" for column in key)
    return Table(
        name,
        f"INSERT INTO {name} ({', '.join(every)}) VALUES ({places}) "  # noqa: S608  (our own names)
        f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {updates}",
        f"DELETE FROM {name} WHERE {match}",  # noqa: S608  (our own names)
    )
