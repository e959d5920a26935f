"""The native API: JSON out of the state, edits into it; touches nothing but request and state."""
