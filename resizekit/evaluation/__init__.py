"""Measure the quality and the cost of a codec: metrics of single pictures, and their means over folders."""
