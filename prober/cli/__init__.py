"""The command line: parses flags, runs one command and prints; imports only what it needs."""
