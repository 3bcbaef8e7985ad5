"""One picture file down and up, with the pictures to compare and metrics next to those of bicubic."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np

from resizekit.codec import Codec
from resizekit.codec.alpha import fill_hidden
from resizekit.codec.grid import part_of_work
from resizekit.codec.pad import reflect_pad_or_crop
from resizekit.codec.padded_sizes import padded_sizes_for
from resizekit.codec.refine.effort import Effort
from resizekit.errors import UsageError
from resizekit.evaluation.channels import to_display
from resizekit.evaluation.measure import baseline_name, bicubic_roundtrip, psnr_y
from resizekit.evaluation.metrics import psnr
from resizekit.evaluation.untrusted_json import finite
from resizekit.images.advice import advise_on_picture
from resizekit.images.pipeline import check_depth, down_picture, up_picture
from resizekit.images.planning import repeated
from resizekit.images.run_options import RunOptions
from resizekit.images.selection import WeightsChoice, select
from resizekit.images.small_files import read_small
from resizekit.images.target_size import TargetSize
from resizekit.pictures.io.read import read_picture
from resizekit.pictures.io.write import write_picture
from resizekit.pictures.picture import Picture
from resizekit.pictures.value_range import ValueRange, normalize
from resizekit.showcase.metrics_file import RECORD_FILE, RoundtripRecord, write_record
from resizekit.showcase.panels import side_by_side
from resizekit.storage.formats import Pixels, Storage

__all__ = ["SHEET", "RoundtripMetrics", "RoundtripResult", "check_not_existing", "roundtrip_file", "roundtrip_picture"]

SHEET = "side-by-side.png"


@dataclass(frozen=True)
class RoundtripMetrics:
    """Quality of one roundtrip: PSNR in dB, pixels weighted by alpha, sizes in bytes.

    For a cube, "rgb" covers all channels and Y is None.
    """

    weights: str
    precision: str
    """Precision of the networks."""
    effort: int
    """Effort that improved the small picture."""
    restored_rgb: float
    restored_y: float | None
    bicubic_rgb: float
    bicubic_y: float | None
    small_rgb: float
    """The small picture against bicubic's."""
    small_y: float | None
    original_bytes: int
    small_bytes: int
    """The small file without its manifest."""
    bicubic_bytes: int
    """Bicubic's small picture in the same format."""
    small_format: str = "PNG"
    """Pillow's name of the format."""
    baseline: str = "bicubic"
    """The baseline of the `bicubic` fields: "guide" if the channels change."""

    def as_dict(self) -> dict[str, object]:
        """Return plain data for JSON."""
        return asdict(self)

    def record(self, factor: str, small: Path, restored: Path) -> RoundtripRecord:
        """Build the record of this roundtrip for the metrics file of its folder."""
        fields = {name: value for name, value in asdict(self).items() if name in RoundtripRecord.model_fields}
        fields |= {name: finite(value) for name, value in fields.items() if isinstance(value, float)}
        return RoundtripRecord(factor=factor, small=small.name, restored=restored.name, **fields)

    def rows(self) -> Iterator[tuple[str, str, str]]:
        """Yield the rows of a table: label, result of the weights, result of the baseline."""
        against = "bicubic's" if self.baseline == "bicubic" else f"the {self.baseline}"
        rgb = "PSNR" if self.restored_y is None else "PSNR RGB"
        yield f"restored, {rgb}", f"{self.restored_rgb:.2f} dB", f"{self.bicubic_rgb:.2f} dB"
        if self.restored_y is not None:
            yield "restored, PSNR Y", f"{self.restored_y:.2f} dB", f"{self.bicubic_y:.2f} dB"
        yield f"small against {against}, {rgb}", f"{self.small_rgb:.2f} dB", "(itself)"
        if self.small_y is not None:
            yield f"small against {against}, PSNR Y", f"{self.small_y:.2f} dB", "(itself)"
        yield f"small {self.small_format}", _kib(self.small_bytes), _kib(self.bicubic_bytes)
        yield "original file", _kib(self.original_bytes), ""


