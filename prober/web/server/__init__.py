"""The HTTP server: listening, limits, credentials, errors, JSON; knows no route of its own."""
