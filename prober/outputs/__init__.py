"""Outputs: balancers and people are told what is judged; one file a type, off a probe's path."""
