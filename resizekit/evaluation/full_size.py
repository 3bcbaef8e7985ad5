"""Compare a small lossy file with the same file format at full size, at the same number of bytes."""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from resizekit.codec import Codec
from resizekit.codec.grid import Tile
from resizekit.evaluation.metrics import psnr
from resizekit.images.manifest_weights import weights_of_manifest
from resizekit.images.max_bytes import largest_quality
from resizekit.images.pipeline import up_picture
from resizekit.images.selection import choose_codec
from resizekit.images.small_files import read_small
from resizekit.pictures.io.read import read_picture
from resizekit.pictures.value_range import ValueRange

__all__ = ["FullSizeComparison", "against_full_size"]


@dataclass(frozen=True, kw_only=True)
class FullSizeComparison:
    """A small file, and a file of the original in the same format with at most as many bytes. PSNR is in dB of RGB."""

    format: str
    """Pillow's name of the format."""
    small_bytes: int
    """The small file with its manifest."""
    restored_psnr: float
    full_size_bytes: int | None
    """None: not even the lowest quality has so few bytes."""
    full_size_psnr: float | None

    @property
    def full_size_is_better(self) -> bool:
        """Whether the format alone has the better picture."""
        return self.full_size_psnr is not None and self.full_size_psnr > self.restored_psnr

    def as_dict(self) -> dict[str, object]:
        """Return plain data for JSON."""
        return asdict(self)

    def lines(self) -> list[str]:
        """Return the comparison in words."""
        first = f"{self.small_bytes} bytes, restored with {self.restored_psnr:.2f} dB (PSNR of RGB)"
        if self.full_size_psnr is None:
            return [first, f"not even the lowest quality of a full-size {self.format} has so few bytes"]
        second = f"a full-size {self.format} of {self.full_size_bytes} bytes has {self.full_size_psnr:.2f} dB"
        better = "it is better: use it instead" if self.full_size_is_better else "the small file is better"
        return [first, f"{second}; {better}"]


def against_full_size(
    original: Path,
    small: Path,
    *,
    weights: str | Path | Codec | None = None,
    value_range: ValueRange | None = None,
    frame: int | None = None,
    tile: Tile = "auto",
    device: str = "auto",
    precision: str = "float32",
) -> FullSizeComparison | None:
    """Restore a small file, and encode its original in the same format with at most as many bytes.

    Args:
        original: The original picture.
        small: Its small file, of a compression that has qualities.
        weights: The weights of the small file, if they are not installed.
        value_range: Lowest and highest possible value of the original; float32 pictures need it.
        frame: Number of the frame of the original from which the small file was made.
        tile: Side of the tiles, "auto" or "off".
        device: "auto", "cpu" or "cuda".
        precision: "float32", "winograd", "bfloat16", "float16", "int8" or "auto".

    Returns:
        The comparison; None for a picture that the format cannot hold: more than 8 bits, or other channels than grey
        and RGB.

    Raises:
        ResizeKitError: The errors of `up_file`.
    """
    high = read_picture(original, value_range, frame=frame)
    if high.bits != 8 or high.mode == "CUBE":
        return None
    picture, manifest = read_small(small)
    codec = weights
    if not isinstance(codec, Codec):
        codec = choose_codec(
            weights=weights_of_manifest(manifest, small) if codec is None else codec,
            compression=manifest.compression,
            device=device,
            precision=precision,
        )
    qualities, size = codec.compression.qualities, small.stat().st_size
    assert qualities is not None
    restored = up_picture(codec, picture, manifest, source=small, tile=tile)

    pixels = high.pixels
    if pixels.shape[2] not in codec.storage.channels:  # grey in a format for RGB
        pixels = np.repeat(pixels, 3, axis=2)

    def encode(quality: int) -> bytes:
        return codec.at_quality(quality).storage.encode(pixels)

    best = largest_quality(lambda quality: len(encode(quality)), qualities, size)
    file = None if best is None else encode(best)
    return FullSizeComparison(
        format=codec.storage.format,
        small_bytes=size,
        restored_psnr=psnr(restored.pixels, high.pixels),
        full_size_bytes=None if file is None else len(file),
        full_size_psnr=None if file is None else psnr(codec.storage.decode(file, pixels), pixels),
    )
