"""Down and up in memory: everything about a picture but the files.

    picture ─► colours ─► fill_hidden ─► remainder ─► pad ─► tiles through the encoder ─► crop ─► storage ─► small
            └► alpha ─────────────────► remainder ─► pad ─► antialiased bicubic ──────► crop ─────────────┘

The way up is the mirror image: pad, tiles through the decoder, crop, the remainder undone.  There is a remainder only
where a size is wanted that the learned steps do not reach (resizekit.codec.resize_plan).
"""

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np

from resizekit.codec import Codec
from resizekit.codec.convert import kind_of_bits, with_bits
from resizekit.codec.resize_plan import ResizePlan, plan_resize, size_before_steps
from resizekit.codec.tiling import Progress, Tile, tiled_down, tiled_up
from resizekit.errors import ImageError, ManifestError, UsageError
from resizekit.images.alpha import alpha_down, alpha_up, fill_hidden
from resizekit.images.bicubic_remainder import bicubic_resize, inverse_bicubic
from resizekit.images.channels import match_channels
from resizekit.images.io.write import without_alpha
from resizekit.images.limits import too_many
from resizekit.images.manifest import MOST, Manifest
from resizekit.images.pad import PaddedSizes, Size, padded_sizes_for, reflect_pad_or_crop
from resizekit.images.picture import Picture
from resizekit.images.selection import manifest_name, matching
from resizekit.images.target_size import TargetSize
from resizekit.images.value_range import denormalize, normalize, normalized_view
from resizekit.spec import ResizeSpec
from resizekit.storage.formats import Storage

__all__ = ["check_depth", "down_picture", "max_steps", "padded_sizes", "plan_picture", "up_picture"]


def plan_picture(codec: Codec, size: tuple[int, int], wanted: TargetSize | None = None) -> ResizePlan:
    """Decide how a picture of (width, height) becomes small, without doing it; None: by the codec's own factors.

    Raises `UsageError` for a wanted size that the picture cannot have.
    """
    high = size[1], size[0]
    if wanted is None:
        return ResizePlan(
            times=codec.times, step=codec.step, high=high, middle=None, low=padded_sizes_for(codec.spec, high).stored
        )
    return plan_resize(high, wanted.low(high), codec.step)


def down_picture(
    codec: Codec,
    picture: Picture,
    *,
    where: object = "this picture",
    wanted: TargetSize | None = None,
    tile: Tile = "auto",
    progress: Progress | None = None,
) -> tuple[Picture, Manifest]:
    """Make a picture small in memory; the small one carries the manifest as its note.

    Its pixels are those that reading its file gives: a storage that loses some is applied once, to the whole picture.
    """
    name, storage = manifest_name(codec), codec.storage
    if codec.low_channels not in storage.channels:
        could = " or ".join(str(n) for n in storage.channels)
        raise UsageError(
            f"weights {name!r} make {codec.low_channels} channels, which no {storage.format} holds: use {could}"
        )
    check_depth(picture, storage, where)
    if picture.alpha is not None and not storage.alpha:
        raise UsageError(without_alpha(storage, f"weights {name!r}"))
    route = plan_picture(codec, picture.size, wanted)
    if route.times not in (0, codec.times):
        codec = codec.at(route.times)
    given = match_channels(picture.pixels, codec.channels, folds=codec.spec.t > 1, where=where)
    alpha, value_range = picture.alpha, picture.value_range
    if alpha is not None and (route.times or route.middle is not None):
        given = fill_hidden(given, alpha)
    alpha = alpha if alpha is None else with_bits(alpha, storage.bits)
    if route.middle is not None:
        given, value_range = bicubic_resize(normalize(given, value_range), route.middle), None
        alpha = alpha if alpha is None else bicubic_resize(alpha[:, :, None], route.middle)[:, :, 0]
    if route.times:
        room = padded_sizes(codec, route.middle or route.high, of=route.high, where=where)
        given = reflect_pad_or_crop(
            tiled_down(codec, normalized_view(reflect_pad_or_crop(given, room.high), value_range), tile, progress),
            route.low,
        )
        alpha = (
            alpha
            if alpha is None
            else reflect_pad_or_crop(alpha_down(codec.spec, reflect_pad_or_crop(alpha, room.high)), route.low)
        )
    else:
        given = with_bits(normalize(given, value_range), storage.bits)
    pixels = given if storage.exact else storage.read_back(given)
    small = Picture(pixels=pixels, given=None if storage.exact else given, alpha=alpha, icc=picture.icc)
    manifest = Manifest(
        task=codec.info.task,
        weights=name,
        digest=codec.digest,
        spec=codec.spec if route.times else ResizeSpec(),
        times=route.times,
        middle=route.middle and (route.middle[1], route.middle[0]),
        compression=codec.info.compression,
        size=picture.size,
        mode=picture.mode,
        bits=picture.bits,
        channels=picture.pixels.shape[2] if picture.mode == "CUBE" else None,
        value_range=picture.value_range,
        pixels=small.digest,
    )
    return replace(small, note=manifest.to_text()), manifest


