"""Outputs: report statuses to load balancers and people, one file per type, off the probe path."""
