"""Make a picture small and restore it in memory, as a server does: `python bytes_pipeline.py PHOTO RESTORED.png`."""

import sys
from pathlib import Path

import resizekit


def main() -> None:
    """Load the codec once, and pass bytes through it."""
    photo, restored = sys.argv[1:]
    codec = resizekit.load("sr-x2-fast")  # shared by all requests and threads
    small = resizekit.down_bytes(Path(photo).read_bytes(), weights=codec)
    image = resizekit.up_bytes(small, weights=codec)
    image.save(restored)
    print(f"{len(small)} bytes, {image.width}x{image.height} pixels")


if __name__ == "__main__":
    main()
