"""The only mutable state: the state of every check, counters, events; stored in a database."""
