"""Read training pictures as 8-bit arrays and report the files that cannot be used."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from resizekit.codec.convert import convert_bits
from resizekit.errors import ConfigError, ImageError, MissingExtraError
from resizekit.evaluation.channels import read_values
from resizekit.pictures.io.find import find_pictures
from resizekit.pictures.value_range import ValueRange
from resizekit.training.pack_file import PackFile, is_pack
from resizekit.training.pictures import Pictures

__all__ = ["LoadedPictures", "collect_pictures", "load_pictures"]


@dataclass
class LoadedPictures:
    """The usable pictures of some files and folders, and the reasons why others were skipped."""

    pictures: list[npt.NDArray[np.uint8]] = field(default_factory=list)
    """`h w c`, sorted by file name."""
    skipped: list[str] = field(default_factory=list)
    """One line for each skipped file: its path and the reason."""


def collect_pictures(
    paths: Iterable[Path],
    channels: int,
    *,
    folds: bool = False,
    smallest: int = 1,
    value_range: ValueRange | None = None,
) -> tuple[Pictures, list[str]]:
    """Read pictures into memory and map packs; the arguments and errors are those of `load_pictures`.

    Args:
        paths: Picture files, folders and packs.
        channels: Number of channels that the codec takes.
        folds: Whether the codec reduces the number of channels.
        smallest: Minimum height and width in pixels.
        value_range: (LOW, HIGH) of the values in the files.

    Returns:
        The pictures of all files and folders, then those of the packs, and the reasons for the skipped ones.
    """
    paths = list(paths)
    packs, others = [path for path in paths if is_pack(path)], [path for path in paths if not is_pack(path)]
    parts, skipped = [], []
    if others or not packs:
        loaded = load_pictures(others, channels, folds=folds, smallest=smallest, value_range=value_range)
        parts, skipped = [Pictures.of(loaded.pictures)], loaded.skipped
    for path in packs:
        pictures, reasons = _from_pack(path, channels, folds=folds, smallest=smallest)
        parts.append(pictures)
        skipped += reasons
    return Pictures.join(parts), skipped


def _from_pack(path: Path, channels: int, *, folds: bool, smallest: int) -> tuple[Pictures, list[str]]:
    """Map a pack and leave out the pictures that `load_pictures` would skip."""
    pack = PackFile(path)
    if pack.channels != channels:
        raise ConfigError(
            f"{path} holds pictures with {pack.channels} channels, and the codec takes {channels}: "
            f"write it again with --channels {channels}"
        )
    grey = pack.grey & folds
    small = (pack.sizes.min(1) < smallest) & ~grey
    reasons = {"is grey, and the codec needs colour": grey, f"has a side below {smallest} pixels": small}
    lines = [f"{path}: {count} of its pictures: each {reason}" for reason, of in reasons.items() if (count := of.sum())]
    if (grey | small).all():
        raise ConfigError(f"no usable picture in {path} ({'; '.join(lines)}); pass a pack or folder of other pictures")
    return pack.pictures.select(~(grey | small)), lines


def load_pictures(
    paths: Iterable[Path],
    channels: int,
    *,
    folds: bool = False,
    smallest: int = 1,
    value_range: ValueRange | None = None,
) -> LoadedPictures:
    """Read all pictures in the given files and folders as `h w c` uint8 arrays.

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
        loaded.pictures.append(np.ascontiguousarray(pixels))
    if not loaded.pictures:
        searched = ", ".join(str(path) for path in paths)
        reason = f" ({len(loaded.skipped)} skipped, for example: {loaded.skipped[0]})" if loaded.skipped else ""
        raise ConfigError(f"no usable picture in {searched}{reason}; pass a folder that contains pictures")
    return loaded