def check_depth(picture: Picture, storage: Storage, where: object = "this picture") -> None:
    """Refuse a picture whose last bits a storage would lose; of cubes and floats it keeps what the networks make."""
    if picture.bits == 16 and picture.mode != "CUBE" and storage.bits == 8:
        raise ImageError(
            f"{where} has more than 8 bits a channel, and these weights store {storage.bits}: "
            "say --compression uint16, or convert it to 8 bits first"
        )


def up_picture(
    codec: Codec,
    small: Picture,
    manifest: Manifest,
    *,
    where: object = "this image",
    tile: Tile = "auto",
    progress: Progress | None = None,
) -> Picture:
    """Restore a picture in memory; `ManifestError` if codec, image and manifest do not fit."""
    codec = matching(codec, manifest, where)
    size, low = (manifest.size[1], manifest.size[0]), (small.size[1], small.size[0])
    middle = manifest.middle and (manifest.middle[1], manifest.middle[0])
    leads_to = padded_sizes_for(manifest.spec, size).stored if middle is None else low
    if (
        low != leads_to
        or (middle is not None and middle != size_before_steps(low, codec.step, manifest.times))
        or small.bits != codec.storage.bits
        or small.pixels.shape[2] != (codec.low_channels if manifest.times else codec.channels)
        or (small.alpha is not None) != manifest.mode.endswith("A")
        or codec.channels not in _high_channels(manifest)
    ):
        raise ManifestError(f"{where} does not fit its own manifest: make the small image again")
    bits = manifest.bits if manifest.value_range is None else 32
    colours, alpha = small.pixels, small.alpha
    if manifest.times:
        room = padded_sizes(codec, middle or size, of=size, where=where)
        colours = reflect_pad_or_crop(
            tiled_up(codec, reflect_pad_or_crop(colours, room.low), tile, progress, kind_of_bits(bits)), middle or size
        )
        alpha = (
            alpha
            if alpha is None
            else reflect_pad_or_crop(alpha_up(codec.spec, reflect_pad_or_crop(alpha, room.low)), middle or size)
        )
    else:
        colours = with_bits(colours, bits)
    if middle is not None:
        colours = inverse_bicubic(colours, size)
        alpha = alpha if alpha is None else inverse_bicubic(alpha[:, :, None], size)[:, :, 0]
    if manifest.mode in ("L", "LA") and colours.shape[2] > 1:  # grey went in as equal channels
        mean = colours.mean(axis=2, keepdims=True, dtype=np.float32)
        colours = mean if bits == 32 else np.rint(mean).astype(colours.dtype)
    colours = denormalize(colours, kind_of_bits(manifest.bits), manifest.value_range)
    alpha = alpha if alpha is None else with_bits(alpha, 16 if manifest.bits == 16 else 8)
    return Picture(pixels=colours, alpha=alpha, icc=small.icc, value_range=manifest.value_range)


def _high_channels(manifest: Manifest) -> tuple[int, ...]:
    """How many channels a codec may have for the original that a manifest speaks of."""
    if manifest.channels is not None:
        return (manifest.channels,)
    return (3,) if manifest.mode.startswith("RGB") else (1, 3)


def padded_sizes(codec: Codec, size: Size, *, of: Size | None = None, where: object = "this picture") -> PaddedSizes:
    """Find the sizes for a picture of (height, width), and refuse before memory is taken what pads it out of bounds.

    A deep power of the networks needs a wide margin to see anything, and a forged manifest can ask for as many steps as
    it likes: `ImageError` where that has too many pixels for an original `of` (height, width); None: of that very size.
    """
    room = padded_sizes_for(codec.spec, size)
    if not _within(codec, room, size if of is None else of):
        height, width = room.high
        most = max_steps(codec, size)
        fewer = f"take fewer steps, at most {most} ({codec.at(most).spec.short})" if most else "take a smaller factor"
        raise ImageError(
            f"{where} would be padded to {width}x{height} pixels to be made {codec.spec.short} smaller, too many "
            f"with {codec.channels} channel(s): {fewer}, or a larger picture"
        )
    return room


def _within(codec: Codec, room: PaddedSizes, original: Size) -> bool:
    """Tell whether what a picture is padded to has no more pixels than its steps and the limit allow."""
    pixels = math.prod(room.high)
    # bicubic enlarges no axis by a step or more, so the largest picture that may be read still fits
    largest = max(Fraction(2), codec.step.s * codec.step.r) * math.prod(original)
    return pixels <= largest or not too_many(room.high, codec.channels)


def max_steps(codec: Codec, size: Size) -> int:
    """Tell how often these networks can make a picture of (height, width) small.

    The small image has at least one pixel a side then that the picture fills, and padding stays within bounds.
    """
    times = 0
    try:
        while times < MOST:
            deeper = codec.at(times + 1)
            filled = size[0] >= deeper.spec.s and size[1] >= deeper.spec.r
            if not filled or not _within(deeper, padded_sizes_for(deeper.spec, size), size):
                break
            times += 1
    except UsageError:  # beyond what a factor can be
        pass
    return times
