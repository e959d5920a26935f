"""Owns the sockets: drives all probes in batches, on schedule."""
