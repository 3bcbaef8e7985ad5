"""Timing kernels on a GPU, and reading what was timed."""
