"""One picture down and up at every depth that it allows: x2, x4, x8 ... (3.2, "Multi-scale SR", and figure 5)."""

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from resizekit.codec.tiling import Progress, Tile, part_of
from resizekit.errors import ImageError, UsageError
from resizekit.evaluation.channels import to_display
from resizekit.images.io.read import read_picture
from resizekit.images.io.write import write_picture
from resizekit.images.picture import Picture
from resizekit.images.pipeline import check_depth, max_steps
from resizekit.images.selection import choose_codec, must_repeat, repeated
from resizekit.showcase.metrics_file import RECORD_FILE, write_record
from resizekit.showcase.panels import depth_panels, stacked
from resizekit.showcase.roundtrip import RoundtripMetrics, check_not_existing, roundtrip_picture

__all__ = ["Depth", "Pyramid", "pyramid_file"]

MOST = 7
"""So deep goes what asks for no depth: x128 by a step of 2, as far as the paper goes."""


@dataclass(frozen=True)
class Depth:
    """One rung of the ladder."""

    times: int
    """How often the networks are applied."""
    factor: str
    """What that makes, such as "x8"."""
    size: tuple[int, int]
    """Width and height of the small picture."""
    small: str
    """The small file, which `up` restores."""
    restored: str
    figures: RoundtripMetrics

    def row(self) -> Iterator[str]:
        """Give the cells of a table: factor, size, and PSNR, RGB and Y, of restored, bicubic and small."""
        told = self.figures
        yield from (self.factor, f"{self.size[0]}x{self.size[1]}")
        for rgb, y in (
            (told.restored_rgb, told.restored_y), (told.bicubic_rgb, told.bicubic_y), (told.small_rgb, told.small_y),
        ):  # fmt: skip
            yield from (f"{rgb:.2f}", "" if y is None else f"{y:.2f}")


@dataclass(frozen=True)
class Pyramid:
    """A whole ladder, and how far it could go."""

    weights: str
    size: tuple[int, int]
    """Width and height of the picture."""
    largest: int
    """How often the networks could be applied to this picture."""
    largest_factor: str
    sheet: str
    """All depths in one picture to look at."""
    depths: list[Depth]

    def as_dict(self) -> dict[str, object]:
        """Plain data for JSON."""
        return asdict(self)


def pyramid_file(
    src: Path,
    folder: Path,
    *,
    weights: str | Path | None = None,
    task: str | None = None,
    times: int | None = None,
    compression: str | None = None,
    tile: Tile = "auto",
    device: str = "auto",
    precision: str = "auto",
    overwrite: bool = False,
    progress: Progress = lambda done, of: None,
) -> Pyramid:
    """Write the small and the restored picture of every depth from 1 to `times` into `folder`, with a contact sheet.

    Each small picture is a real file that `up` restores, and the restored one is made from it.  Without `times` the
    ladder ends after seven steps, or where the small picture would have less than one pixel a side.  Raises
    `UsageError` for weights that cannot be repeated and for more `times` than the picture allows, `ImageError` for a
    picture that allows none, and what `roundtrip_file` raises.
    """
    picture = read_picture(src)
    channels = picture.pixels.shape[2]
    codec = choose_codec(
        weights=weights, task=task, channels=channels, compression=compression, device=device, precision=precision
    )
    must_repeat(codec)
    check_depth(picture, codec.storage, src)
    width, height = picture.size
    most = max_steps(codec, (height, width))
    if not most:
        raise ImageError(f"{src} has {width}x{height} pixels, too few for {codec.step.short}: take a larger picture")
    largest = codec.at(most).spec.short
    if times is not None and not 1 <= times <= most:
        raise UsageError(f"times={times}: a picture of {width}x{height} allows 1 to {most}; the largest is {largest}")
    ladder = [repeated(codec, n) for n in range(1, (times or min(MOST, most)) + 1)]
    names = [re.sub(r"[^0-9a-z]+", "-", one.spec.short.replace("=", "")) for one in ladder]
    smalls = [folder / f"small-{name}{codec.storage.suffixes[0]}" for name in names]
    restoreds = [folder / f"restored-{name}.png" for name in names]
    sheet = folder / "pyramid.png"
    check_not_existing([*smalls, *restoreds, sheet, folder / RECORD_FILE], overwrite=overwrite)
    depths, rows = [], []
    for i, (one, small, restored) in enumerate(zip(ladder, smalls, restoreds, strict=True)):
        part = part_of(progress, i, len(ladder))
        trip = roundtrip_picture(
            one, picture, src.stat().st_size, small, restored, tile=tile, overwrite=overwrite, progress=part
        )
        factor, told = one.spec.short, trip.figures
        size = trip.low.shape[1], trip.low.shape[0]
        depths.append(Depth(one.times, factor, size, str(small), str(restored), told))
        captions = (
            f"{factor}: {size[0]}x{size[1]}, {told.small_rgb:.2f} dB against bicubic's",
            f"bicubic down and up, {told.bicubic_rgb:.2f} dB",
            f"restored, {told.restored_rgb:.2f} dB",
            "original",
        )
        panels = depth_panels(one.spec, *map(to_display, (trip.original, trip.plain, trip.restored, trip.low)))
        rows.append((panels, captions))
    write_picture(sheet, Picture(pixels=stacked(rows), icc=picture.icc), overwrite=overwrite)
    kept = [told.figures.kept(told.factor, Path(told.small), Path(told.restored)) for told in depths]
    write_record(folder, src, picture, kept)
    return Pyramid(str(codec.info.weights), (width, height), most, largest, str(sheet), depths)
