"""Log lines: their format, and a stream that never blocks; touches stderr."""
