"""New actions from a few clips each: a new head on a bundle's frozen streams."""
