"""Optical flow between consecutive grid frames, and its 8-bit form."""
