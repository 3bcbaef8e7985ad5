"""Find the best quality whose small file is not larger than a number of bytes.

The networks run once: only the file is encoded again for each quality. The size counts everything in the file, also the
manifest and the colour profile.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from numbers import Integral
from typing import TypeAlias

from resizekit.codec import Codec
from resizekit.codec.refine.effort import Effort
from resizekit.codec.refine.pixels import squared_error
from resizekit.errors import UsageError
from resizekit.images.pipeline import down_picture, up_picture
from resizekit.pictures.io.write import encoded_size
from resizekit.pictures.manifest import Manifest
from resizekit.pictures.picture import Picture
from resizekit.spec import HW

__all__ = ["MaxBytes", "best_to_bytes", "fit_small", "largest_quality"]

Down: TypeAlias = Callable[..., tuple[Picture, Manifest]]
Fitted: TypeAlias = tuple[Codec, Picture, Manifest]
"""A codec at the quality that fits, the small picture and its manifest."""

_MOST_BPP = 1000
_CLOSE = 0.98
"""Share of the limit at which the search ends."""


@dataclass(frozen=True)
class MaxBytes:
    """A limit on the size of the small file. Set exactly one of the two.

    Args:
        count: Bytes.
        bpp: Bits per pixel of the original.

    Raises:
        UsageError: Not exactly one is set, or it is not positive.

    Examples:
        >>> MaxBytes(bpp=0.5).of(HW(480, 640))
        19200
    """

    count: int | None = None
    bpp: float | None = None

    def __post_init__(self) -> None:
        if (self.count is None) == (self.bpp is None):
            raise UsageError("set exactly one of the maximum number of bytes and the bits per pixel")
        count = self.count
        if count is not None:
            if isinstance(count, bool) or not isinstance(count, Integral) or count < 1:
                raise UsageError(f"invalid maximum of {count!r} bytes: expected an integer of 1 or more")
            object.__setattr__(self, "count", int(count))  # NumPy has integers of its own
        if self.bpp is not None and not 0 < self.bpp <= _MOST_BPP:
            raise UsageError(
                f"invalid maximum of {self.bpp:g} bits per pixel: expected a number from 0 to {_MOST_BPP}, such as 0.2"
            )

    def of(self, size: HW) -> int:
        """Return the limit in bytes for an original of this size."""
        if self.bpp is not None:
            return math.floor(self.bpp * size.h * size.w / 8)
        assert self.count is not None
        return self.count


def best_to_bytes(
    codecs: Sequence[Codec],
    picture: Picture,
    limit: int,
    *,
    effort: int | Effort = 0,
    down: Down = down_picture,
    source: object = "this picture",
    on_gain: Callable[[float], None] | None = None,
) -> Fitted:
    """Make a picture small as `down_picture`, by the codec and in the quality that restore it best within some bytes.

    An effort improves the picture for that quality. The result may need more bytes, and then gets a lower quality; if
    it is restored worse than without the effort, the one without is returned.

    Args:
        codecs: Codecs to try, at least one, loaded from weights and with a compression that has qualities.
        picture: The original.
        limit: Largest number of bytes of the file.
        effort: How long to improve the small picture of the best codec.
        down: `down_picture` with its other options.
        source: The original, for error messages.
        on_gain: Called at the end with the gain in PSNR of the effort, in dB, both files within the limit.

    Returns:
        The codec at the quality that fits, the small picture and its manifest.

    Raises:
        UsageError: As `down_picture`, or no codec has so few bytes at the lowest quality.
    """
    effort = Effort.of(effort)
    codec, plain = _best_plain(codecs, picture, limit, down=down, source=source)
    if not effort.level:
        return plain
    refined = fit_small(codec, *down(plain[0], picture, effort=effort), limit, source=source)
    before, after = (_error(picture, *one, source=source) for one in (plain, refined))
    if on_gain is not None:
        on_gain(10 * math.log10(before / after) if 0 < after < before else 0.0)
    return refined if after < before else plain


def _best_plain(
    codecs: Sequence[Codec], picture: Picture, limit: int, *, down: Down, source: object
) -> tuple[Codec, Fitted]:
    """Return the codec whose file of at most `limit` bytes is restored best, and this file, without an effort."""
    fitting: list[tuple[Codec, Fitted]] = []
    refusals: list[UsageError] = []
    for codec in codecs:
        try:
            fitting.append((codec, fit_small(codec, *down(codec, picture), limit, source=source)))
        except UsageError as refusal:
            refusals.append(refusal)
    if not fitting:
        raise refusals[0]
    if len(fitting) == 1:
        return fitting[0]
    return min(fitting, key=lambda found: _error(picture, *found[1], source=source))


def _error(picture: Picture, codec: Codec, small: Picture, manifest: Manifest, *, source: object) -> float:
    """Return the squared error of the restored picture, over its visible pixels."""
    visible = None if picture.alpha is None else picture.alpha > 0
    return squared_error(up_picture(codec, small, manifest, source=source).pixels, picture.pixels, visible)


def fit_small(
    codec: Codec, small: Picture, manifest: Manifest, limit: int, *, source: object = "this picture"
) -> Fitted:
    """Encode a small picture in the best quality that fits.

    Args:
        codec: The codec that made the small picture, with a compression that has qualities.
        small: The small picture, from `down_picture`.
        manifest: Its manifest.
        limit: Largest number of bytes of the file.
        source: The original, for the error message.

    Returns:
        The codec at this quality, and the picture and the manifest as its file holds them.

    Raises:
        UsageError: Not even the lowest quality fits.
    """
    qualities, low = codec.compression.qualities, small.encoder_pixels
    assert qualities is not None
    assert low is not None, "an exact format has no qualities"
    cell = replace(small, pixels=small.pixels[:1, :1], encoder_pixels=low[:1, :1])
    extra = encoded_size(cell, codec.storage) - len(codec.storage.encode(low[:1, :1]))

    def size_of(quality: int) -> int:
        return len(codec.at_quality(quality).storage.encode(low)) + extra

    best = largest_quality(size_of, qualities, limit)
    while best is not None:
        fitted = codec.at_quality(best)
        pixels = fitted.storage.read_back(low)
        record = manifest.model_copy(update={"pixels": replace(small, pixels=pixels).digest})
        stored = replace(small, pixels=pixels, embedded_manifest=record.to_text())
        if encoded_size(stored, fitted.storage) <= limit:
            return fitted, stored, record
        best = best - 1 if best > qualities[0] else None  # some containers pad to an even number of bytes
    raise UsageError(
        f"{source}: {limit} bytes are too few for a small {codec.storage.format} of these weights; at the lowest "
        f"quality it has {size_of(qualities[0])} bytes"
    )


def largest_quality(size_of: Callable[[int], int], qualities: range, limit: int) -> int | None:
    """Find the largest quality whose size is not above the limit, by bisection.

    Args:
        size_of: Returns the size at a quality; it grows with the quality. At most 7 calls for 101 qualities.
        qualities: The possible qualities.
        limit: The largest allowed size. A size within 2 % of it ends the search.

    Returns:
        The quality; None if all sizes exceed the limit.
    """
    low, high, best = qualities[0], qualities[-1], None
    while low <= high:
        quality = (low + high) // 2
        size = size_of(quality)
        if size > limit:
            high = quality - 1
            continue
        best, low = quality, quality + 1
        if size >= _CLOSE * limit:
            break
    return best
