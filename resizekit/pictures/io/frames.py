"""Choose one frame of an animation, and compose it as a viewer shows it.

A frame of GIF, APNG and WebP is a rectangle that is drawn on the frames before it. A file of a few bytes can declare
thousands of large frames, so the work for one frame has a limit that grows with the size of the file, and only the
frames that are visible in the chosen one are decoded.

    frames ─► visible_frames ─► compose ─► h w c, with alpha
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from resizekit.errors import ImageError, UsageError
from resizekit.pictures.io.source import Source
from resizekit.spec import HW
from resizekit.storage.formats import Pixels, peak

__all__ = [
    "Animation", "Box", "Disposal", "Frame",
    "check_frame_number", "check_frame_size", "check_work", "choose_frame", "compose", "no_such_frame",
    "several_frames", "visible_frames",
]  # fmt: skip

MAX_CANVAS = 2**27
"""Largest canvas of an animation in bytes: 8K with 8 bits per channel and alpha."""
_WORK, _WORK_PER_BYTE = 2**26, 64
"""Pixels that are decoded for one frame: for any file, and for each of its bytes."""
_MOST_FRAMES = 2**14
"""Frames that are drawn for one frame."""
_STRIP = 2**18
"""Pixels that are blended at once."""


class Disposal(Enum):
    """What happens to a frame before the next one is drawn."""

    KEEP = "keep"
    CLEAR = "clear"
    """Its rectangle becomes transparent."""
    RESTORE = "restore"
    """Its rectangle becomes what it was before the frame."""


class Box(NamedTuple):
    """The rectangle of a frame on the canvas, in pixels."""

    left: int
    top: int
    width: int
    height: int

    def covers(self, size: HW) -> bool:
        """Return whether the rectangle contains the entire canvas."""
        return (self.left, self.top) == (0, 0) and self.width >= size.w and self.height >= size.h


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One frame of a file, not yet decoded."""

    box: Box
    decode: Callable[[], Pixels]
    """Return `h w c` with alpha as the last channel, or the indices `h w` of a palette."""
    palette: Callable[[], Pixels] | None = None
    """Return the colours of the indices `n c`, with alpha."""
    blends: bool = True
    """Whether the frame is drawn over the canvas; otherwise it replaces its rectangle."""
    disposal: Disposal = Disposal.KEEP


@dataclass(frozen=True, kw_only=True)
class Animation:
    """The frames of a file."""

    size: HW
    frames: Iterable[Frame]
    """Frames in the order of the file."""
    channels: int = 4
    """Channels of the canvas, with alpha."""
    dtype: type[np.uint8] | type[np.uint16] = np.uint8


def check_frame_number(frame: int | None) -> None:
    """Refuse a number that no file can have.

    Raises:
        UsageError: The number is less than 1.
    """
    if frame is not None and frame < 1:
        raise UsageError(f"invalid frame {frame}: expected 1 or more; the first frame is 1")


def several_frames(path: Source, *, can_choose: bool = True) -> ImageError:
    """Return the error for an animation of which no frame is chosen."""
    remedy = (
        "choose one with --frame, such as --frame 1 (in Python: frame=1), or export one"
        if can_choose
        else "export one of them"
    )
    return ImageError(f"{path} holds several frames or pages: {remedy} as a picture")


def no_such_frame(path: Source, frame: int, count: int) -> ImageError:
    """Return the error for a frame that a file does not have."""
    if count == 1:
        return ImageError(f"{path} has no frame {frame}: it is read as a single frame, number 1")
    return ImageError(f"{path} has no frame {frame}: it has {count} frames, so choose 1 to {count}")


def check_frame_size(path: Source, size: HW, pixel_bytes: int = 4) -> None:
    """Refuse frames that are too large to be held several times.

    Raises:
        ImageError: They need more memory than a frame of 8K with 8 bits per channel and alpha.
    """
    if size.h * size.w * pixel_bytes > MAX_CANVAS:
        raise ImageError(
            f"{path} has frames of {size.w}x{size.h} pixels, more than {MAX_CANVAS >> 20} MiB: export one as a picture"
        )


def check_work(path: Source, pixels: int) -> None:
    """Refuse a frame that needs more work than the size of the file justifies.

    Args:
        path: The file.
        pixels: Pixels to decode.

    Raises:
        ImageError: There are too many.
    """
    if pixels > _budget(path):
        raise _too_much_work(path)


