"""Rise and fall written a second time, from the documents alone, to compare with."""

GOOD, BAD, OURS = "good", "bad", "ours"
"""What a result means: the target is well, the target is not, the trouble is the prober's."""


class NaiveCheck:
    """One check as the rules in the documentation have it; times are awake seconds."""

    def __init__(self, rise: int, fall: int, stale_after: float, *, now: float) -> None:
        self.rise, self.fall, self.stale_after = rise, fall, stale_after
        self.enabled = True
        self.known_at = now
        self.forget()

    def forget(self) -> None:
        """Be as new."""
        self.online: bool | None = None
        self.goods = self.bads = 0

    def saw(self, meaning: str, now: float) -> None:
        """Take in a result."""
        if meaning == OURS:
            return
        self.known_at = now
        self.goods = self.goods + 1 if meaning == GOOD else 0
        self.bads = self.bads + 1 if meaning == BAD else 0
        if self.goods >= self.rise:
            self.online = True
        if self.bads >= self.fall:
            self.online = False

    def status(self, now: float) -> str:
        """Return its status at a moment."""
        if not self.enabled or self.online is None or now - self.known_at > self.stale_after:
            return "UNKNOWN"
        if not self.online:
            return "CRITICAL"
        return "WARNING" if self.bads else "OK"
