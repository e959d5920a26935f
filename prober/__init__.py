"""prober: a health-check daemon that probes backends the way a load balancer does."""

__version__ = "0.1.0"
