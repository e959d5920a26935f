"""What everything that shows, keeps or edits a probe type owes to it, and it to them."""
