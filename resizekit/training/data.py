"""Read training pictures as 8-bit tensors and report the files that cannot be used."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from resizekit.codec.convert import convert_bits
from resizekit.errors import ConfigError, ImageError, MissingExtraError
from resizekit.evaluation.channels import read_values
from resizekit.images.io.find import find_pictures
from resizekit.images.value_range import ValueRange

__all__ = ["LoadedPictures", "fingerprint", "load_pictures"]

_SAMPLES = 4096
"""Number of values of each picture that a fingerprint reads; hashing all values would take seconds."""


@dataclass
class LoadedPictures:
    """The usable pictures of some files and folders, and the reasons why others were skipped."""

    pictures: list[Tensor] = field(default_factory=list)
    """`c h w`, uint8, sorted by file name."""
    skipped: list[str] = field(default_factory=list)
    """One line for each skipped file: its path and the reason."""


def load_pictures(
    paths: Iterable[Path],
    channels: int,
    *,
    folds: bool = False,
    smallest: int = 1,
    value_range: ValueRange | None = None,
) -> LoadedPictures:
    """Read all pictures in the given files and folders as `c h w` uint8 tensors.

    Values of more than 8 bits are rounded to 8 bits. If `channels` is 1, a colour picture is reduced to its luma.

    Args:
        paths: Picture files, and folders that are searched recursively.
        channels: Number of channels that the codec takes. Numbers other than 1 and 3 require arrays (cubes).
        folds: Whether the codec reduces the number of channels. If true, grey pictures are skipped.
        smallest: Minimum height and width in pixels. Smaller pictures are skipped.
        value_range: (LOW, HIGH) of the values in the files. Required for float32 files.

    Returns:
        The pictures in the order of their file names, and the reasons for the skipped files: broken files, files with a
        different number of channels, and pictures that are too small.

    Raises:
        ConfigError: If `paths` is empty or contains no usable picture.
        ImageError: If a path does not exist.
    """
    paths = list(paths)
    if not paths:
        raise ConfigError("no training pictures: set train.data in the config or pass folders with --data")
    loaded = LoadedPictures()
    for path in find_pictures(paths):
        try:
            pixels = convert_bits(read_values(path, channels, folds=folds, value_range=value_range), 8)
        except (ImageError, MissingExtraError) as error:
            loaded.skipped.append(str(error))
            continue
        height, width = pixels.shape[:2]
        if min(height, width) < smallest:
            loaded.skipped.append(f"{path} is {width}x{height}: each side needs at least {smallest} pixels")
            continue
        loaded.pictures.append(torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))))
    if not loaded.pictures:
        searched = ", ".join(str(path) for path in paths)
        reason = f" ({len(loaded.skipped)} skipped, for example: {loaded.skipped[0]})" if loaded.skipped else ""
        raise ConfigError(f"no usable picture in {searched}{reason}; pass a folder that contains pictures")
    return loaded


def fingerprint(pictures: Iterable[Tensor]) -> str:
    """Hash the sizes of pictures and a sample of their values, in order.

    Names and formats of the files do not matter: the same pixels in the same order lead to the same crops.

    Args:
        pictures: `c h w`, uint8.

    Returns:
        64 hexadecimal digits of SHA-256.
    """
    sha = hashlib.sha256()
    for picture in pictures:
        values = picture.reshape(-1)
        sha.update(f"{tuple(picture.shape)}\n".encode())
        sha.update(values[:: max(1, values.numel() // _SAMPLES)].cpu().numpy().tobytes())
    return sha.hexdigest()
