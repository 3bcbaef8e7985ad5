"""The codec: inference with a pair of networks, on tensors, arrays and PIL images."""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any, TypeVar, cast, overload

import numpy as np
import numpy.typing as npt
import PIL.Image
import torch
from torch import Tensor

from resizekit.codec.batches import ArrayLike
from resizekit.codec.convert import as_dtype, from_batch, to_batch
from resizekit.codec.frames import map_frames
from resizekit.codec.graphs import Graphed
from resizekit.codec.in_memory import Size, down_any, up_any
from resizekit.codec.pair import Resized, channels_last
from resizekit.codec.precision import inference_precision
from resizekit.codec.pretrained import Pretrained
from resizekit.codec.refine.descent import refine
from resizekit.codec.refine.effort import Effort
from resizekit.codec.refine.objective import check_refinable
from resizekit.errors import ResizeShapeError, UsageError
from resizekit.nn import LowResolutionNet, to_float
from resizekit.ops import to_uint, to_uint8
from resizekit.pictures.io.source import PictureFile
from resizekit.storage import Pixels, read_back

__all__ = ["Codec", "Resized"]

Array = TypeVar("Array", bound=ArrayLike)
AnyFrame = TypeVar("AnyFrame", bound=PIL.Image.Image | ArrayLike)
AnyImage = TypeVar("AnyImage", bound=PIL.Image.Image | PictureFile | ArrayLike)


