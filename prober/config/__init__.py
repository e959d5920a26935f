"""The configuration floor: files become a model, and every mistake in them is named at once."""
