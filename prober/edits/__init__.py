"""Edits over the API: laid over what the files say, judged and kept; touches no socket, no HTTP."""
