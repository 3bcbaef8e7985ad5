"""Time kernels on a GPU, read the timings and draw them; plugin authors can use it without a clone."""
