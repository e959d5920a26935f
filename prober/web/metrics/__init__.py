"""`/metrics`: the state as Prometheus text; touches nothing but request and state."""
