"""Reads blackbox_exporter's module files."""
