"""Table 2 of the paper as one command: four models trained and measured on equal terms."""
