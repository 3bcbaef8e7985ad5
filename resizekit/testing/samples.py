"""Small tensors that reveal mistakes: every memory format, every 8-bit value, ties, NaN and infinities."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

__all__ = [
    "FLOATS",
    "OTHER_LAYOUT",
    "UPSTREAM",
    "all_values",
    "channels_last",
    "crop",
    "floats",
    "layouts",
    "odd_layouts",
    "random_bytes",
    "specials",
    "ties",
]  # fmt: skip

FLOATS = (torch.float32, torch.float16, torch.bfloat16)
"""The dtypes that networks compute in."""


def floats(*shape: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    """Return values in [-0.5, 1.5]; a seventh of them are 0, 1 or a simple fraction."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(shape, generator=generator) * 2 - 0.5
    replaced = torch.rand(shape, generator=generator) < 1 / 7
    return torch.where(replaced, (x.clamp(0, 1) * 4).round() / 4, x).to(dtype)


def random_bytes(*shape: int, seed: int = 0) -> Tensor:
    """Return random 8-bit values."""
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def channels_last(x: Tensor) -> Tensor:
    """Return `b c h w` in channels-last memory format, or any other shape without gaps."""
    return x.contiguous(memory_format=torch.channels_last if x.dim() == 4 else torch.contiguous_format)


def crop(x: Tensor) -> Tensor:
    """Return the same values as a crop of a larger tensor, in the memory format of x."""
    b, c, h, w = x.shape
    layout = torch.contiguous_format if x.is_contiguous() else torch.channels_last
    larger = torch.zeros((b, c, h + 3, w + 5), dtype=x.dtype).contiguous(memory_format=layout)
    return larger[:, :, 1 : h + 1, 3 : w + 3].copy_(x)


def layouts(x: Tensor) -> Iterator[Tensor]:
    """Return `b c h w` unchanged, channels last, and crops of both."""
    yield from (x, channels_last(x), crop(x), crop(channels_last(x)))


def odd_layouts(x: Tensor) -> Iterator[Tensor]:
    """Return x with other strides: transposed, every second pixel, one plane repeated."""
    yield x.mT.contiguous().mT
    yield x.repeat_interleave(2, 2).repeat_interleave(2, 3)[:, :, ::2, ::2]
    yield x[:, :1].expand_as(x)


def specials(dtype: torch.dtype) -> Tensor:
    """Return 16 special values: NaN, infinities, the largest and smallest numbers, and neighbors of 0 and 1."""
    info = torch.finfo(dtype)
    values = [torch.nan, torch.inf, -torch.inf, info.max, info.min, info.tiny, -info.tiny, info.smallest_normal / 4]
    values += [0.0, -0.0, 1.0, -1.0, 2.0, 1 + info.eps, 1 - info.eps, -info.eps]
    return torch.tensor(values, dtype=dtype)


def ties(dtype: torch.dtype) -> Tensor:
    """Return values halfway between two 8-bit values, and their neighbors on both sides: `1 3 16 16`."""
    middle, far = (torch.arange(256) + 0.5) / 255, torch.tensor(torch.inf)
    return torch.stack([middle.nextafter(-far), middle, middle.nextafter(far)]).reshape(1, 3, 16, 16).to(dtype)


def all_values() -> Tensor:
    """Return all 256 8-bit values: `1 1 16 16`."""
    return torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)


def _random(x: Tensor) -> Tensor:
    values = torch.randn(x.shape, generator=torch.Generator().manual_seed(3))
    if x.numel() > 1:
        values.flatten()[-1] = torch.nan
    return torch.empty_like(x).copy_(values)


def _other_layout(x: Tensor) -> Tensor:
    other = _random(x)
    return channels_last(other) if x.is_contiguous() else other.contiguous()


OTHER_LAYOUT: dict[str, Callable[[Tensor], Tensor]] = {"a gradient in another layout": _other_layout}
UPSTREAM = {
    "a random gradient": _random,
    "the gradient of a sum": lambda x: torch.ones((), dtype=x.dtype, device=x.device).expand_as(x),
    **OTHER_LAYOUT,
}
"""Upstream gradients for a result, some with NaN; the gradient of a sum has strides of 0."""
