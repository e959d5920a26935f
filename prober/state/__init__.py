"""The only mutable state: what every check is in, what was counted, what happened."""
