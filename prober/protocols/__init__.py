"""Formats that are read and written here: sans-IO, bytes in and values out; touches nothing."""
