"""8-bit graphs of a bundle's CNNs: calibrated on clips, corrected, measured, added."""
