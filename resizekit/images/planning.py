"""Plan the resize of a picture: the number of steps, and the bounds of padding."""

import math
from fractions import Fraction

from resizekit.codec import Codec
from resizekit.codec.padded_sizes import PaddedSizes, padded_sizes_for
from resizekit.codec.resize_plan import ResizePlan, plan_resize
from resizekit.errors import ImageError, UsageError
from resizekit.images.target_size import TargetSize
from resizekit.pictures.limits import exceeds_limit
from resizekit.pictures.manifest import MOST
from resizekit.spec import HW

__all__ = ["check_repeatable", "max_steps", "padded_sizes", "plan_picture", "repeated"]


def plan_picture(codec: Codec, size: HW, target: TargetSize | None = None) -> ResizePlan:
    """Plan how a picture becomes small, without computing anything.

    Args:
        codec: The networks; their weights do not matter.
        size: Size of the picture.
        target: Requested size; None: the codec's own factors.

    Raises:
        UsageError: The picture cannot have the requested size, or the codec cannot take the requested number of steps.
    """
    if target is not None and target.times is None:
        return plan_resize(size, target.low(size), codec.step)
    if target is not None and target.times is not None:
        codec = repeated(codec, target.times)
    return ResizePlan(
        times=codec.times,
        step=codec.step,
        high=size,
        intermediate_size=None,
        low=padded_sizes_for(codec.spec, size).stored,
    )


def repeated(codec: Codec, times: int) -> Codec:
    """Return the codec that applies the same networks `times` times.

    Raises:
        UsageError: The codec's step cannot be repeated, or `times` is too large.
    """
    if times == codec.times:
        return codec
    if times > 1:
        check_repeatable(codec)
    if times > MOST:
        raise UsageError(f"times={times} is too large: expected at most {MOST}")
    return codec.at(times)


def check_repeatable(codec: Codec) -> None:
    """Refuse a codec whose step cannot be repeated.

    Raises:
        UsageError: The step changes the channels, or shrinks no axis.
    """
    step = codec.step
    if step.t != 1 or max(step.s, step.r) <= 1:
        reason = "changes the channels" if step.t != 1 else "makes nothing smaller"
        raise UsageError(
            f"weights {codec.info.weights!r} cannot be repeated: their step, {step}, {reason}; use other weights"
        )


def padded_sizes(codec: Codec, size: HW, *, original: HW | None = None, source: object = "this picture") -> PaddedSizes:
    """Compute the padded sizes for a picture, and refuse padding out of bounds before memory is allocated.

    Many steps need a wide margin of context, and a forged manifest can request any number of steps.

    Args:
        codec: The networks, at their number of steps.
        size: Size that the networks take.
        original: Size of the original, which bounds the padding; None: `size`.
        source: The picture, for the error message.

    Raises:
        ImageError: The padded picture has too many pixels.
    """
    sizes = padded_sizes_for(codec.spec, size)
    if not _within_bounds(codec, sizes, size if original is None else original):
        width, height = sizes.high.wh
        steps = max_steps(codec, size)
        advice = (
            f"take fewer steps, at most {steps} ({codec.at(steps).spec.short})" if steps else "take a smaller factor"
        )
        raise ImageError(
            f"{source} would be padded to {width}x{height} pixels to be made {codec.spec.short} smaller, too many "
            f"with {codec.channels} channel(s): {advice}, or a larger picture"
        )
    return sizes


def _within_bounds(codec: Codec, sizes: PaddedSizes, original: HW) -> bool:
    """Check that a padded picture has no more pixels than its steps need and the limit allows."""
    pixels = math.prod(sizes.high)
    # bicubic enlarges no axis by a full step, so that the largest picture that can be read still fits
    largest = max(Fraction(2), codec.step.s * codec.step.r) * math.prod(original)
    return pixels <= largest or not exceeds_limit(sizes.high, codec.channels)


def max_steps(codec: Codec, size: HW) -> int:
    """Return the maximum number of steps for a picture.

    The small image then has at least one pixel on each side that the picture fills, and padding stays within bounds.
    """
    times = 0
    try:
        while times < MOST:
            deeper = codec.at(times + 1)
            filled = size.h >= deeper.spec.s and size.w >= deeper.spec.r
            if not filled or not _within_bounds(deeper, padded_sizes_for(deeper.spec, size), size):
                break
            times += 1
    except UsageError:  # the factors exceed the limit of a spec
        pass
    return times
