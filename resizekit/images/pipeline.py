"""Down and up in memory: everything about a picture except the files.

    picture -> colours -> fill_hidden -> bicubic -> pad -> tiles through the encoder -> crop -> storage -> small image
                                                                      (refinement) --^
            -> alpha ------------------> bicubic -> pad -> antialiased bicubic -------> crop ------------>

The way up runs in reverse: pad, tiles through the decoder, crop, inverse bicubic. Bicubic takes part only where the
learned steps alone do not reach the requested size (resizekit.codec.resize_plan).
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import numpy.typing as npt

from resizekit.codec import Codec
from resizekit.codec.alpha import alpha_down, alpha_up, fill_hidden
from resizekit.codec.convert import convert_bits, dtype_of_bits
from resizekit.codec.grid import Progress, Tile, part_of_work
from resizekit.codec.pad import reflect_pad_or_crop
from resizekit.codec.padded_sizes import padded_sizes_for
from resizekit.codec.refine.effort import Effort
from resizekit.codec.refine.objective import check_refinable
from resizekit.codec.refine.pixels import refine_pixels, squared_error
from resizekit.codec.resize_plan import ResizePlan, size_before_steps
from resizekit.codec.tiling import tiled_down, tiled_encode, tiled_up
from resizekit.errors import ImageError, ManifestError, UsageError
from resizekit.images.bicubic_remainder import bicubic_resize, inverse_bicubic
from resizekit.images.manifest_weights import check_nameable, check_weights_match, manifest_name
from resizekit.images.planning import padded_sizes, plan_picture
from resizekit.images.target_size import TargetSize
from resizekit.pictures.channels import match_channels
from resizekit.pictures.io.icc import fitting_profile
from resizekit.pictures.io.write import alpha_refusal
from resizekit.pictures.manifest import Manifest
from resizekit.pictures.picture import Picture
from resizekit.pictures.value_range import ValueRange, denormalize, normalize, normalized_view
from resizekit.spec import HW, ResizeSpec
from resizekit.storage.formats import Pixels, Storage, peak
from resizekit.system.scratch import build

__all__ = ["check_depth", "down_picture", "up_picture"]


def down_picture(
    codec: Codec,
    picture: Picture,
    *,
    source: object = "this picture",
    target: TargetSize | None = None,
    tile: Tile = "auto",
    effort: int | Effort = 0,
    progress: Progress | None = None,
    on_gain: Callable[[float], None] | None = None,
) -> tuple[Picture, Manifest]:
    """Make a picture small in memory.

    Args:
        codec: A codec that was loaded from weights.
        picture: The original, of any size.
        source: The picture, for error messages.
        target: Requested size; None: the codec's own factors.
        tile: Side of the tiles, "auto" or "off".
        effort: 0 to 4, or an `Effort`: how long to improve the small picture for the decoder.
        progress: Called with (tiles done, tiles in total); above effort 0 each iteration on a tile counts.
        on_gain: Called with the gain in PSNR over effort 0, in dB, after each level of effort.

    Returns:
        The small picture, with the manifest embedded, and the manifest. The pixels are those that reading its file
        gives: a lossy format is applied once, to the entire picture.

    Raises:
        ImageError: The channels, depth or size of the picture do not fit the codec.
        UsageError: The requested size is not possible, the codec's storage cannot hold the small image, or the effort
            is out of range or does not work with this codec.
    """
    effort = Effort.of(effort)
    if effort.level:
        check_refinable(codec, effort)
    check_nameable(codec)
    name, storage = manifest_name(codec), codec.storage
    if codec.low_channels not in storage.channels:
        possible = " or ".join(str(n) for n in storage.channels)
        raise UsageError(
            f"weights {name!r} make {codec.low_channels} channels, which a {storage.format} cannot hold: use weights "
            f"for {possible} channels, or a .png"
        )
    check_depth(picture, storage, source)
    if picture.alpha is not None and not storage.alpha:
        raise UsageError(alpha_refusal(storage, f"weights {name!r}"))
    plan = plan_picture(codec, picture.hw, target)
    if plan.times not in (0, codec.times):
        codec = codec.at(plan.times)
    make = partial(_small_picture, codec, picture, plan)
    colours, alpha, value_range = _before_steps(codec, picture, plan, source)
    if not plan.times:
        return make(convert_bits(normalize(colours, value_range), storage.bits), alpha)
    work = 1 + effort.iterations
    padded = padded_sizes(codec, plan.size_before_steps, original=plan.high, source=source)
    high = normalized_view(reflect_pad_or_crop(colours, padded.high), value_range)
    down = tiled_encode if effort.level else tiled_down
    low = reflect_pad_or_crop(down(codec, high, tile, part_of_work(progress, 0, 1, work)), plan.low)
    low_alpha = None
    if alpha is not None:
        low_alpha = reflect_pad_or_crop(alpha_down(codec.spec, reflect_pad_or_crop(alpha, padded.high)), plan.low)
    if not effort.level:
        return make(low, low_alpha)

    def error_of(candidate: Pixels) -> float:
        restored = up_picture(codec, *make(candidate, low_alpha), source=source, tile=tile)
        error = squared_error(restored.pixels, picture.pixels, None if picture.alpha is None else picture.alpha > 0)
        low_end, high_end = picture.value_range or (0, peak(picture.pixels))
        return error / (high_end - low_end) ** 2

    refined = refine_pixels(
        codec,
        high,
        low,
        effort,
        weight=_weight(picture.alpha if plan.intermediate_size is None else alpha, plan.size_before_steps, padded.high),
        tile=tile,
        error_of=error_of,
        progress=part_of_work(progress, 1, effort.iterations, work),
        on_gain=on_gain or (lambda decibels: None),
    )
    return make(refined, low_alpha, effort=effort.level)


def _before_steps(
    codec: Codec, picture: Picture, plan: ResizePlan, source: object
) -> tuple[Pixels, Pixels | None, ValueRange | None]:
    """Prepare colours, alpha and value range for the learned steps: hidden colours filled, bicubic resize done."""
    colours = match_channels(picture.pixels, codec.channels, folds=codec.spec.t > 1, source=source)
    alpha, value_range = picture.alpha, picture.value_range
    if alpha is not None and (plan.times or plan.intermediate_size is not None):
        colours = fill_hidden(colours, alpha)
    alpha = alpha if alpha is None else convert_bits(alpha, codec.storage.bits)
    if plan.intermediate_size is not None:
        colours, value_range = bicubic_resize(normalize(colours, value_range), plan.intermediate_size), None
        alpha = alpha if alpha is None else bicubic_resize(alpha[:, :, None], plan.intermediate_size)[:, :, 0]
    return colours, alpha, value_range


def _small_picture(
    codec: Codec, picture: Picture, plan: ResizePlan, low: Pixels, alpha: Pixels | None, *, effort: int = 0
) -> tuple[Picture, Manifest]:
    """Make the small picture from its pixel values, as reading its file gives it, and its manifest."""
    storage = codec.storage
    pixels = low if storage.exact else storage.read_back(low)
    small = Picture(
        pixels=pixels,
        encoder_pixels=None if storage.exact else low,
        alpha=alpha,
        icc=picture.icc,
        metadata=picture.metadata,
    )
    manifest = Manifest(
        task=codec.info.task,
        weights=manifest_name(codec),
        digest=codec.digest,
        spec=codec.spec if plan.times else ResizeSpec(),
        times=plan.times,
        intermediate_size=None if plan.intermediate_size is None else plan.intermediate_size.wh,
        compression=codec.info.compression,
        size=picture.hw.wh,
        mode=picture.mode,
        precision=codec.precision,
        effort=effort or None,
        bits=picture.bits,
        channels=picture.pixels.shape[2] if picture.mode == "CUBE" else None,
        value_range=picture.value_range,
        pixels=small.digest,
    )
    return replace(small, embedded_manifest=manifest.to_text()), manifest


def _weight(alpha: Pixels | None, size: HW, padded: HW) -> npt.NDArray[np.float32] | None:
    """Weight the pixels of a padded picture: 0 for padding and for hidden pixels; None: all 1."""
    if alpha is None and size == padded:
        return None
    weight = np.zeros(padded, np.float32)
    weight[: size.h, : size.w] = 1 if alpha is None else alpha > 0
    return weight


def check_depth(picture: Picture, storage: Storage, source: object = "this picture") -> None:
    """Refuse a picture of 16 bits per channel for a storage of 8 bits.

    Cubes and floats are not refused: the networks fold them into the channels of the small image.

    Raises:
        ImageError: The storage would lose the lower bits.
    """
    if picture.bits == 16 and picture.mode != "CUBE" and storage.bits == 8:
        raise ImageError(
            f"{source} has more than 8 bits a channel, and these weights store {storage.bits}: "
            "pass --compression uint16 (in Python: compression='uint16'), or convert the picture to 8 bits first"
        )


def up_picture(
    codec: Codec,
    small: Picture,
    manifest: Manifest,
    *,
    source: object = "this image",
    tile: Tile = "auto",
    progress: Progress | None = None,
) -> Picture:
    """Restore a picture in memory.

    Args:
        codec: The codec that made the small image, with any compression and number of steps.
        small: The small image.
        manifest: Its manifest.
        source: The small image, for error messages.
        tile: Side of the tiles, "auto" or "off".
        progress: Called with (tiles done, tiles in total).

    Returns:
        The picture with the size, mode, depth and value range of the original.

    Raises:
        ManifestError: The codec, the image and the manifest do not fit together.
        ImageError: The manifest requests more pixels than the limit allows.
    """
    codec = check_weights_match(codec, manifest, source)
    size = HW.from_wh(manifest.size)
    intermediate = None if manifest.intermediate_size is None else HW.from_wh(manifest.intermediate_size)
    expected = padded_sizes_for(manifest.spec, size).stored if intermediate is None else small.hw
    if (
        small.hw != expected
        or (intermediate is not None and intermediate != size_before_steps(small.hw, codec.step, manifest.times))
        or small.bits != codec.storage.bits
        or small.pixels.shape[2] != (codec.low_channels if manifest.times else codec.channels)
        or (small.alpha is not None) != manifest.mode.endswith("A")
        or codec.channels not in _possible_channels(manifest)
    ):
        raise ManifestError(f"{source} does not fit its own manifest: make the small image again")
    bits = manifest.bits if manifest.value_range is None else 32
    colours, alpha = small.pixels, small.alpha
    if manifest.times:
        restored_size = size if intermediate is None else intermediate
        padded = padded_sizes(codec, restored_size, original=size, source=source)
        colours = reflect_pad_or_crop(
            tiled_up(codec, reflect_pad_or_crop(colours, padded.low), tile, progress, dtype_of_bits(bits)),
            restored_size,
        )
        alpha = (
            alpha
            if alpha is None
            else reflect_pad_or_crop(alpha_up(codec.spec, reflect_pad_or_crop(alpha, padded.low)), restored_size)
        )
    else:
        colours = convert_bits(colours, bits)
    if intermediate is not None:
        colours = inverse_bicubic(colours, size)
        alpha = alpha if alpha is None else inverse_bicubic(alpha[:, :, None], size)[:, :, 0]
    if manifest.mode in ("L", "LA") and colours.shape[2] > 1:  # the encoder got grey as three equal channels
        colours = build((*colours.shape[:2], 1), colours.dtype, partial(_grey, colours), colours)
    colours = denormalize(colours, dtype_of_bits(manifest.bits), manifest.value_range)
    alpha = alpha if alpha is None else convert_bits(alpha, 16 if manifest.bits == 16 else 8)
    return Picture(
        pixels=colours,
        alpha=alpha,
        icc=fitting_profile(small.icc, colours.shape[2]),
        metadata=small.metadata,
        value_range=manifest.value_range,
    )


def _grey(colours: Pixels, rows: slice) -> Pixels:
    mean: npt.NDArray[np.float32] = colours[rows].mean(axis=2, keepdims=True, dtype=np.float32)
    return mean if colours.dtype == np.float32 else np.rint(mean).astype(colours.dtype)


def _possible_channels(manifest: Manifest) -> tuple[int, ...]:
    """List the numbers of channels that a codec may have for the original of a manifest."""
    if manifest.channels is not None:
        return (manifest.channels,)
    return (3,) if manifest.mode.startswith("RGB") else (1, 3)
