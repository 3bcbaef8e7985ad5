"""Run a suite: measure every column on every picture of every set, and write the results to a file."""