class Codec(Graphed, Pretrained):
    """A downscaling and an upscaling network that belong together; an ordinary `nn.Module`.

    Get one from `resizekit.load` (trained) or `resizekit.build` (untrained). A codec can be pickled, deep-copied, sent
    to other processes and shared between threads.

    Examples:
        >>> import numpy as np, resizekit
        >>> codec = resizekit.load("sr-x2-fast")
        >>> low = codec.down(np.zeros((64, 48, 3), np.uint8))
        >>> low.shape, codec.up(low).shape
        ((32, 24, 3), (64, 48, 3))
    """

    @overload
    def down(self, image: PIL.Image.Image | PictureFile, *, effort: int | Effort = 0) -> PIL.Image.Image: ...
    @overload
    def down(self, image: Array, *, effort: int | Effort = 0) -> Array: ...
    @overload
    def down(self, image: list[AnyImage] | tuple[AnyImage, ...], *, effort: int | Effort = 0) -> list[Any]: ...

    def down(self, image: Any, *, effort: int | Effort = 0) -> Any:
        """Downscale an image.

        A size that the factors do not divide is padded as `resizekit.down_file` pads it.

        Args:
            image: One of these, or a list of them, of which each is downscaled on its own:
                A PIL image of any mode of 8 bits, a path, the bytes of a file, or a binary file object: as for
                `resizekit.down_file`, so grey pictures fit weights for colour, and alpha is kept.
                An array `h w`, `h w c` or `b h w c` of uint8, or of uint16 for a codec with the compression `uint16`.
                A tensor `c h w` or `b c h w` of floats in [0, 1], or of the types of arrays. Gradients flow through
                floats.
            effort: 0 to 4, or an `Effort`. Above 0, the small image is improved for its decoder by gradient descent,
                which takes longer. `up` does not change.

        Returns:
            The small image, of the same kind; a PIL image for a file, which remembers the size of the original.

        Raises:
            ResizeShapeError: If the channels differ from those of the codec.
            ImageError: For any other kind of image, and for floats outside [0, 1].
            UsageError: If the effort is out of range, or this codec cannot be improved; the message says why.

        Examples:
            >>> import resizekit
            >>> codec = resizekit.load("sr-x2-fast")
            >>> codec.down(torch.zeros(1, 3, 32, 48)).shape
            torch.Size([1, 3, 16, 24])
            >>> codec.down(np.zeros((2, 33, 48, 3), np.uint8), effort=2).shape
            (2, 17, 24, 3)
            >>> codec.up(codec.down(PIL.Image.new("RGBA", (47, 33)))).size
            (47, 33)
        """
        return down_any(self, image, effort)

    @overload
    def up(self, image: PIL.Image.Image | PictureFile, *, size: Size = None) -> PIL.Image.Image: ...
    @overload
    def up(self, image: Array, *, size: Size = None) -> Array: ...
    @overload
    def up(self, image: list[AnyImage] | tuple[AnyImage, ...], *, size: Size = None) -> list[Any]: ...

    def up(self, image: Any, *, size: Size = None) -> Any:
        """Restore an image from the small one that `down` returned.

        Args:
            image: A small image of any kind that `down` returns, or a list of them.
            size: Size of the original, (width, height) or `HW(height, width)`, if the factors did not divide it. None:
                that of the small image times the factors; small files and PIL images that `down` returned remember it.

        Returns:
            The restored image, of the same kind and depth.

        Raises:
            ImageError: If the bit depth differs from that of the codec's storage, or for floats far outside [0, 1].
            ManifestError: If the small file was made with other weights, or has changed.
            UsageError: If an original of this size does not have a small image of that size.

        Examples:
            >>> import resizekit
            >>> resizekit.load("sr-x2-fast").up(torch.zeros(1, 3, 17, 24), size=(48, 33)).shape
            torch.Size([1, 3, 33, 48])
        """
        return up_any(self, image, size)

    def down_frames(
        self, frames: Iterable[AnyFrame], *, batch: int = 4, effort: int | Effort = 0
    ) -> Iterator[AnyFrame]:
        """Downscale the frames of a clip one after the other; memory does not grow with their number.

        Args:
            frames: PIL images, arrays `h w c` or tensors `c h w`, as for `down`. They may have several sizes.
            batch: Number of frames that are read ahead and computed together; PIL images are computed one at a time.
            effort: As for `down`.

        Returns:
            An iterator over the small frames, without gradients.

        Raises:
            ImageError: For any other kind of frame, when the iterator reaches it.
            UsageError: If `batch` or the effort is out of range.

        Examples:
            >>> import resizekit
            >>> codec = resizekit.load("sr-x2-fast")
            >>> [low.shape for low in codec.down_frames(np.zeros((32, 48, 3), np.uint8) for _ in range(2))]
            [(16, 24, 3), (16, 24, 3)]
        """
        return map_frames(partial(self.down, effort=Effort.of(effort)), frames, batch)

    def up_frames(self, frames: Iterable[AnyFrame], *, batch: int = 4, size: Size = None) -> Iterator[AnyFrame]:
        """Restore the frames of a clip from those of `down_frames`.

        Args:
            frames: Small frames of any kind that `down_frames` returns.
            batch: As for `down_frames`.
            size: Size of the original frames, as for `up`.

        Returns:
            An iterator over the restored frames, without gradients.
        """
        return map_frames(partial(self.up, size=size), frames, batch)

    def down_pixels(self, pixels: Pixels, *, effort: int | Effort = 0) -> Pixels:
        """Downscale to the pixel values that are written to the file: `(s h) (r w) (t c) -> h w c`.

        Where the storage is exact, these are the values of `down`.

        Args:
            pixels: uint8, uint16, or float32 in [0, 1].
            effort: As for `down`.

        Returns:
            uint8 or uint16, as the storage has 8 or 16 bits.
        """
        with torch.inference_mode():
            return from_batch(self.down_codes(to_batch(pixels).to(self.device), effort=effort).cpu())

    def up_pixels(self, pixels: Pixels, dtype: npt.DTypeLike) -> Pixels:
        """Upscale the pixel values of a file: `h w c -> (s h) (r w) (t c)`.

        Args:
            pixels: uint8 or uint16.
            dtype: Of the result: uint8, uint16, or float32 in [0, 1].
        """
        with torch.inference_mode():
            kind = torch.from_numpy(np.empty(0, dtype)).dtype
            return from_batch(self.up_codes(to_batch(pixels).to(self.device), kind).cpu())

    def down_tensor(self, high: Tensor, *, effort: int | Effort = 0) -> Tensor:
        """Downscale to low as it will be read back: `b (t c) (s h) (r w) -> b c h w`, float in [0, 1].

        Args:
            high: Float in [0, 1].
            effort: As for `down`; above 0, the result has no gradient.

        Raises:
            ResizeShapeError: If the factors do not divide the size, or the number of channels is wrong.
        """
        if Effort.of(effort).level:
            refined = self._refined(high, effort)
            with torch.no_grad():
                return self.compress(refined)
        with inference_precision(self.precision, high.device.type):
            return self._compress(*self._descend(channels_last(high)))

    def up_tensor(self, low: Tensor) -> Tensor:
        """Upscale: `b c h w -> b (t c) (s h) (r w)`, float in [0, 1].

        Raises:
            ResizeShapeError: If the number of channels differs, or a fractional factor does not divide the size.
        """
        self._check_low(low)
        with inference_precision(self.precision, low.device.type):
            return self.decode(channels_last(low)).clamp(0, 1)

    def down_codes(self, high: Tensor, *, effort: int | Effort = 0) -> Tensor:
        """Downscale integer pixel values to those that are written to the file: `b (t c) (s h) (r w) -> b c h w`.

        After `read_back`, the result equals that of `down_tensor`. If the storage is lossless, this is true without
        `read_back` too.

        Args:
            high: uint8, uint16, or float32 in [0, 1].
            effort: As for `down`.

        Returns:
            uint8 or uint16, as the storage has 8 or 16 bits.

        Raises:
            UsageError: If the storage cannot hold the values of the compression, or for an invalid effort.
        """
        if Effort.of(effort).level:
            return self.to_stored(self._refined(high, effort))
        if self.compression.adds_guide:
            return self._on_graph("down", self._down_codes, high)
        with inference_precision(self.precision, high.device.type):
            delta, base = self._descend(channels_last(high))
            low = delta if base is None else base + delta
        return self.to_stored(low)

    def _down_codes(self, high: Tensor) -> Tensor:
        with inference_precision(self.precision, high.device.type):
            return to_uint8(*self._descend(channels_last(high)))

    def up_codes(self, low: Tensor, dtype: torch.dtype | None = None) -> Tensor:
        """Upscale integer pixel values: `b c h w -> b (t c) (s h) (r w)`.

        Args:
            low: uint8 or uint16.
            dtype: uint8, uint16, or float32 in [0, 1]. None: uint16 for a uint16 `low`, else uint8.

        Raises:
            ResizeShapeError: As `up_tensor`.
        """
        self._check_low(low)
        if dtype is None:
            dtype = torch.uint16 if low.dtype == torch.uint16 else torch.uint8
        return self._on_graph(("up", dtype), partial(self._up_codes, dtype=dtype), low)

    def _up_codes(self, low: Tensor, dtype: torch.dtype) -> Tensor:
        with inference_precision(self.precision, low.device.type):
            if self.self_ensemble:
                return as_dtype(self.decode(to_float(low)), dtype)
            low = self._up_to(self.times - 1, channels_last(low))
            if dtype == torch.uint8 and self.traits.decoder.accepts_uint8:
                low = low if low.dtype == torch.uint8 else to_float(low)
                return cast(LowResolutionNet, self.decoder).forward_codes(low)
            return as_dtype(self._up(low, self.times - 1), dtype)

    def encode_for_inference(self, high: Tensor) -> Tensor:
        """Run `encode` in the precision and memory layout of inference: `b (t c) (s h) (r w) -> b c h w`, float."""
        with inference_precision(self.precision, high.device.type):
            return self.encode(channels_last(high))

    def encode_step(self, x: Tensor, i: int) -> Tensor:
        """Apply the encoder once, as step `i` of `times`, with the guide added where the task adds one.

        Args:
            x: `b c h w`: the image for step 0 (float in [0, 1], uint8 or uint16), else the output of step `i - 1`.
            i: Index of the step, 0 to `times - 1`.

        Returns:
            `b c h w`, float32: low before the compression after the last step, else the input of step `i + 1`.
        """
        assert self.encoder is not None, "without an encoder, low is the guide: there are no steps"
        with inference_precision(self.precision, x.device.type):
            delta, base = self._down(self.encoder, channels_last(x), i)
            return (delta if base is None else base + delta).float()

    def decode_step(self, x: Tensor, i: int) -> Tensor:
        """Apply the decoder once, as step `i` of `times`.

        Args:
            x: `b c h w`: low for step 0 (float in [0, 1], uint8 or uint16), else the output of step `i - 1`.
            i: Index of the step, 0 to `times - 1`.

        Returns:
            `b c h w`, float32: the restored image after the last step, not clamped, else the input of step `i + 1`.
        """
        with inference_precision(self.precision, x.device.type):
            return self._up(channels_last(x), i).float()

    def to_stored(self, low: Tensor) -> Tensor:
        """Turn low before the compression into the pixel values of its file: `b c h w -> b c h w`.

        Raises:
            UsageError: If the storage cannot hold the values of the compression.
        """
        if self.compression.adds_guide:
            return to_uint8(low)
        low = self.compress(low)
        stored = to_uint(low, self.storage.bits)
        self._check_stored(stored, low)
        return stored

    def _check_stored(self, stored: Tensor, low: Tensor) -> None:
        message = (
            f"compression {self.info.compression!r} produces values that an {self.storage.bits}-bit file "
            "cannot hold: use weights trained with uint8 or round"
        )
        if torch.compiler.is_compiling():  # a graph cannot branch on values
            torch._assert_async((to_float(stored) == low.float()).all(), message)
        elif not torch.equal(to_float(stored), low.float()):
            raise UsageError(message)

    def round_to_file(self, before: Tensor) -> Tensor:
        """Return the values of the file of low, if compressing them again gives the same file, and else `before`.

        Refinement starts from it: a search from rounded values finds better ones in few iterations.

        Args:
            before: Low before the compression, `b c h w`, float.
        """
        rounded = to_float(self.to_stored(before))
        return rounded if torch.equal(self.compress(rounded), self.compress(before)) else before

    def read_back(self, stored: Tensor) -> Tensor:
        """Return the pixel values after writing and reading: `b c h w -> b c h w`; a PNG holds every value."""
        return stored if self.storage.exact else read_back(self.storage, stored)

    def _refined(self, high: Tensor, effort: int | Effort) -> Tensor:
        check_refinable(self, Effort.of(effort))
        with torch.no_grad():
            before = self.encode_for_inference(high)
            start = self.round_to_file(before)
        return refine(self, high, start, effort=effort).to(before.dtype)

    def _check_low(self, low: Tensor) -> None:
        if low.shape[1] != self.low_channels:
            raise ResizeShapeError(f"low has {low.shape[1]} channels; this codec takes {self.low_channels}")
        self.spec.high_shape(low.shape[1:])
