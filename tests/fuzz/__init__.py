"""Hostile and random input: parsers under mutation, the whole prober under random actions."""
