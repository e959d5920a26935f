"""The web floor: every answer is a rendering of the state."""
