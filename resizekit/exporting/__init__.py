"""Export: networks as files for runtimes without PyTorch."""
