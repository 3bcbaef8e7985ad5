"""Find channels of more than 8 bits, which Pillow reduces to 8 without a warning."""

import PIL.Image

__all__ = ["has_deep_channels"]

_BITS_PER_SAMPLE = 258


def has_deep_channels(image: PIL.Image.Image, head: bytes) -> bool:
    """Return whether a channel has more than 8 bits in the file.

    Args:
        image: The picture, opened by Pillow.
        head: First bytes of the file.
    """
    if image.format == "PNG":
        return head[24] > 8
    if image.format == "TIFF":
        return any(bits > 8 for bits in getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE, ()))
    if image.format == "JPEG2000":  # Ssiz of the first component, in the SIZ marker
        at = head.find(b"\xff\x4f\xff\x51")
        return at >= 0 and (head[at + 42] & 0x7F) + 1 > 8
    if image.format == "AVIF":  # high_bitdepth in the AV1 configuration box
        at = head.find(b"av1C")
        return at >= 0 and bool(head[at + 6] & 0x40)
    tiles = getattr(image, "tile", [])
    if image.format == "PPM":
        return any(isinstance(arg, int) and arg > 255 for tile in tiles for arg in tile[3])
    return ";16" in str(tiles)
