"""The codec: a pair of networks with everything that stands between them.

    high ─► encoder ─►(+ guide)─► compression ─► low ─► decoder ─► restored
       └──► guide ────────┘

With `times` above 1 the encoder runs so often before the one compression, and the decoder so often after it.
"""

import functools
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from resizekit.codec.convert import ImageLike, from_batch, from_codes, to_batch, to_codes, to_tensor
from resizekit.codec.digest import digest
from resizekit.codec.guides import Guide, Resampled
from resizekit.errors import ImageError, ResizeShapeError, UsageError
from resizekit.nn import (
    LowResolutionNet,
    apply,
    as_network_input,
    high_channels,
    receptive_field,
    self_ensemble,
    to_float,
)
from resizekit.ops import to_uint, to_uint8
from resizekit.spec import ResizeSpec
from resizekit.storage.compressions import EightBit, read_back
from resizekit.storage.formats import PNG, Pixels, Storage
from resizekit.system.device import Precision

__all__ = ["Codec", "Names", "Resized"]

AnyImage = TypeVar("AnyImage", bound=ImageLike)
_Way = Callable[[Tensor], Tensor]


class Resized(NamedTuple):
    """What one pass through a codec gives; all float, nominally in [0, 1]."""

    low: Tensor
    """`b c h w`, as it will be read back from storage."""
    guide: Tensor
    """`b c h w`, what low should look like."""
    restored: Tensor
    """`b (t c) (s h) (r w)`, not clamped."""


class Names(NamedTuple):
    """What a codec was assembled from, by name: what a manifest and a checkpoint say of it."""

    task: str = "none"
    network: str = "none"
    compression: str = "none"
    weights: str | None = None