def _kib(size: int) -> str:
    return f"{size / 1024:,.1f} KiB"


class RoundtripResult(NamedTuple):
    """Pictures and metrics of one roundtrip; the pictures hold integers, or floats in [0, 1]."""

    original: Pixels
    baseline: Pixels
    """Restored by bicubic from bicubic's own small picture."""
    restored: Pixels
    low: Pixels
    metrics: RoundtripMetrics


def roundtrip_file(
    src: Path,
    folder: Path,
    *,
    weights: str | Path | Codec | None = None,
    task: str | None = None,
    compression: str | None = None,
    target: TargetSize | None = None,
    value_range: ValueRange | None = None,
    frame: int | None = None,
    effort: int | Effort = 0,
    options: RunOptions = RunOptions(),
) -> RoundtripMetrics:
    """Write small.png, restored.png, side-by-side.png and metrics.json into a folder, and measure the roundtrip.

    The suffix of the small file is that of the weights' storage, and the restored picture is made from this file, not
    from memory.

    Args:
        src: A picture.
        folder: Folder for the files.
        weights: Name of installed weights, a .safetensors file, or a loaded codec.
        task: Name of a task, instead of weights.
        compression: Name of an installed compression that replaces the compression of the weights.
        target: Requested size of the small picture; None: the factors of the weights.
        value_range: Lowest and highest possible value of the picture; float32 pictures need it.
        frame: Number of the frame of an animation, or of the page of a TIFF; the first is 1. None: refuse them.
        effort: 0 to 4, or an `Effort`, as for `down_file`.
        options: Tiles, device, precision, overwriting and progress.

    Raises:
        ResizeKitError: The errors of `down_file` and `up_file`.
    """
    choice = WeightsChoice(weights=weights, task=task, compression=compression)
    picture = read_picture(src, value_range, frame=frame).with_metadata(options.metadata)
    if options.on_advice is not None and (advice := advise_on_picture(picture, src)):
        options.on_advice(advice)
    selection = select(choice, picture, target)
    storage, plan = selection.storage, selection.plan
    effort = Effort.of(effort)
    check_depth(picture, storage, src)
    restored_name = "restored.npy" if picture.mode == "CUBE" or picture.bits == 32 else "restored.png"
    small, restored, sheet = (folder / name for name in (f"small{storage.suffixes[0]}", restored_name, SHEET))
    check_not_existing((small, restored, sheet, folder / RECORD_FILE), overwrite=options.overwrite)
    codec = selection.load(options.device, options.precision)
    result = roundtrip_picture(
        codec, picture, small, restored, original_bytes=src.stat().st_size, target=target, effort=effort,
        options=options,
    )  # fmt: skip
    pictures = map(to_display, (result.original, result.baseline, result.restored, result.low))
    pixels = side_by_side(*pictures, baseline_label=f"{result.metrics.baseline} down and up")
    write_picture(sheet, Picture(pixels=pixels, icc=picture.icc), overwrite=options.overwrite)
    by_steps = target is None or target.times is not None
    factor = (plan.step**plan.times).short if by_steps else f"to {plan.low.w}x{plan.low.h}"
    write_record(folder, src, picture, [result.metrics.record(factor, small, restored)], frame=frame)
    return result.metrics


def check_not_existing(paths: Iterable[Path], *, overwrite: bool) -> None:
    """Refuse to replace existing files, before any work.

    Raises:
        UsageError: A file exists, and `overwrite` is false.
    """
    for path in paths:
        if path.exists() and not overwrite:
            raise UsageError(f"{path} exists: pass --overwrite or another folder")


