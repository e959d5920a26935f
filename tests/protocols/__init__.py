"""Readers and writers of formats, each at its own door."""
