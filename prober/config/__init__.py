"""Reads configuration files into a model and reports all mistakes in them at once."""
