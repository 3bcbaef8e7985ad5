"""One picture file down and up, with the pictures to look at and the figures beside bicubic's."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np

from resizekit.codec import Codec
from resizekit.codec.tiling import Progress, Tile, part_of
from resizekit.errors import UsageError
from resizekit.evaluation.channels import to_display
from resizekit.evaluation.measure import baseline_name, bicubic_roundtrip, psnr_y
from resizekit.evaluation.metrics import psnr
from resizekit.evaluation.untrusted_json import finite
from resizekit.images.files import read_small
from resizekit.images.io.read import read_picture
from resizekit.images.io.write import write_picture
from resizekit.images.pad import padded_sizes_for, reflect_pad_or_crop
from resizekit.images.picture import Picture
from resizekit.images.pipeline import check_depth, down_picture, up_picture
from resizekit.images.selection import choose_codec, choose_storage, choose_weights
from resizekit.images.target_size import TargetSize, check_size
from resizekit.images.value_range import ValueRange, normalize
from resizekit.showcase.metrics_file import RECORD_FILE, RoundtripRecord, write_record
from resizekit.showcase.panels import side_by_side
from resizekit.storage.formats import Pixels, Storage

__all__ = ["SHEET", "RoundtripMetrics", "RoundtripResult", "check_not_existing", "roundtrip_file", "roundtrip_picture"]

SHEET = "side-by-side.png"


@dataclass(frozen=True)
class RoundtripMetrics:
    """How good one roundtrip was; PSNR in dB, sizes in bytes.  Of a cube, "rgb" is over all channels and Y is None."""

    weights: str
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
    plain: str = "bicubic"
    """What it is compared with, where the figures say bicubic: the guide, if the channels change."""

    def as_dict(self) -> dict[str, object]:
        """Plain data for JSON."""
        return asdict(self)

    def kept(self, factor: str, small: Path, restored: Path) -> RoundtripRecord:
        """Give what the pictures' folder keeps of it."""
        told = {name: value for name, value in asdict(self).items() if name in RoundtripRecord.model_fields}
        told |= {name: finite(value) for name, value in told.items() if isinstance(value, float)}
        return RoundtripRecord(factor=factor, small=small.name, restored=restored.name, **told)

    def rows(self) -> Iterator[tuple[str, str, str]]:
        """Give (what, ours, bicubic's) for a table."""
        against = "bicubic's" if self.plain == "bicubic" else f"the {self.plain}"
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
    """One roundtrip: the pictures to look at, as codes or floats in [0, 1], and the figures."""

    original: Pixels
    plain: Pixels
    """Restored by bicubic from bicubic's own small picture."""
    restored: Pixels
    low: Pixels
    figures: RoundtripMetrics


def roundtrip_file(
    src: Path,
    folder: Path,
    *,
    weights: str | Path | None = None,
    task: str | None = None,
    compression: str | None = None,
    value_range: ValueRange | None = None,
    wanted: TargetSize | None = None,
    times: int | None = None,
    tile: Tile = "auto",
    device: str = "auto",
    precision: str = "auto",
    overwrite: bool = False,
    progress: Progress = lambda done, of: None,
) -> RoundtripMetrics:
    """Write small.png, restored.png, side-by-side.png and figures.json into `folder`, and measure them.

    The small file is called as what the weights store, and the restored picture is made from it, not from memory.
    Raises what `down_file` and `up_file` raise.
    """
    check_size(wanted, times)
    picture = read_picture(src, value_range)
    channels = picture.pixels.shape[2]
    weights = choose_weights(weights=weights, task=task, channels=channels, size=picture.size, wanted=wanted)
    storage = choose_storage(weights=weights, task=None, compression=compression)
    check_depth(picture, storage, src)
    back = "restored.npy" if picture.mode == "CUBE" or picture.bits == 32 else "restored.png"
    small, restored, sheet = (folder / name for name in (f"small{storage.suffixes[0]}", back, SHEET))
    check_not_existing((small, restored, sheet, folder / RECORD_FILE), overwrite=overwrite)
    codec = choose_codec(
        weights=weights,
        task=None,
        compression=compression,
        times=times,
        device=device,
        precision=precision,
    )
    trip = roundtrip_picture(
        codec,
        picture,
        src.stat().st_size,
        small,
        restored,
        wanted=wanted,
        tile=tile,
        overwrite=overwrite,
        progress=progress,
    )
    seen = (to_display(pixels) for pixels in (trip.original, trip.plain, trip.restored, trip.low))
    pixels = side_by_side(*seen, plainly=f"{trip.figures.plain} down and up")
    write_picture(sheet, Picture(pixels=pixels, icc=picture.icc), overwrite=overwrite)
    factor = codec.spec.short if wanted is None else f"to {trip.low.shape[1]}x{trip.low.shape[0]}"
    write_record(folder, src, picture, [trip.figures.kept(factor, small, restored)])
    return trip.figures


