"""Measure one picture that is downscaled, stored as a real file and restored (paper, section 4.1)."""

import time
from collections.abc import Mapping
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor

from resizekit.codec import Codec
from resizekit.codec.alpha import alpha_down
from resizekit.codec.convert import bit_depth, convert_bits, from_batch, to_batch
from resizekit.codec.pad import reflect_pad_or_crop
from resizekit.codec.refine.effort import Effort
from resizekit.codec.refine.objective import check_refinable
from resizekit.codec.refine.pixels import refine_pixels
from resizekit.codec.resize_plan import size_before_steps
from resizekit.codec.tiling import tiled_encode
from resizekit.evaluation.metrics import Weight, luma, psnr
from resizekit.nn import to_float
from resizekit.ops import resample_codes, to_uint, to_uint8
from resizekit.spec import HW, ResizeSpec
from resizekit.storage.formats import Pixels

__all__ = ["baseline_name", "bicubic_roundtrip", "measure", "psnr_y", "roundtrip"]


def roundtrip(
    codec: Codec, high: Pixels, *, alpha: Pixels | None = None, effort: int | Effort = 0
) -> tuple[Pixels, Pixels]:
    """Downscale a picture, store it as a real file, and restore it.

    With the compression `none` no file is written, and the decoder receives the unrounded output of the encoder.

    Args:
        codec: The codec to apply.
        high: A picture `h w c` whose size the factors divide.
        alpha: Opacity `h w`: an effort does not improve pixels with alpha 0.
        effort: 0 to 4, or an `Effort`: how long to improve low for the decoder.

    Returns:
        (low, restored). Low has the bit depth of the codec's storage, restored that of `high`.

    Raises:
        ResizeShapeError: If the factors do not divide the size.
    """
    effort = Effort.of(effort)
    if effort.level:
        check_refinable(codec, effort)
        weight = None if alpha is None else (alpha > 0).astype(np.float32)
        low = refine_pixels(codec, high, tiled_encode(codec, high, "off"), effort, weight=weight)
    elif codec.compression.in_memory:
        return _roundtrip_in_floats(codec, high)
    else:
        low = codec.down_pixels(high)
    low = codec.storage.read_back(low)
    return low, codec.up_pixels(low, high.dtype)


def _roundtrip_in_floats(codec: Codec, high: Pixels) -> tuple[Pixels, Pixels]:
    """Round low only for the measurement, not for the decoder."""
    with torch.inference_mode():
        low = codec.down_tensor(to_float(to_batch(high).to(codec.device)))
        restored = codec.up_tensor(low)
        return from_batch(to_uint8(low).cpu()), convert_bits(from_batch(restored.cpu()), bit_depth(high))


def bicubic_roundtrip(codec: Codec, high: Pixels, size: tuple[int, int] | None = None) -> tuple[Pixels, Pixels]:
    """Downscale and restore a picture by bicubic interpolation, equal to MATLAB's `imresize`.

    This is the baseline for the metrics of a codec with the same factors. Its low picture is also the reference for
    the low picture of the codec. If the number of channels changes too, low is the codec's guide, and restored
    repeats the guide in all channels. The codec's storage is applied to low before it is restored.

    Args:
        codec: The codec to compare with. Its factors, guide and storage are used, not its networks.
        high: A picture `h w c`.
        size: (height, width) of low, if it differs from the size that the codec makes.

    Returns:
        (low, restored), with the same bit depths as from `roundtrip`.
    """
    height, width, channels = high.shape
    low_size = HW(*(codec.spec.low_shape((channels, height, width))[1:] if size is None else size))
    s, r = Fraction(height, low_size.h), Fraction(width, low_size.w)
    storage = codec.storage
    as_stored = convert_bits(high, storage.bits)
    if codec.spec.t == 1:
        low = resample_codes(to_batch(as_stored), low_size, scale=(s, r))
    else:
        source = high if size is None else _resize_before_guide(codec.spec, as_stored, low_size)
        low = _guide(codec, source)[..., : low_size.h, : low_size.w]
    # low of a grey picture stays as it is if the storage holds only RGB
    stored = codec.read_back(low) if low.shape[1] in storage.channels else low
    restored = _repeat_channels(resample_codes(stored, (height, width), scale=(1 / s, 1 / r)), codec.spec)
    return from_batch(low), convert_bits(from_batch(restored), bit_depth(high))


