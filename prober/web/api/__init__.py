"""The native API: renders the state as JSON and edits it; touches only requests and the state."""
