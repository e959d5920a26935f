"""prober: a health-check daemon that probes backends as a load balancer would."""

__version__ = "0.1.0"
