"""Time kernels on a GPU, read the timings and draw them; plugin authors do not need to clone resizekit."""
