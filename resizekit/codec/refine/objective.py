"""What refinement minimizes: the error of the restored image, with low close to its guide.

low ─► compression ─► decoder ─► error against high       minimized
  └──────────────────────────► error against the guide    bounded
"""

import copy
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from resizekit.codec.convert import as_dtype
from resizekit.codec.pair import NetworkPair, channels_last
from resizekit.codec.precision import inference_precision
from resizekit.codec.refine.effort import Effort
from resizekit.errors import UsageError
from resizekit.nn import to_float
from resizekit.system.device import pick_precision
from resizekit.system.precisions import Precision
from resizekit.system.printable import escaped

__all__ = [
    "BOUND", "Evaluation", "Objective", "Score", "area_mean", "bits_of", "check_reachable", "check_refinable",
    "price_of", "without_gradients",
]  # fmt: skip

_BISECTIONS = 10
"""Steps to find out how far an image must move into its bound."""
_DECIBELS_PER_BIT = 3.5
"""What one bit per value of low is worth, in PSNR of the restored image."""
BOUND = 10**0.009
"""Factor of the squared error of low that loses 0.09 dB: also against a guide that is computed from floats, low loses
less than 0.1 dB."""

M = TypeVar("M", bound=nn.Module)
P = TypeVar("P", bound=NetworkPair)
N = TypeVar("N", float, Tensor)


class Score(NamedTuple):
    """How good a low image is; `b` of each."""

    excess: Tensor
    """Squared errors of low against its guide and of the restored image, beyond their bounds."""
    cost: Tensor
    """Squared error of the restored image, rounded like the original, and the price of the bits of low."""

    def better_than(self, other: "Score") -> Tensor:
        """Compare each image: `b`, bool. An image within the bound is better than one outside."""
        closer = self.excess < other.excess
        return closer | ((self.excess == other.excess) & (self.cost < other.cost))


class Evaluation(NamedTuple):
    """One evaluation with a gradient."""

    stored: Tensor
    """`b c h w`: low as it is read back."""
    gradient: Tensor
    """`b c h w`: gradient of the squared error of the restored image."""
    errors: Tensor
    """`b 1 h w`: squared error of the restored pixels that belong to each pixel of low."""