def baseline_name(codec: Codec) -> str:
    """Return the name of the baseline that `bicubic_roundtrip` computes: "bicubic" or "guide"."""
    return "bicubic" if codec.spec.t == 1 else "guide"


def _guide(codec: Codec, high: Pixels) -> Tensor:
    """Compute the target for low as the storage holds it: `(s h) (r w) (t c) -> 1 c h w`, integers."""
    with torch.inference_mode():
        guide = codec.guide(to_float(to_batch(high).to(codec.device)))
        return to_uint(guide, codec.storage.bits).cpu()


def _resize_before_guide(spec: ResizeSpec, high: Pixels, low_size: HW) -> Pixels:
    """Resize high so that its guide has `low_size`, or the next larger size if the factors do not divide it."""
    size = size_before_steps(low_size, spec, 1)
    return reflect_pad_or_crop(from_batch(resample_codes(to_batch(high), size)), spec.pad(size))


def _repeat_channels(x: Tensor, spec: ResizeSpec) -> Tensor:
    """Give every channel of high the nearest channel of low: `b c h w -> b (t c) h w`."""
    down, up = spec.t.denominator, spec.t.numerator
    groups = x.chunk(down, 1)
    return torch.cat([groups[i * down // up] for i in range(up)], 1)


def measure(
    codec: Codec,
    high: Pixels,
    *,
    alpha: Pixels | None = None,
    effort: int | Effort = 0,
    with_seconds: bool = False,
) -> Mapping[str, float]:
    """Measure the PSNR of one picture: restored against the original, low against bicubic, and of the baseline.

    RGB has no border. Y (16 to 235) leaves out a border as wide as the factor, or no border if the picture is too
    small for it.

    Args:
        codec: The codec to measure.
        high: A picture `h w c` whose size the factors divide.
        alpha: Opacity `h w`: each pixel counts by its alpha, and those with alpha 0 do not count.
        effort: As for `roundtrip`.
        with_seconds: Whether to measure the time of the roundtrip too, under the key "seconds".

    Returns:
        PSNR in dB by the keys high_rgb, high_y, low_rgb, low_y, bicubic_rgb and bicubic_y. The bicubic values belong
        to `bicubic_roundtrip`. For a picture of one channel, the "rgb" values belong to this channel. For a picture
        with neither 1 nor 3 channels, they belong to all channels, and the keys of Y are missing.

    Raises:
        ResizeShapeError: If the factors do not divide the size.

    Examples:
        >>> import numpy as np, resizekit
        >>> codec = resizekit.build("sr", network={"width": 4, "blocks": 0}).eval()
        >>> sorted(measure(codec, np.zeros((8, 8, 3), np.uint8)))
        ['bicubic_rgb', 'bicubic_y', 'high_rgb', 'high_y', 'low_rgb', 'low_y']
    """
    border = int(max(codec.spec.s, codec.spec.r))
    begin = time.perf_counter()
    low, restored = roundtrip(codec, high, alpha=alpha, effort=effort)
    seconds = time.perf_counter() - begin
    guide, baseline = bicubic_roundtrip(codec, high)
    metrics = {}
    low_alpha = None if alpha is None else alpha_down(codec.spec, alpha)
    compared = ("high", restored, high, alpha), ("low", low, guide, low_alpha), ("bicubic", baseline, high, alpha)
    for name, a, b, weight in compared:
        metrics[f"{name}_rgb"] = psnr(a, b, weight=weight)
        if codec.channels in (1, 3):
            metrics[f"{name}_y"] = psnr_y(a, b, border, weight)
    return {**metrics, "seconds": seconds} if with_seconds else metrics


def psnr_y(a: Pixels, b: Pixels, border: int, weight: Weight | None = None) -> float:
    """Compute the PSNR in dB of the Y of two pictures `h w c`, without `border` pixels on each side.

    The border is not left out if nothing would remain. `weight` is as for `psnr`.
    """
    fits = 2 * border < min(a.shape[:2])
    return psnr(luma(a), luma(b), border=border if fits else 0, weight=weight)
