"""Reads of files whose disk may never answer: with a deadline, in threads that nobody waits for."""