class Objective:
    """The error of the restored image as a function of low.

    Args:
        codec: The decoder, the compression and the guide, as `without_gradients` returns it.
        high: The original, `b (t c) (s h) (r w)`: uint8, uint16 or float in [0, 1].
        low: The first candidate before the compression, `b c h w`, float in [0, 1].
        target_low_psnr: PSNR in dB that low keeps against its guide; None: 0.1 dB below that of `low`.
        bit_price: Squared error that one bit of low is worth, `b`; the restored image is then not worse than from
            `low`. None: bits do not count.
        weight: Weight of each pixel of high, `b 1 (s h) (r w)` in [0, 1]; None: 1.
        mask: Pixels of low that may change, `1 1 h w`, 0 or 1; None: all.
        expand: Applied to low before the decoder, such as padding; None: nothing.
        guide: Target of low, `b c h w`; None: computed from `high`.
    """

    def __init__(
        self,
        codec: NetworkPair,
        high: Tensor,
        low: Tensor,
        *,
        target_low_psnr: float | None = None,
        bit_price: Tensor | None = None,
        weight: Tensor | None = None,
        mask: Tensor | None = None,
        expand: Callable[[Tensor], Tensor] | None = None,
        guide: Tensor | None = None,
    ) -> None:
        self._codec = codec
        self._precision: Precision = pick_precision("auto", high.device)
        self._dtype = high.dtype if high.dtype in (torch.uint8, torch.uint16) else torch.float32
        self._high = channels_last(to_float(high))
        self._weight = torch.ones_like(self._high[:, :1]) if weight is None else weight
        self._expand = expand or (lambda x: x)
        self.mask = torch.ones_like(low[:1, :1]) if mask is None else mask
        self.guide = guide_of(codec, high) if guide is None else guide
        self._bit_price = bit_price
        self.flips_allowed = codec.storage.exact and codec.storage.bits == 8 and bit_price is None
        """Whether a change of one pixel value changes this pixel of the file alone, and nothing else counts."""
        stored = self.store(low)
        if target_low_psnr is None:
            self.bound = self.low_error(stored) * BOUND
        else:
            values = self.mask.sum().double() * low.shape[1]
            self.bound = (values * 10 ** (-target_low_psnr / 10)).expand(len(low))
        self._largest_error = None if bit_price is None else self._restored_error(stored)

    def store(self, low: Tensor) -> Tensor:
        """Return low as it is read back: `b c h w -> b c h w`."""
        with torch.no_grad(), inference_precision(self._codec.precision, low.device.type):
            return self._codec.compress(low).float()

    def into_bound(self, low: Tensor) -> Tensor:
        """Move images that are outside of their bound towards the guide until they are inside: `b c h w`."""
        inside = self.low_error(self.store(low)) <= self.bound
        if inside.all():
            return low
        share = torch.where(inside, 1.0, 0.0).view(-1, 1, 1, 1).to(low)
        step = 0.5
        for _ in range(_BISECTIONS):
            tried = torch.where(inside.view(-1, 1, 1, 1), share, share + step)
            moved = torch.lerp(self.guide, low, tried)
            fits = self.low_error(self.store(moved)) <= self.bound
            share = torch.where(fits.view(-1, 1, 1, 1), tried, share)
            step /= 2
        return torch.where(self.mask > 0, torch.lerp(self.guide, low, share), low)

    def low_error(self, low: Tensor) -> Tensor:
        """Compute the squared error of low against its guide: `b c h w -> b`."""
        return ((low - self.guide) ** 2 * self.mask).sum((1, 2, 3), dtype=torch.float64)

    def score(self, low: Tensor) -> Score:
        """Restore an image as `up` does, and compare it with the original: `b c h w -> b`."""
        stored = self.store(low)
        error, excess = self._restored_error(stored), (self.low_error(stored) - self.bound).clamp(min=0)
        if self._bit_price is None or self._largest_error is None:
            return Score(excess, error)
        excess = excess + (error - self._largest_error).clamp(min=0)
        return Score(excess, error + self._bit_price * bits_of(stored, self._codec))

    def _restored_error(self, stored: Tensor) -> Tensor:
        with torch.no_grad(), inference_precision(self._codec.precision, stored.device.type):
            restored = to_float(as_dtype(self._decode(stored), self._dtype))
        return ((restored - self._high) ** 2 * self._weight).sum((1, 2, 3), dtype=torch.float64)

    def evaluate(self, low: Tensor, rounding: float = 1.0) -> Evaluation:
        """Compute the error and its gradient with respect to low, straight through the rounding.

        Args:
            low: `b c h w`, before the compression.
            rounding: Share of the rounding to apply, 0 to 1.

        Raises:
            UsageError: If the networks or the compression have no gradient.
        """
        low = low.detach().requires_grad_()
        with torch.enable_grad(), inference_precision(self._precision, low.device.type), _explained(self._codec):
            stored = self._codec.compress(low).float()
            seen = stored if rounding == 1 else torch.lerp(low, stored, rounding)
            # clamped as `up` clamps, so that values outside [0, 1] cost nothing where the original is 0 or 1; the
            # gradient passes, so that they can return where it is not
            restored = self._decode(seen).float()
            restored = restored + (restored.clamp(0, 1) - restored).detach()
            errors = ((restored - self._high) ** 2 * self._weight).sum(1, keepdim=True)
            price = 0 if self._bit_price is None else (self._bit_price * bits_of(stored, self._codec)).sum()
            (gradient,) = torch.autograd.grad(errors.sum() + price, low)
        if errors.any() and not gradient.any():
            self._check_gradient(low)
        return Evaluation(stored.detach(), gradient.float() * self.mask, self._per_low_pixel(errors.detach(), low))

    def _check_gradient(self, low: Tensor) -> None:
        """Refuse networks whose gradient is always 0; one that is 0 for a single image, such as white, is no fault."""
        generator = torch.Generator().manual_seed(0)
        probe = (0.25 + 0.5 * torch.rand(low.shape, generator=generator)).to(low).requires_grad_()
        with torch.enable_grad(), inference_precision(self._precision, low.device.type), _explained(self._codec):
            restored = self._decode(self._codec.compress(probe).float())
            (gradient,) = torch.autograd.grad(restored.float().square().sum(), probe)
            if not gradient.any():
                raise NotImplementedError("the gradient is 0 everywhere")

    def curvature(self, low: Tensor, probes: int) -> Tensor:
        """Estimate half the second derivative of the error by each pixel value: `b c h w -> b c h w`.

        Hutchinson's estimate of the diagonal: for random signs z of the restored pixels, the mean of (J^T z)^2.
        """
        generator = torch.Generator().manual_seed(0)
        total = torch.zeros_like(low)
        for _ in range(probes):
            x = low.detach().requires_grad_()
            with torch.enable_grad(), inference_precision(self._precision, x.device.type), _explained(self._codec):
                restored = self._decode(x).float()
                signs = torch.randint(0, 2, restored.shape, generator=generator).to(restored) * 2 - 1
                (product,) = torch.autograd.grad((restored * signs * self._weight.sqrt()).sum(), x)
            total += product.float().square()
        return total / probes

    def _per_low_pixel(self, errors: Tensor, low: Tensor) -> Tensor:
        size = self._expand(low[:1, :1]).shape[2:]
        share = errors.shape[2] * errors.shape[3] / (size[0] * size[1])
        return F.adaptive_avg_pool2d(errors, (size[0], size[1]))[:, :, : low.shape[2], : low.shape[3]] * share

    def _decode(self, stored: Tensor) -> Tensor:
        return self._codec.decode(channels_last(self._expand(stored).clone()))  # some decoders work in place


