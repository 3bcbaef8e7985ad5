"""Image files: reading, writing, metadata, and finding them in folders."""
