"""Log lines: what they look like, and a stream that never blocks; touches stderr."""
