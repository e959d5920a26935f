"""The command line: one command at a time, printing; only what a command needs is imported."""
