"""From names and options to a codec: TOML configs, assembly, and weights in files."""
