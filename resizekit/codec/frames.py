"""Frames of a clip, one after the other, in little memory.

frames ─► groups of one size and type ─► codec.down or codec.up ─► frames
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import PIL.Image
import torch
from torch import Tensor

from resizekit.codec.batches import as_batch
from resizekit.errors import ImageError, UsageError

__all__ = ["map_frames"]


def map_frames(run: Callable[[Any], Any], frames: Iterable[Any], batch: int) -> Iterator[Any]:
    """Apply a function of batches to an endless or finite sequence of frames.

    Args:
        run: Takes a batch tensor `b c h w`, or a PIL image, and returns the same kind.
        frames: Arrays `h w` or `h w c`, tensors `c h w`, or PIL images.
        batch: Maximum number of frames in a batch, and so the number that is read ahead.

    Returns:
        Yields one result per frame, in order and of the kind of the frame.

    Raises:
        UsageError: If `batch` is not a positive integer.
    """
    if isinstance(batch, bool) or not isinstance(batch, int) or batch < 1:
        raise UsageError(f"batch={batch!r}: expected an integer of 1 or more")
    return _mapped(run, frames, batch)  # the error above is raised by the call, not by the first frame


def _mapped(run: Callable[[Any], Any], frames: Iterable[Any], batch: int) -> Iterator[Any]:
    for group in _groups(frames, batch):
        if isinstance(group[0], PIL.Image.Image):
            yield run(group[0])
        else:
            yield from _run_group(run, group)


def _groups(frames: Iterable[Any], batch: int) -> Iterator[list[Any]]:
    """Collect neighbours that fit into one batch; a PIL image is a group of its own."""
    group: list[Any] = []
    for frame in frames:
        kind = _kind(frame)
        if group and kind != _kind(group[0]):
            yield group
            group = []
        # a source may write the next frame into the same memory, as many video decoders do
        group.append(_copy(frame) if batch > 1 else frame)
        if len(group) == batch or kind[0] is PIL.Image.Image:
            yield group
            group = []
    if group:
        yield group


def _copy(frame: Any) -> Any:
    if isinstance(frame, Tensor):
        return frame.clone()
    return frame.copy() if isinstance(frame, np.ndarray) else frame


def _kind(frame: Any) -> tuple[Any, ...]:
    if isinstance(frame, PIL.Image.Image):
        return (PIL.Image.Image,)
    if isinstance(frame, np.ndarray) and frame.ndim in (2, 3):
        return np.ndarray, frame.dtype, frame.shape
    if isinstance(frame, Tensor) and frame.ndim == 3:
        return type(frame), frame.dtype, frame.shape, frame.device
    shape = f" with shape {tuple(frame.shape)}" if isinstance(frame, np.ndarray | Tensor) else ""
    raise ImageError(
        f"invalid frame of type {type(frame).__name__}{shape}: expected a PIL image, an array `h w` or `h w c`, or a "
        "tensor `c h w`"
    )


def _run_group(run: Callable[[Any], Any], group: list[Any]) -> Iterator[Any]:
    batches, restores = zip(*(as_batch(frame) for frame in group), strict=True)
    with torch.no_grad():  # a graph would keep the memory of every frame
        results = run(torch.cat(batches))
    for i, restore in enumerate(restores):
        # a copy, so that a frame that the caller keeps does not keep its batch
        yield restore(results[i : i + 1].clone())
