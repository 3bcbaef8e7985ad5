"""A suite measured: every column on every picture of every set, and the results as a file."""