class Codec(nn.Module):
    """An encoder, a decoder and what lies between; an ordinary `nn.Module`.

    `guide` makes the guide of a spec; `residual` says that the encoder adds to it (3.2).  An encoder of None means that
    low *is* the guide: any super-resolution network then stands as the decoder.  Raises `UsageError` for fewer than one
    application, for more than one of a step that changes the channels, and for more than a factor can be.
    """

    def __init__(
        self,
        *,
        step: ResizeSpec,
        low_channels: int,
        encoder: nn.Module | None,
        decoder: nn.Module,
        guide: Callable[[ResizeSpec], Guide],
        compression: nn.Module,
        residual: bool = True,
        times: int = 1,
        names: Names | None = None,
    ) -> None:
        super().__init__()
        if times < 1:
            raise UsageError(f"times={times}: a codec applies its networks once or more")
        if times > 1 and step.t != 1:
            raise UsageError(f"a step with t={step.t} changes the channels and cannot be repeated")
        self.encoder, self.decoder, self.compression = encoder, decoder, compression
        self.step, self.times, self.residual = step, times, residual
        self.low_channels, self.channels = low_channels, high_channels(step, low_channels)
        try:
            self.spec = step**times
        except ValueError:
            most = next((n for n in range(min(times, 64), 0, -1) if _is_spec(step, n)), 1)
            raise UsageError(
                f"times={times}: {step} so often is more than a factor can be; the most that works is {most}"
            ) from None
        self.guide, self.step_guide, self._make_guide = guide(self.spec), guide(step), guide
        self.names = Names() if names is None else names
        self.recipe: Mapping[str, Any] | None = None
        """What `resizekit.recipes.checkpoint` needs to build it again; set by whoever assembled it."""
        self.precision: Precision = "float32"
        self.begins, self.ends = True, True
        """Whether a picture comes in, and a picture goes out, either way; `leg` gives codecs that do without."""
        self._reached: dict[str, int] = {}  # what a probe has measured, for all codecs of these very networks
        self.ensemble = False
        """Going up is averaged over the symmetries of the square; `ensembled` gives such a codec."""

    def at(self, times: int) -> "Codec":
        """Give the codec that applies these very networks, weights shared, `times` times."""
        return self._with(times=times)

    def leg(self, step: int) -> "Codec":
        """Give the codec of one application alone, of the `times` that a way has, counted from its beginning.

        What it takes and gives is what `down_floats`, `up_floats` and, for the last one, the ways to codes do.
        """
        twin = self._with(times=1)
        twin.begins, twin.ends = step == 0, step == self.times - 1
        return twin

    def with_compression(self, compression: nn.Module, name: str | None = None) -> "Codec":
        """Give the codec of these very networks, weights shared, with another compression; `name` renames it too."""
        return self._with(compression=compression, name=name)

    def ensembled(self) -> "Codec":
        """Give the codec of these very networks that goes up eight ways and averages, before any rounding.

        That is EDSR's "+", for decoders of bicubic small pictures: better by a little, slower by eight.  What a learned
        encoder writes into its small picture cannot be read upside down, so there it does harm.  Where height and width
        have other factors than one another, only the four ways count that keep the axes apart.
        """
        twin = self._with()
        twin.ensemble = True
        return twin

    def _with(
        self, *, times: int | None = None, compression: nn.Module | None = None, name: str | None = None
    ) -> "Codec":
        twin = Codec(
            step=self.step,
            low_channels=self.low_channels,
            encoder=self.encoder,
            decoder=self.decoder,
            guide=self._make_guide,
            compression=self.compression if compression is None else compression,
            residual=self.residual,
            times=self.times if times is None else times,
            names=self.names if name is None else self.names._replace(compression=name),
        )
        twin.precision, twin.recipe = self.precision, self.recipe
        twin.ensemble, twin._reached = self.ensemble, self._reached
        return twin.train(self.training)

    @property
    def digest(self) -> str:
        """SHA-256 over the weights, the same whichever file they came from."""
        return digest(self)

    @property
    def device(self) -> torch.device:
        """Where the weights are; the CPU if there are none."""
        return next((parameter.device for parameter in self.parameters()), torch.device("cpu"))

    @property
    def storage(self) -> Storage:
        """The picture format that low is kept in, as the compression says it; PNG if it says nothing."""
        return cast(Storage, getattr(self.compression, "storage", PNG))

    def encode(self, high: Tensor) -> Tensor:
        """Go down without compression: `b (t c) (s h) (r w) -> b c h w`, float; `high` float in [0, 1] or codes."""
        delta, base = self._descend(high)
        return delta if base is None else base + delta

    def decode(self, low: Tensor) -> Tensor:
        """Go up: `b c h w -> b (t c) (s h) (r w)`, float, not clamped; `low` float in [0, 1]."""
        if self.ensemble:
            return self_ensemble(lambda x: self._ascend(_channels_last(x)), low, turned=self.step.s == self.step.r)
        return self._ascend(low)

    def _ascend(self, low: Tensor) -> Tensor:
        return self._once(self.decoder, self._up_by(self.times - 1, low), self.times - 1)

    def _once(self, side: nn.Module, x: Tensor, step: int) -> Tensor:
        """Apply a side as the `step`-th of a way's applications."""
        return apply(side, x, first=self.begins and step == 0, last=self.ends and step == self.times - 1)

    def _up_by(self, steps: int, low: Tensor) -> Tensor:
        """Go so many steps up; what lies between two is laid out as a step alone would be given it."""
        for step in range(steps):
            low = _channels_last(self._once(self.decoder, low, step))
        return low

    def forward(self, high: Tensor) -> Resized:
        """Go down and up again, as training sees it; `high` float in [0, 1] or uint8 codes."""
        delta, base = self._descend(high)
        low = self._compress(delta, base)
        if self.encoder is None:
            guide = delta
        else:
            guide = base if base is not None and self.times == 1 else self.guide(to_float(high))
        return Resized(low, guide, self.decode(low))

    def _descend(self, high: Tensor) -> tuple[Tensor, Tensor | None]:
        """Go down as far as the last sum, and give its two parts: compressing can add them on its way."""
        if self.begins:
            self.spec.low_shape(high.shape[1:])
            if high.shape[1] != self.channels:
                raise ResizeShapeError(f"high has {high.shape[1]} channels; this codec takes {self.channels}")
        if self.encoder is None:
            return self.guide(to_float(high)), None
        delta, base = self._step_down(self.encoder, high, 0)
        for step in range(1, self.times):
            between = delta if base is None else base + delta
            high = _channels_last(between)  # as a step alone would be given it
            delta, base = self._step_down(self.encoder, high, step)
        return delta, base

    def _step_down(self, encoder: nn.Module, high: Tensor, step: int) -> tuple[Tensor, Tensor | None]:
        if not self.residual:
            return self._once(encoder, high, step), None
        guide = self.step_guide
        if (
            high.dtype == torch.uint8
            and isinstance(encoder, LowResolutionNet)
            and isinstance(guide, Resampled)
            and guide.fuses_with(encoder.down)
        ):
            unshuffled, base = guide.with_unshuffled(high, shift=encoder.shift)
            return encoder.shuffle_output(encoder.forward_low_resolution(unshuffled)), base
        high = to_float(high)
        return encoder(high), guide(high)

    def _compress(self, delta: Tensor, base: Tensor | None) -> Tensor:
        if isinstance(self.compression, EightBit):
            return cast(Tensor, self.compression(delta, base))
        return cast(Tensor, self.compression(delta if base is None else base + delta))

    def down_tensor(self, high: Tensor) -> Tensor:
        """Make small, as it will be read back: `b (t c) (s h) (r w) -> b c h w`, float in [0, 1] both."""
        with self._inference_precision(high.device.type):
            return self._compress(*self._descend(_channels_last(high)))

    def up_tensor(self, low: Tensor) -> Tensor:
        """Restore: `b c h w -> b (t c) (s h) (r w)`, float in [0, 1] both.

        Raises `ResizeShapeError` for another number of channels or a size that a fractional factor does not divide.
        """
        self._check_low(low)
        with self._inference_precision(low.device.type):
            return self.decode(_channels_last(low)).clamp(0, 1)

    def down_codes(self, high: Tensor) -> Tensor:
        """Make small from codes to the codes that the storage is given: `b (t c) (s h) (r w) -> b c h w`.

        `high` is uint8, uint16 or float32 in [0, 1]; what comes is as deep as the storage.  After `read_back` the codes
        are those of `down_tensor`, as they are before where the storage is exact.  Raises `UsageError` for a
        compression whose values the storage cannot hold.
        """
        with self._inference_precision(high.device.type):
            delta, base = self._descend(_channels_last(high))
            if isinstance(self.compression, EightBit):
                return to_uint8(delta, base)
            low = self._compress(delta, base)
        bits = self.storage.bits
        stored = to_uint(low, bits)
        if not torch.equal(to_float(stored), low.float()):
            raise UsageError(
                f"compression {self.names.compression!r} gives values that an {bits}-bit file "
                "cannot hold: use weights trained with uint8 or round"
            )
        return stored

    def read_back(self, stored: Tensor) -> Tensor:
        """Give what files of whole small pictures hold: `b c h w -> b c h w`, codes both; a PNG holds every code."""
        return stored if self.storage.exact else read_back(self.storage, stored)

    def up_codes(self, low: Tensor, dtype: torch.dtype | None = None) -> Tensor:
        """Restore from codes: `b c h w -> b (t c) (s h) (r w)`; errors as `up_tensor`.

        `dtype` is uint8, uint16 or float32 (in [0, 1]); None: uint16 if `low` is, or else uint8.
        """
        self._check_low(low)
        wanted = (torch.uint16 if low.dtype == torch.uint16 else torch.uint8) if dtype is None else dtype
        with self._inference_precision(low.device.type):
            if self.ensemble:
                high = self.decode(to_float(low))
            else:
                low = as_network_input(self.decoder, self._up_by(self.times - 1, _channels_last(low)))
                if wanted == torch.uint8 and isinstance(self.decoder, LowResolutionNet):
                    return self.decoder.forward_codes(low)
                high = self._once(self.decoder, low, self.times - 1)
            if wanted == torch.float32:
                return high.float().clamp(0, 1)
            return to_uint(high, 16 if wanted == torch.uint16 else 8)

    def down_floats(self, high: Tensor) -> Tensor:
        """As `down_codes` before the compression: `b (t c) (s h) (r w) -> b c h w`, float32; nothing is rounded."""
        with self._inference_precision(high.device.type):
            return self.encode(_channels_last(high)).float()

    def up_floats(self, low: Tensor) -> Tensor:
        """As `up_codes` before the rounding: `b c h w -> b (t c) (s h) (r w)`, float32; `low` codes or floats."""
        self._check_low(low)
        with self._inference_precision(low.device.type):
            return self._up_by(self.times, _channels_last(low)).float()

    def _check_low(self, low: Tensor) -> None:
        if not self.begins:
            return
        if low.shape[1] != self.low_channels:
            raise ResizeShapeError(f"low has {low.shape[1]} channels; this codec takes {self.low_channels}")
        self.spec.high_shape(low.shape[1:])

    def down(self, image: AnyImage) -> AnyImage:
        """Make an image small.

        Takes a PIL image, an `h w c` uint8 array or a `b c h w` float tensor in [0, 1] and gives the same kind; with
        the compression `uint16` arrays of either depth, and gives uint16.  A size that the factors do not divide is a
        `ResizeShapeError` naming the nearest crop; `resizekit.down_file` pads.
        """
        deep, bits = _is_deep(image), self.storage.bits
        if deep and bits == 8:
            raise ImageError(
                "a uint16 array for a codec that stores 8 bits: take one with compression 'uint16', or give uint8 codes"
            )
        return self._through(self.down_tensor, lambda high: self.read_back(self.down_codes(high)), image)

    def up(self, image: AnyImage) -> AnyImage:
        """Restore an image from its small one; takes what `down` gives, and gives the same kind and depth."""
        deep, bits = _is_deep(image), self.storage.bits
        if not isinstance(image, Tensor) and deep != (bits == 16):
            came = "uint16" if deep else "8-bit"
            raise ImageError(f"{came} codes for a codec that stores {bits} bits: give what its `down` gave")
        return self._through(self.up_tensor, self.up_codes, image)

    def to_store(self, pixels: Pixels) -> Pixels:
        """Make values small and give what their file is made from, before it: `(s h) (r w) (t c) -> h w c`.

        Takes uint8, uint16 or float32 in [0, 1] and gives codes as deep as the storage.  Where that is exact, these are
        the codes of `down`.
        """
        with torch.inference_mode():
            return from_batch(self.down_codes(to_batch(pixels).to(self.device)).cpu())

    def from_store(self, pixels: Pixels, dtype: npt.DTypeLike) -> Pixels:
        """Restore values from what a file holds: `h w c -> (s h) (r w) (t c)`, uint8, uint16 or float32 in [0, 1]."""
        with torch.inference_mode():
            kind = torch.from_numpy(np.empty(0, dtype)).dtype
            return from_batch(self.up_codes(to_batch(pixels).to(self.device), kind).cpu())

    def _through(self, on_floats: _Way, on_codes: _Way, image: AnyImage) -> AnyImage:
        if isinstance(image, Tensor):  # gradients are the caller's to want
            return cast(AnyImage, on_floats(to_tensor(image)))
        with torch.inference_mode():
            return from_codes(on_codes(to_codes(image).to(self.device)).cpu(), like=image)

    @functools.cached_property
    def grain(self) -> int:
        """How many of the spec's cells a side the networks take at once, as their attribute `block_size` says; mostly 1.

        A picture's size need not divide by it, but what is computed apart from the rest must begin on its multiples.
        """
        return math.lcm(*(int(getattr(side, "block_size", 1)) for side in (self.encoder, self.decoder)))

    @property
    def halo(self) -> int:
        """How many low pixels to any side either direction depends on (measured once by a probe).

        A step looks `reach` cells far; each further step does so on a grid that many times finer or coarser, which is a
        geometric series.
        """
        if "cells" not in self._reached:
            self._reached["cells"] = self._probed()
        ratio = max(1 / self.step.s, 1 / self.step.r, Fraction(0))
        cells = self._reached["cells"] * sum(ratio**k for k in range(self.times))
        return math.ceil(cells) * self.grain * max(self.step.s.denominator, self.step.r.denominator)

    def _probed(self) -> int:
        high = self.grain * self.step.s.numerator, self.grain * self.step.r.numerator
        low = self.grain * self.step.s.denominator, self.grain * self.step.r.denominator
        probe, was_training = self.at(1).eval(), self.training
        device = self.device
        down = receptive_field(lambda x: probe.encode(x.to(device)), self.channels, high, low)
        up = receptive_field(lambda x: probe.decode(x.to(device)), self.low_channels, low, high)
        self.train(was_training)
        return max(down, up)

    @contextmanager
    def _inference_precision(self, device: str) -> Iterator[None]:
        half, rules = self.precision == "bfloat16", torch.backends.cudnn.conv  # type: ignore[attr-defined]
        before = rules.fp32_precision
        if not half:
            rules.fp32_precision = "ieee"  # by default a GPU rounds what convolutions multiply to 10 bits
        try:
            with torch.autocast(device, torch.bfloat16, enabled=half):
                yield
        finally:
            rules.fp32_precision = before


def _is_deep(image: ImageLike) -> bool:
    return isinstance(image, np.ndarray) and image.dtype == np.uint16


def _is_spec(step: ResizeSpec, times: int) -> bool:
    try:
        return bool(step**times)
    except ValueError:
        return False


def _channels_last(x: Tensor) -> Tensor:
    """The layout that convolutions on the CPU are fastest in.

    `contiguous(memory_format=...)` lets several strides pass where an axis has length 1, and a convolution picks its
    algorithm by the strides: equal pixels would then differ in the last bit.  Through a flat view they are one.
    """
    b, c, h, w = x.shape
    return x.permute(0, 2, 3, 1).reshape(-1).view(b, h, w, c).permute(0, 3, 1, 2)
