"""One picture down and up at every depth: x2, x4, x8, ... (paper 3.2, "Multi-scale SR", and figure 5)."""

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from resizekit.codec import Codec
from resizekit.codec.grid import part_of
from resizekit.codec.refine.effort import Effort
from resizekit.errors import ImageError, UsageError
from resizekit.evaluation.channels import to_display
from resizekit.images.pipeline import check_depth
from resizekit.images.planning import check_repeatable, max_steps, repeated
from resizekit.images.run_options import RunOptions
from resizekit.images.selection import WeightsChoice, select
from resizekit.pictures.io.read import read_picture
from resizekit.pictures.io.write import write_picture
from resizekit.pictures.picture import Picture
from resizekit.showcase.metrics_file import RECORD_FILE, write_record
from resizekit.showcase.panels import depth_panels, stack_panels
from resizekit.showcase.roundtrip import RoundtripMetrics, RoundtripResult, check_not_existing, roundtrip_picture

__all__ = ["Depth", "Pyramid", "pyramid_file"]

DEFAULT_DEPTH = 7
"""Default number of depths: x128 with steps by 2, the largest factor in the paper."""


@dataclass(frozen=True)
class Depth:
    """The roundtrip at one depth."""

    times: int
    """Number of learned steps."""
    factor: str
    """Factor of reduction, such as "x8"."""
    size: tuple[int, int]
    """Width and height of the small picture."""
    small: str
    """The small file, which `up` restores."""
    restored: str
    """The restored file."""
    metrics: RoundtripMetrics

    def row(self) -> Iterator[str]:
        """Yield the cells of a table: factor, size, and PSNR of RGB and Y for restored, bicubic and small."""
        metrics = self.metrics
        yield from (self.factor, f"{self.size[0]}x{self.size[1]}")
        for rgb, y in (
            (metrics.restored_rgb, metrics.restored_y),
            (metrics.bicubic_rgb, metrics.bicubic_y),
            (metrics.small_rgb, metrics.small_y),
        ):
            yield from (f"{rgb:.2f}", "" if y is None else f"{y:.2f}")


@dataclass(frozen=True)
class Pyramid:
    """All depths of one picture."""

    weights: str
    precision: str
    """Precision of the networks."""
    effort: int
    """Effort that improved the small pictures."""
    size: tuple[int, int]
    """Width and height of the picture."""
    largest: int
    """Maximum number of steps for this picture."""
    largest_factor: str
    """Factor of reduction at the maximum number of steps."""
    sheet: str
    """Contact sheet of all depths."""
    depths: list[Depth]

    def as_dict(self) -> dict[str, object]:
        """Return plain data for JSON."""
        return asdict(self)


def pyramid_file(
    src: Path,
    folder: Path,
    *,
    weights: str | Path | Codec | None = None,
    task: str | None = None,
    compression: str | None = None,
    times: int | None = None,
    frame: int | None = None,
    effort: int | Effort = 0,
    options: RunOptions = RunOptions(),
) -> Pyramid:
    """Write the small and the restored picture of every depth, with a contact sheet and metrics.

    Each small picture is a file that `up` restores, and the restored picture is made from this file.

    Args:
        src: A picture.
        folder: Folder for the files.
        weights: Name of installed weights, a .safetensors file, or a loaded codec.
        task: Name of a task, instead of weights.
        compression: Name of an installed compression that replaces the compression of the weights.
        times: Number of depths; None: seven, or fewer where the small picture would have less than a pixel on a side.
        frame: Number of the frame of an animation, or of the page of a TIFF; the first is 1. None: refuse them.
        effort: 0 to 4, or an `Effort`, as for `down_file`.
        options: Tiles, device, precision, overwriting and progress.

    Raises:
        UsageError: The weights cannot be repeated, or `times` is more than the picture allows.
        ImageError: The picture does not allow a single step, or `down_file` refuses it.
    """
    effort = Effort.of(effort)
    picture = read_picture(src, frame=frame).with_metadata(options.metadata)
    selection = select(WeightsChoice(weights=weights, task=task, compression=compression), picture)
    outline = selection.outline
    check_repeatable(outline)
    check_depth(picture, selection.storage, src)
    width, height = picture.hw.wh
    largest = max_steps(outline, picture.hw)
    if not largest:
        raise ImageError(f"{src} has {width}x{height} pixels, too few for {outline.step.short}: give a larger picture")
    largest_factor = outline.at(largest).spec.short
    if times is not None and not 1 <= times <= largest:
        raise UsageError(
            f"times={times}: a picture of {width}x{height} allows 1 to {largest}; the largest is {largest_factor}"
        )
    steps = range(1, (times or min(DEFAULT_DEPTH, largest)) + 1)
    names = [_file_name(repeated(outline, n).spec.short) for n in steps]
    small_files = [folder / f"small-{name}{selection.storage.suffixes[0]}" for name in names]
    restored_files = [folder / f"restored-{name}.png" for name in names]
    sheet = folder / "pyramid.png"
    check_not_existing([*small_files, *restored_files, sheet, folder / RECORD_FILE], overwrite=options.overwrite)
    codec = selection.load(options.device, options.precision)
    depths, rows = [], []
    for i, (n, small, restored) in enumerate(zip(steps, small_files, restored_files, strict=True)):
        deep_codec = repeated(codec, n)
        result = roundtrip_picture(
            deep_codec,
            picture,
            small,
            restored,
            original_bytes=src.stat().st_size,
            effort=effort,
            options=replace(options, progress=part_of(options.progress, i, len(steps))),
        )
        size = result.low.shape[1], result.low.shape[0]
        depth = Depth(n, deep_codec.spec.short, size, str(small), str(restored), result.metrics)
        depths.append(depth)
        pictures = map(to_display, (result.original, result.baseline, result.restored, result.low))
        rows.append((depth_panels(deep_codec.spec, *pictures), _captions(depth, result)))
    write_picture(sheet, Picture(pixels=stack_panels(rows), icc=picture.icc), overwrite=options.overwrite)
    records = [depth.metrics.record(depth.factor, Path(depth.small), Path(depth.restored)) for depth in depths]
    write_record(folder, src, picture, records, frame=frame)
    return Pyramid(
        weights=str(codec.info.weights),
        precision=codec.precision,
        effort=effort.level,
        size=(width, height),
        largest=largest,
        largest_factor=largest_factor,
        sheet=str(sheet),
        depths=depths,
    )


def _file_name(factor: str) -> str:
    return re.sub(r"[^0-9a-z]+", "-", factor.replace("=", ""))


def _captions(depth: Depth, result: RoundtripResult) -> tuple[str, ...]:
    metrics = result.metrics
    return (
        f"{depth.factor}: {depth.size[0]}x{depth.size[1]}, {metrics.small_rgb:.2f} dB against bicubic's",
        f"bicubic down and up, {metrics.bicubic_rgb:.2f} dB",
        f"restored, {metrics.restored_rgb:.2f} dB",
        "original",
    )
