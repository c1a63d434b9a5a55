"""Clips on disk -> grid frames and flow in a store -> batches."""
