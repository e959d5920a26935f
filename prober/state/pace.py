"""Splits long work into slices, so that no probe waits for a large answer."""

import asyncio

SLICE = 0.005
"""Seconds of work after which the event loop gets a turn."""


class Pace:
    """Remembers since when the event loop has been waiting."""

    __slots__ = ("_loop", "_until")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._until = self._loop.time() + SLICE

    async def pause(self) -> None:
        """Give the event loop a turn if the slice is used up."""
        if self._loop.time() >= self._until:
            await asyncio.sleep(0)
            self._until = self._loop.time() + SLICE
