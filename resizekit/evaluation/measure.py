"""One picture through a codec and back, measured as section 4.1 measures and stored as a user stores it."""

from collections.abc import Mapping

import numpy as np

from resizekit.codec import Codec
from resizekit.convert import Pixels, from_batch, to_batch, with_bits
from resizekit.evaluation.metrics import luma, psnr
from resizekit.ops import resample_uint8, resample_uint16

__all__ = ["bicubic_roundtrip", "measure", "roundtrip"]


def roundtrip(codec: Codec, high: Pixels) -> tuple[Pixels, Pixels]:
    """Take a picture `h w c` down, through a real file of what the codec stores, and up again: (low, restored).

    Low is as deep as the storage, restored as `high`.  The factors must divide its size.
    """
    low = codec.storage.read_back(codec.to_store(high))
    return low, codec.from_store(low, high.dtype)


def bicubic_roundtrip(codec: Codec, high: Pixels) -> tuple[Pixels, Pixels]:
    """The same resize by bicubic both ways, as MATLAB's `imresize` writes it: (low, restored), codes.

    They are as deep as `roundtrip`'s.  Only for resizes in space alone; the low picture is also the reference that a
    codec's low is measured against.  It is restored from what the codec's storage makes of it, so that both had to live
    with the same.
    """
    _, h, w = codec.spec.low_shape((high.shape[2], high.shape[0], high.shape[1]))
    s, r = codec.spec.s, codec.spec.r
    storage = codec.storage
    resample = resample_uint16 if storage.bits == 16 else resample_uint8
    low = resample(to_batch(with_bits(high, storage.bits)), (h, w), scale=(s, r))
    stored = codec.read_back(low) if low.shape[1] in storage.channels else low  # a grey picture where only RGB is held
    restored = resample(stored, (high.shape[0], high.shape[1]), scale=(1 / s, 1 / r))
    return from_batch(low), with_bits(from_batch(restored), 16 if high.dtype == np.uint16 else 8)


def measure(codec: Codec, high: Pixels) -> Mapping[str, float]:
    """PSNR in dB of one picture `h w c`: high against the original, low against bicubic, and bicubic's own.

    RGB without a border; Y (16 to 235) with a border of the factor.  Keys: high_rgb, high_y, low_rgb, low_y,
    bicubic_rgb, bicubic_y; for a grey picture the "rgb" ones are those of its only channel.
    """
    border = int(max(codec.spec.s, codec.spec.r))
    low, restored = roundtrip(codec, high)
    guide, plain = bicubic_roundtrip(codec, high)
    return {
        "high_rgb": psnr(restored, high),
        "high_y": psnr(luma(restored), luma(high), border=border),
        "low_rgb": psnr(low, guide),
        "low_y": psnr(luma(low), luma(guide), border=border),
        "bicubic_rgb": psnr(plain, high),
        "bicubic_y": psnr(luma(plain), luma(high), border=border),
    }
