"""What identifies a definition, and where the definition comes from."""

from enum import StrEnum

MONITOR, POOL = "monitor", "pool"
"""The kinds of definitions."""

Named = tuple[str, str]
"""What identifies a definition: MONITOR or POOL, and its id."""


class Origin(StrEnum):
    """Where a monitor or a pool comes from."""

    FILE = "file"
    EDITED = "edited"
    API = "api"