def check_not_existing(targets: Iterable[Path], *, overwrite: bool) -> None:
    """Refuse, before any work, to replace a file that is not to be replaced; `UsageError`."""
    for target in targets:
        if target.exists() and not overwrite:
            raise UsageError(f"{target} exists; pass --overwrite or another folder")


def roundtrip_picture(
    codec: Codec,
    picture: Picture,
    size: int,
    small_file: Path,
    restored_file: Path,
    *,
    wanted: TargetSize | None = None,
    tile: Tile = "auto",
    overwrite: bool = False,
    progress: Progress = lambda done, of: None,
) -> RoundtripResult:
    """Take a picture, whose file has `size` bytes, down into one file and from that alone up into another.

    Both lie in one folder, which is made if need be.  Raises what `down_file` and `up_file` raise.
    """
    storage = codec.storage
    small, _ = down_picture(codec, picture, wanted=wanted, tile=tile, progress=part_of(progress, 0, 2))
    try:
        small_file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make the folder {small_file.parent}: {error.strerror}") from None
    write_picture(small_file, small, storage=storage, overwrite=overwrite)
    given = small.given
    small, manifest = read_small(small_file)
    restored = up_picture(codec, small, manifest, tile=tile, progress=part_of(progress, 1, 2))
    write_picture(restored_file, restored, overwrite=overwrite)

    original, back = (normalize(pixels, picture.value_range) for pixels in (picture.pixels, restored.pixels))
    h, w = small.pixels.shape[:2]
    if wanted is None:
        room = padded_sizes_for(codec.spec, original.shape[:2])
        guide, plain = bicubic_roundtrip(codec, reflect_pad_or_crop(original, room.high))
        guide, plain = reflect_pad_or_crop(guide, room.stored), reflect_pad_or_crop(plain, original.shape[:2])
        border = int(max(codec.spec.s, codec.spec.r))
    else:
        guide, plain = bicubic_roundtrip(codec, original, (h, w))
        border = max(original.shape[0] // h, original.shape[1] // w)
    low = _like(small.pixels, guide)

    def luma(a: Pixels, b: Pixels) -> float | None:
        return None if picture.mode == "CUBE" else psnr_y(a, b, border)

    figures = RoundtripMetrics(
        weights=str(codec.info.weights),
        restored_rgb=psnr(back, original),
        restored_y=luma(back, original),
        bicubic_rgb=psnr(plain, original),
        bicubic_y=luma(plain, original),
        small_rgb=psnr(low, guide),
        small_y=luma(low, guide),
        original_bytes=size,
        small_bytes=_bytes(storage, small.pixels if given is None else given, small.alpha),
        bicubic_bytes=_bytes(storage, guide, small.alpha),
        small_format=storage.format,
        plain=baseline_name(codec),
    )
    return RoundtripResult(original, plain, back, low, figures)


def _like(low: Pixels, guide: Pixels) -> Pixels:
    """A grey picture through colour weights has a small picture of three channels; compare it as grey."""
    if low.shape == guide.shape:
        return low
    grey: Pixels = np.rint(low.mean(axis=2, keepdims=True)).astype(low.dtype)
    return grey


def _bytes(storage: Storage, colours: Pixels, alpha: Pixels | None) -> int:
    file = BytesIO()
    storage.save(file, colours if alpha is None else np.dstack((colours, alpha)))
    return file.tell()