def choose_frame(path: Source, animation: Animation, number: int) -> Pixels:
    """Compose one frame of an animation.

    Args:
        path: The file.
        animation: Its frames.
        number: Number of the frame; the first is 1.

    Returns:
        `h w c`, with alpha as the last channel.

    Raises:
        ImageError: The file has fewer frames, or the frame needs too much memory or work.
    """
    pixel_bytes = animation.channels * np.dtype(animation.dtype).itemsize
    check_frame_size(path, animation.size, pixel_bytes)
    frames = visible_frames(path, animation, number)
    for frame in frames:
        check_frame_size(path, HW(frame.box.height, frame.box.width), pixel_bytes)
    return compose(animation, frames)


def visible_frames(path: Source, animation: Animation, number: int) -> Sequence[Frame]:
    """List the frames that are drawn for one frame: this frame, and those before it that are still visible.

    A frame that the file removes before the next one is not drawn; where it is cleared, its rectangle is.

    Raises:
        ImageError: The file has fewer frames, or they need too much work.
    """
    budget, count, work = _budget(path), 0, 0
    visible: list[Frame] = []
    for frame in animation.frames:
        count += 1
        hides_all = frame.box.covers(animation.size)
        is_last = count == number
        if (hides_all and not frame.blends and (is_last or frame.disposal is Disposal.KEEP)) or (
            hides_all and not is_last and frame.disposal is Disposal.CLEAR
        ):
            visible, work = [], 0
        if is_last or frame.disposal is not Disposal.RESTORE:
            work += frame.box.width * frame.box.height
            if work <= budget and len(visible) <= _MOST_FRAMES:  # hold no frames in memory that will be refused
                visible.append(frame)
        if is_last:
            if work > budget or len(visible) > _MOST_FRAMES:
                raise _too_much_work(path)
            return visible
    raise no_such_frame(path, number, count)


def compose(animation: Animation, frames: Sequence[Frame]) -> Pixels:
    """Draw frames on a transparent canvas; the last is the result, whatever its disposal.

    Args:
        animation: Size and type of the canvas.
        frames: The frames that `visible_frames` returned.

    Returns:
        `h w c`, with alpha as the last channel.
    """
    canvas: Pixels = np.zeros((*animation.size, animation.channels), animation.dtype)
    for frame in frames[:-1]:
        if frame.disposal is Disposal.CLEAR:
            left, top, width, height = frame.box
            canvas[top : top + height, left : left + width] = 0
        else:
            _draw(canvas, frame)
    _draw(canvas, frames[-1])
    return canvas


def _draw(canvas: Pixels, frame: Frame) -> None:
    left, top, width, height = frame.box
    source = frame.decode()
    palette = None if frame.palette is None else frame.palette()
    rows = max(1, _STRIP // max(1, width))
    for start in range(0, height, rows):
        target = canvas[top + start : top + min(height, start + rows), left : left + width]
        drawn = source[start : start + target.shape[0], : target.shape[1]]
        if palette is not None:
            drawn = _as_words(palette)[:, 0][drawn][:, :, None].view(palette.dtype)
        if frame.blends:
            _blend(target, drawn)
        else:
            target[:] = drawn


def _blend(target: Pixels, drawn: Pixels) -> None:
    """Draw over pixels in place: the operator "over" for colours that are not premultiplied by alpha."""
    opaque = peak(target)
    alpha = drawn[:, :, -1]
    np.copyto(_as_words(target), _as_words(drawn), where=(alpha == opaque)[:, :, None])
    rows, columns = np.nonzero((alpha > 0) & (alpha < opaque))
    if not rows.size:
        return
    above, below = (pixels[rows, columns].astype(np.int64) for pixels in (drawn, target))
    opacity = above[:, -1:] * opaque
    remaining = below[:, -1:] * (opaque - above[:, -1:])
    total = opacity + remaining
    colours = above[:, :-1] * opacity + below[:, :-1] * remaining
    # integers, rounded half up: the same on every machine
    target[rows, columns] = np.hstack(((2 * colours + total) // (2 * total), (2 * total + opaque) // (2 * opaque)))


def _as_words(pixels: Pixels) -> npt.NDArray[np.unsignedinteger[Any]]:
    """View each pixel as one integer, which NumPy copies faster: `... c -> ... 1`."""
    return pixels.view(f"u{pixels.shape[-1] * pixels.itemsize}")


def _budget(path: Source) -> int:
    return _WORK + _WORK_PER_BYTE * path.stat().st_size


def _too_much_work(path: Source) -> ImageError:
    return ImageError(
        f"{path} draws too many pixels before this frame for a file of its size: export the frame as a picture"
    )
