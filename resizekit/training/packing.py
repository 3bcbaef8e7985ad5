"""Decode training pictures once into a pack, which every later training maps into memory.

files, folders, PIL images, arrays ─► 8-bit pixels ─► one file
"""

import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL.Image

from resizekit.codec.batches import as_batch
from resizekit.codec.convert import convert_bits, from_batch
from resizekit.errors import ConfigError, ImageError, MissingExtraError, UsageError
from resizekit.evaluation.channels import with_channels
from resizekit.pictures.io.find import find_pictures
from resizekit.pictures.io.pil import picture_from_pil
from resizekit.pictures.io.quiet import library_warnings_ignored
from resizekit.pictures.io.read import read_picture
from resizekit.pictures.picture import Picture
from resizekit.pictures.value_range import ValueRange
from resizekit.storage.formats import Pixels
from resizekit.system.atomic_write import atomic_write, check_target
from resizekit.training.pack_file import SUFFIX
from resizekit.training.pack_writer import PackWriter
from resizekit.training.pictures import Bytes

__all__ = ["Packed", "check_output", "check_space", "expected_bytes", "pack"]

Source = str | Path | PIL.Image.Image | Bytes


@dataclass(frozen=True)
class Packed:
    """The result of `pack`."""

    path: Path
    pictures: int
    """Number of pictures in the pack."""
    bytes: int
    """Size of the file."""
    skipped: list[str]
    """One line for each source that could not be used: its path or number, and the reason."""


def pack(
    sources: Source | Iterable[Source],
    out: str | Path,
    *,
    channels: int = 3,
    value_range: ValueRange | None = None,
    overwrite: bool = False,
    progress: Callable[[int, int], None] = lambda pictures, size: None,
) -> Packed:
    """Decode pictures into one file that trainings map into memory.

    A training draws the same crops from the pack as from the same files. Pictures of more than 8 bits are rounded to 8
    bits, as in every training. The memory holds one picture at a time.

    Args:
        sources: Files, folders and patterns as paths; or PIL images (L or RGB) and arrays `h w` or `h w c` of uint8 or
            uint16, for example from a generator.
        out: File to write; its name ends in `.pack`.
        channels: Number of channels that the codec takes. For 1, colour pictures become their luma.
        value_range: (LOW, HIGH) of the values in the files. Required for float32 files.
        overwrite: Whether to replace an existing file.
        progress: Called after each source, with the number of pictures and bytes so far.

    Returns:
        The number of pictures, the size of the file, and a line for each skipped source.

    Raises:
        ConfigError: If no source can be used.
        ImageError: If a path does not exist.
        UsageError: If the file exists, its name has a different suffix, or it cannot be written.

    Examples:
        >>> import numpy as np, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     packed = pack([np.zeros((48, 64, 3), np.uint8)], f"{folder}/photos.pack")
        >>> packed.pictures, packed.skipped
        (1, [])
    """
    out = Path(out)
    if not 1 <= channels <= 4096:
        raise UsageError(f"invalid number of channels {channels}: expected 1 to 4096")
    check_output(out, overwrite=overwrite)
    skipped: list[str] = []
    items = [sources] if isinstance(sources, str | Path | PIL.Image.Image | np.ndarray) else sources
    with atomic_write(out, overwrite=overwrite) as temporary:
        with temporary.open("w+b") as file:
            writer = PackWriter(file, channels)
            for result in _decoded(items, channels, value_range):
                if isinstance(result, str):
                    skipped.append(result)
                else:
                    pixels, grey = result
                    writer.add(pixels, grey=grey)
                progress(len(writer), writer.pixel_bytes)
            if not len(writer):
                reason = f" ({len(skipped)} skipped, for example: {skipped[0]})" if skipped else ""
                raise ConfigError(f"no usable picture for {out}{reason}; name files or folders that contain pictures")
            writer.finish(skipped)
        size = temporary.stat().st_size
    return Packed(out, len(writer), size, skipped)


def check_output(out: Path, *, overwrite: bool = False) -> None:
    """Check the name of a pack that will be written.

    Raises:
        UsageError: If the file exists, its name has a different suffix, or it is a folder.
    """
    if out.suffix.lower() != SUFFIX:
        raise UsageError(f"cannot write {out}: name a file that ends in {SUFFIX}")
    check_target(out, overwrite=overwrite)


def expected_bytes(paths: Iterable[Path], channels: int) -> int:
    """Estimate the size of a pack from the headers of the files, without decoding them."""
    total = 0
    with library_warnings_ignored():
        for path in paths:
            try:
                with PIL.Image.open(path) as image:
                    total += image.width * image.height * channels
            except (OSError, ValueError, SyntaxError, PIL.Image.DecompressionBombError):  # arrays, and broken files
                total += path.stat().st_size if path.is_file() else 0
    return total


def check_space(out: Path, size: int) -> None:
    """Check that the disk has room for a file.

    Raises:
        UsageError: If it has not.
    """
    folder = out.absolute().parent
    free = shutil.disk_usage(folder).free if folder.is_dir() else size
    if size > free:
        raise UsageError(
            f"{out} needs about {size / 1e9:.1f} GB, but {folder} has {free / 1e9:.1f} GB free: name another output"
        )


_Decoded = tuple[Bytes, bool] | str
"""Pixels `h w c`, and whether the source is grey; or why the source is skipped."""


def _decoded(items: Iterable[Source], channels: int, value_range: ValueRange | None) -> Iterator[_Decoded]:
    """Decode sources in their order."""
    for number, item in enumerate(_expand(items), 1):
        if isinstance(item, str | Path):
            yield _from_file(Path(item), channels, value_range)
        else:
            yield _from_memory(item, channels, number)


def _expand(items: Iterable[Source]) -> Iterator[Source]:
    """Expand paths to pictures. If all sources are paths, each picture appears once, as in a training from them."""
    if isinstance(items, list | tuple) and all(isinstance(item, str | Path) for item in items):
        yield from find_pictures(items)
        return
    for item in items:
        if isinstance(item, str | Path):
            yield from find_pictures([item])
        else:
            yield item


def _from_file(path: Path, channels: int, value_range: ValueRange | None) -> _Decoded:
    try:
        return _with_channels(path, read_picture(path, value_range), channels)
    except (ImageError, MissingExtraError) as error:
        return str(error)


def _from_memory(item: PIL.Image.Image | Pixels, channels: int, number: int) -> _Decoded:
    source = Path(f"picture {number}")
    try:
        if isinstance(item, PIL.Image.Image):
            return _with_channels(source, picture_from_pil(item), channels)
        return _with_channels(source, Picture(pixels=from_batch(as_batch(item)[0])), channels)
    except ImageError as error:
        reason = str(error)
        return reason if reason.startswith(str(source)) else f"{source}: {reason}"


def _with_channels(source: Path, picture: Picture, channels: int) -> _Decoded:
    pixels = convert_bits(with_channels(source, picture, channels), 8).astype(np.uint8, copy=False)
    return pixels, picture.pixels.shape[2] == 1 < channels
