"""`/metrics`: renders the state as Prometheus text; touches only requests and the state."""