def roundtrip_picture(
    codec: Codec,
    picture: Picture,
    small_file: Path,
    restored_file: Path,
    *,
    original_bytes: int,
    target: TargetSize | None = None,
    effort: int | Effort = 0,
    options: RunOptions = RunOptions(),
) -> RoundtripResult:
    """Make a picture small in one file, restore it from this file alone into another, and measure both.

    Args:
        codec: A codec that was loaded from weights.
        picture: The original.
        small_file: The small file; its folder is created if it does not exist.
        restored_file: The restored file, in the same folder.
        original_bytes: Size of the original's file.
        target: Requested size of the small picture; None: the codec's own factors.
        options: Tiles, overwriting and progress; the codec keeps its device and precision.

    Raises:
        ResizeKitError: The errors of `down_file` and `up_file`.
    """
    if target is not None and target.times is not None:
        codec, target = repeated(codec, target.times), None
    effort = Effort.of(effort)
    tile, progress, storage = options.tile, options.progress, codec.storage
    work = 2 + effort.iterations
    down_part = part_of_work(progress, 0, work - 1, work)
    small, _ = down_picture(
        codec, picture, target=target, tile=tile, effort=effort, progress=down_part, on_gain=options.on_gain
    )
    try:
        small_file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make the folder {small_file.parent}: {error.strerror}") from None
    write_picture(small_file, small, storage=storage, overwrite=options.overwrite)
    encoder_pixels = small.encoder_pixels
    small, manifest = read_small(small_file)
    restored_picture = up_picture(codec, small, manifest, tile=tile, progress=part_of_work(progress, work - 1, 1, work))
    write_picture(restored_file, restored_picture, overwrite=options.overwrite)

    # hidden colours are arbitrary: `down` replaces them, and they do not count
    colours = picture.pixels if picture.alpha is None else fill_hidden(picture.pixels, picture.alpha)
    original = normalize(colours, picture.value_range)
    restored = normalize(restored_picture.pixels, picture.value_range)
    if target is None:
        padded = padded_sizes_for(codec.spec, picture.hw)
        guide, baseline = bicubic_roundtrip(codec, reflect_pad_or_crop(original, padded.high))
        guide, baseline = reflect_pad_or_crop(guide, padded.stored), reflect_pad_or_crop(baseline, picture.hw)
        border = int(max(codec.spec.s, codec.spec.r))
    else:
        guide, baseline = bicubic_roundtrip(codec, original, small.hw)
        border = max(picture.hw.h // small.hw.h, picture.hw.w // small.hw.w)
    low = _match_shape(small.pixels, guide)

    def luma(a: Pixels, b: Pixels, weight: Pixels | None) -> float | None:
        return None if picture.mode == "CUBE" else psnr_y(a, b, border, weight)

    metrics = RoundtripMetrics(
        weights=str(codec.info.weights),
        precision=codec.precision,
        effort=effort.level,
        restored_rgb=psnr(restored, original, weight=picture.alpha),
        restored_y=luma(restored, original, picture.alpha),
        bicubic_rgb=psnr(baseline, original, weight=picture.alpha),
        bicubic_y=luma(baseline, original, picture.alpha),
        small_rgb=psnr(low, guide, weight=small.alpha),
        small_y=luma(low, guide, small.alpha),
        original_bytes=original_bytes,
        small_bytes=_stored_bytes(storage, small.pixels if encoder_pixels is None else encoder_pixels, small.alpha),
        bicubic_bytes=_stored_bytes(storage, guide, small.alpha),
        small_format=storage.format,
        baseline=baseline_name(codec),
    )
    return RoundtripResult(original, baseline, restored, low, metrics)


def _match_shape(low: Pixels, guide: Pixels) -> Pixels:
    """Average the channels where a grey picture went through colour weights, to compare its small picture as grey."""
    if low.shape == guide.shape:
        return low
    grey: Pixels = np.rint(low.mean(axis=2, keepdims=True)).astype(low.dtype)
    return grey


def _stored_bytes(storage: Storage, colours: Pixels, alpha: Pixels | None) -> int:
    file = BytesIO()
    storage.save(file, colours if alpha is None else np.dstack((colours, alpha)))
    return file.tell()