def guide_of(codec: NetworkPair, high: Tensor) -> Tensor:
    """Compute the guide as a file holds it: `b (t c) (s h) (r w) -> b c h w`, float."""
    return to_float(codec.guide.as_stored(high, codec.storage.bits))


def bits_of(low: Tensor, codec: NetworkPair) -> Tensor:
    """Estimate the bits of the file of low: `b c h w -> b`."""
    return codec.compression.bits(low) * low[0].numel()


def price_of(error: N, values: int) -> N:
    """Return the squared error that one bit of low is worth.

    Args:
        error: Squared error that low restores with, of one image or of each of a batch.
        values: Number of values of low.
    """
    return error / values * (math.log(10) / 10 * _DECIBELS_PER_BIT)


def check_reachable(mean_error: float, target: float, codec: NetworkPair) -> None:
    """Refuse a target that not even the guide reaches in the file format of a codec.

    Args:
        mean_error: Mean squared error of the stored guide against the guide.
        target: The target in dB.
        codec: The codec, for the error message.

    Raises:
        UsageError: If the PSNR of the stored guide is below the target.
    """
    if mean_error and (reached := -10 * math.log10(mean_error)) < target:
        raise UsageError(
            f"target_low_psnr {target:g} is not possible: the guide itself has {math.floor(10 * reached) / 10:g} dB "
            f"in a {codec.storage.format} of these weights; use a lower target"
        )


def check_refinable(codec: NetworkPair, effort: Effort) -> None:
    """Refuse a codec in training mode, or whose compression does not fit the effort, with a `UsageError`."""
    if codec.compression.in_memory:
        raise UsageError(
            f"effort: compression {codec.info.compression!r} stores no file to improve; use effort 0 or another "
            "compression, such as uint8"
        )
    if effort.smaller and not codec.storage.exact:
        raise UsageError(
            f"smaller: the bits of a {codec.storage.format}, which is lossy, are not known; leave out smaller, or use "
            "weights that store PNG"
        )
    if any(module.training for module in codec.modules()):
        raise UsageError("effort: the codec is in training mode; call codec.eval() first")


def without_gradients(codec: P) -> P:
    """Copy a codec whose networks have no gradients by their parameters, which share their memory with the copy."""
    twin = codec.replace()
    twin.decoder, twin.compression = _without_gradients(codec.decoder), _without_gradients(codec.compression)
    return twin


def _without_gradients(module: M) -> M:
    # a tensor from inference mode cannot take part in a gradient
    memo: dict[int, Tensor] = {
        id(x): nn.Parameter(x.clone() if x.is_inference() else x.detach(), requires_grad=False)
        for x in module.parameters()
    }
    memo |= {id(x): x.clone() for x in module.buffers()}
    try:
        return copy.deepcopy(module, memo)
    except (RuntimeError, TypeError):  # some modules cannot be copied; their own gradients only cost memory
        return module


def area_mean(x: Tensor) -> Tensor:
    """Average over the 9x9 pixels around each pixel: `b c h w -> b c h w`."""
    return F.avg_pool2d(x, 9, 1, 4, count_include_pad=False)


@contextmanager
def _explained(codec: NetworkPair) -> Iterator[None]:
    """Turn an error of PyTorch, such as that of an operation without a gradient, into one that names the codec."""
    try:
        yield
    except RuntimeError as error:  # NotImplementedError is one, too
        reason = escaped(error, None)
        if isinstance(error, torch.OutOfMemoryError) or "memory" in reason:
            raise
        raise UsageError(
            f"effort: network {codec.info.network!r} or compression {codec.info.compression!r} gives no gradient "
            f"({reason[:100]}); use effort 0"
        ) from None
