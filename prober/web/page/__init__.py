"""The status page: HTML from the state, and one script that refreshes it."""
