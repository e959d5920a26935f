"""Everything that is served over HTTP; all answers render the one state."""
