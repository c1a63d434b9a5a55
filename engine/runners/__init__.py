"""Runners: one compiled graph each, behind one small protocol."""
