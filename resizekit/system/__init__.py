"""The machine: files that are never half written, devices and precision, and the C library's allocator."""
