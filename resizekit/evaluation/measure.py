"""One picture through a codec and back, measured as section 4.1 measures and stored as a user stores it."""

from collections.abc import Mapping
from fractions import Fraction

import torch
from torch import Tensor

from resizekit.codec import Codec
from resizekit.codec.convert import bits_of, from_batch, to_batch, with_bits
from resizekit.codec.resize_plan import size_before_steps
from resizekit.evaluation.metrics import luma, psnr
from resizekit.images.pad import reflect_pad_or_crop
from resizekit.nn import to_float
from resizekit.ops import resample_codes, to_uint, to_uint8
from resizekit.spec import ResizeSpec
from resizekit.storage.compressions import Float
from resizekit.storage.formats import Pixels

__all__ = ["baseline_name", "bicubic_roundtrip", "measure", "psnr_y", "roundtrip"]


def roundtrip(codec: Codec, high: Pixels) -> tuple[Pixels, Pixels]:
    """Take a picture `h w c` down, through a real file of what the codec stores, and up again: (low, restored).

    Low is as deep as the storage, restored as `high`.  The factors must divide its size.  With the compression `none`
    there is no file, and the decoder is given the very numbers of the encoder.
    """
    if isinstance(codec.compression, Float):
        return _kept_in_floats(codec, high)
    low = codec.storage.read_back(codec.down_pixels(high))
    return low, codec.up_pixels(low, high.dtype)


def _kept_in_floats(codec: Codec, high: Pixels) -> tuple[Pixels, Pixels]:
    """Rounded only to be measured."""
    with torch.inference_mode():
        low = codec.down_tensor(to_float(to_batch(high).to(codec.device)))
        restored = codec.up_tensor(low)
        return from_batch(to_uint8(low).cpu()), with_bits(from_batch(restored.cpu()), bits_of(high))


def bicubic_roundtrip(codec: Codec, high: Pixels, size: tuple[int, int] | None = None) -> tuple[Pixels, Pixels]:
    """The same resize by bicubic both ways, as MATLAB's `imresize` writes it: (low, restored).

    Both are as deep as `roundtrip`'s.  `size` is (height, width) of low where the codec
    by itself makes another.

    Where the channels change too, low is the codec's guide, and restored repeats it in the channels.  The low picture
    is also the reference that a codec's low is measured against.  It is restored from what the codec's storage makes of
    it, so that both had to live with the same.
    """
    height, width, channels = high.shape
    h, w = codec.spec.low_shape((channels, height, width))[1:] if size is None else size
    s, r = Fraction(height, h), Fraction(width, w)
    storage = codec.storage
    flat = with_bits(high, storage.bits)
    if codec.spec.t == 1:
        low = resample_codes(to_batch(flat), (h, w), scale=(s, r))
    else:
        low = _guide(codec, high if size is None else _before_guide(codec.spec, flat, size))[..., :h, :w]
    stored = codec.read_back(low) if low.shape[1] in storage.channels else low  # a grey picture where only RGB is held
    restored = _repeated(resample_codes(stored, (height, width), scale=(1 / s, 1 / r)), codec.spec)
    return from_batch(low), with_bits(from_batch(restored), bits_of(high))


def baseline_name(codec: Codec) -> str:
    """Say in a word what `bicubic_roundtrip` compares with."""
    return "bicubic" if codec.spec.t == 1 else "guide"


def _guide(codec: Codec, high: Pixels) -> Tensor:
    """What low should look like, as the storage keeps it: `(s h) (r w) (t c) -> 1 c h w`, codes."""
    with torch.inference_mode():
        guide = codec.guide(to_float(to_batch(high).to(codec.device)))
        return to_uint(guide, codec.storage.bits).cpu()


def _before_guide(spec: ResizeSpec, high: Pixels, size: tuple[int, int]) -> Pixels:
    """Resize high so that its guide has (height, width) of `size`, or hardly more where no whole number divides."""
    middle = size_before_steps(size, spec, 1)
    return reflect_pad_or_crop(from_batch(resample_codes(to_batch(high), middle)), spec.pad(middle))


def _repeated(x: Tensor, spec: ResizeSpec) -> Tensor:
    """Give every channel of high the nearest of low's: `b c h w -> b (t c) h w`."""
    down, up = spec.t.denominator, spec.t.numerator
    groups = x.chunk(down, 1)
    return torch.cat([groups[i * down // up] for i in range(up)], 1)


def measure(codec: Codec, high: Pixels) -> Mapping[str, float]:
    """PSNR in dB of one picture `h w c`: high against the original, low against bicubic, and bicubic's own.

    Bicubic's are those of `bicubic_roundtrip`, which takes the guide where the channels change.

    RGB without a border; Y (16 to 235) with one of the factor, or none on a picture too small for it.  Keys: high_rgb,
    high_y, low_rgb, low_y, bicubic_rgb, bicubic_y; for a grey picture the "rgb" ones are those of its only channel, for
    a cube those over all channels, and it has no Y.
    """
    border = int(max(codec.spec.s, codec.spec.r))
    low, restored = roundtrip(codec, high)
    guide, plain = bicubic_roundtrip(codec, high)
    figures = {}
    for name, a, b in (("high", restored, high), ("low", low, guide), ("bicubic", plain, high)):
        figures[f"{name}_rgb"] = psnr(a, b)
        if codec.channels in (1, 3):
            figures[f"{name}_y"] = psnr_y(a, b, border)
    return figures


def psnr_y(a: Pixels, b: Pixels, border: int) -> float:
    """PSNR in dB of the Y of two pictures `h w c` inside a border, which is left out where it would leave nothing."""
    fits = 2 * border < min(a.shape[:2])
    return psnr(luma(a), luma(b), border=border if fits else 0)
