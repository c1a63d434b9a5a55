"""One page about a run: its numbers and pictures."""
