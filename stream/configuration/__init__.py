"""The configuration: its types, how it is read and checked, and how it changes."""
