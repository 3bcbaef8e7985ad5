"""Access to the machine: atomic file writes, devices and precision, and the settings of malloc."""
