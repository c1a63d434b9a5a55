"""The engine: runs a bundle. Flow, compiled graphs and the incremental attention head."""
