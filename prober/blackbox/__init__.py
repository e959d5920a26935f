"""`GET /probe`: probes on demand, compatible with blackbox_exporter."""
