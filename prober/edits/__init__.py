"""Edits over the API: applied on top of the configuration files; touches no socket and no HTTP."""
