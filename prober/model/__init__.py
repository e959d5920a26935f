"""Values, and the pure functions that decide: no clock, no socket, no asyncio, no I/O."""
