"""`GET /probe`: probing on demand as a blackbox_exporter does, for Prometheus and for people."""
