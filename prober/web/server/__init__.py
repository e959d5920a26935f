"""The HTTP server: listening, limits, authentication, errors, JSON; has no routes of its own."""
