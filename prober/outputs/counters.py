"""The counters of one output."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class OutputCounters:
    """What is counted of one output of a type; `last_success` is in unix seconds, 0 for never.

    `selects` returns whether it reports a pool. `last_error` is empty unless it fails now. `held`
    has the number of failing backends that `keep` holds in service, by pool.
    """

    type: str = ""
    selects: Callable[[str], bool] = lambda _: True
    sent: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    held: dict[str, int] = field(default_factory=dict)
    queue: Callable[[], int] = lambda: 0
    dropped: int = 0
    last_success: float = 0.0
    last_error: str = ""
