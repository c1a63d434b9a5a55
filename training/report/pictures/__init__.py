"""Pictures of a run: how it learnt, what it confuses, where it looks."""
