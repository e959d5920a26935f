"""Whether a member is still one as far as it can know: its lease, and pauses of its process."""

from collections.abc import Callable

from prober.cluster.key_store import StoreTrouble

PAUSE = 3.0
"""Seconds without a tick after which the process was paused, so that much may have happened."""


class Standing:
    """The lease of a member, and whether it may speak for the checks that it probes.

    `lease` is 0 while it has none. `degraded` is whether it works without etcd; `reason` is the
    last trouble with etcd.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.lease = 0
        self.until = clock()
        self.degraded = False
        self.reason: StoreTrouble | None = None
        self._failing = False
        self._in_doubt = False
        self._ticked_at = clock()

    @property
    def seconds_left(self) -> float:
        """The seconds until the lease ends unless it is renewed."""
        return max(0.0, self.until - self._clock()) if self.lease else 0.0

    def may_speak(self) -> bool:
        """Return whether this member speaks for its checks: its lease lasts, or etcd is away.

        Not after a pause while etcd is away: others may have taken over.
        """
        now = self._clock()
        if self.lease and not self.degraded and now < self.until:
            return True  # asked for each result, and nearly always so
        was_paused = self._in_doubt or now - self._ticked_at > PAUSE
        if self.degraded:
            return not was_paused
        return bool(self.lease and self._failing and not was_paused)

    def ticked(self) -> bool:
        """Take in that the process runs; return whether it was paused before."""
        now = self._clock()
        was_paused = now - self._ticked_at > PAUSE
        self._ticked_at = now
        self._in_doubt = self._in_doubt or was_paused
        return was_paused

    def renewed(self, until: float) -> None:
        """Take in that etcd has confirmed the lease, and when it ends."""
        self.until = until
        self._failing = self._in_doubt = self.degraded = False

    def failed(self) -> None:
        """Take in that etcd did not answer."""
        self._failing, self._in_doubt = True, False

    def answered(self) -> None:
        """Take in that etcd is there, although there is no lease."""
        self._failing = False

    def lost(self) -> None:
        """Take in that the lease is gone."""
        self.lease = 0

    def is_to_degrade(self, patience: float = 0.0) -> bool:
        """Return whether etcd is away, and was so for `patience` seconds beyond the lease."""
        return self._failing and self._clock() >= self.until + patience
