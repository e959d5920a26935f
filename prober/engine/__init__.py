"""What owns the sockets: it drives all probes in batches and feeds them on schedule."""
