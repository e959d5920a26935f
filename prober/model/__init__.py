"""The pure floor: values and the functions that decide. No clock, no socket, no asyncio."""
