"""Readers and writers of protocols, sans-IO: bytes in, values out; touches nothing."""
