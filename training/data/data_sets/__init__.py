"""The data sets of the paper: their official lists, as they were published -> clips."""
