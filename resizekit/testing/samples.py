"""Small tensors that find mistakes: every layout, every code, the middle between codes, and what is no number."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

__all__ = [
    "ELSEWHERE", "FLOATS", "UPSTREAM", "channels_last", "crop", "every_code", "floats", "layouts", "odd_layouts",
    "random_bytes", "specials", "ties",
]  # fmt: skip

FLOATS = (torch.float32, torch.float16, torch.bfloat16)
"""The types that networks compute in."""


def floats(*shape: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    """Values in [-0.5, 1.5], every seventh of them 0, 1 or a simple fraction."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(shape, generator=generator) * 2 - 0.5
    some = torch.rand(shape, generator=generator) < 1 / 7
    return torch.where(some, (x.clamp(0, 1) * 4).round() / 4, x).to(dtype)


def random_bytes(*shape: int, seed: int = 0) -> Tensor:
    """Codes of 8 bits."""
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def channels_last(x: Tensor) -> Tensor:
    """Lay `b c h w` out as `b h w c`, any other shape without gaps."""
    return x.contiguous(memory_format=torch.channels_last if x.dim() == 4 else torch.contiguous_format)


def crop(x: Tensor) -> Tensor:
    """Give the same values as a crop of something larger, laid out as x is."""
    b, c, h, w = x.shape
    layout = torch.contiguous_format if x.is_contiguous() else torch.channels_last
    larger = torch.zeros((b, c, h + 3, w + 5), dtype=x.dtype).contiguous(memory_format=layout)
    return larger[:, :, 1 : h + 1, 3 : w + 3].copy_(x)


def layouts(x: Tensor) -> Iterator[Tensor]:
    """Give `b c h w` as it is, channels last, and crops of both."""
    yield from (x, channels_last(x), crop(x), crop(channels_last(x)))


def odd_layouts(x: Tensor) -> Iterator[Tensor]:
    """Give what has still other strides: transposed, every second pixel, one plane shown as all."""
    yield x.mT.contiguous().mT
    yield x.repeat_interleave(2, 2).repeat_interleave(2, 3)[:, :, ::2, ::2]
    yield x[:, :1].expand_as(x)


def specials(dtype: torch.dtype) -> Tensor:
    """NaN, the infinities, the largest and smallest numbers and what lies beside 0 and 1: `16`."""
    kind = torch.finfo(dtype)
    values = [torch.nan, torch.inf, -torch.inf, kind.max, kind.min, kind.tiny, -kind.tiny, kind.smallest_normal / 4]
    values += [0.0, -0.0, 1.0, -1.0, 2.0, 1 + kind.eps, 1 - kind.eps, -kind.eps]
    return torch.tensor(values, dtype=dtype)


def ties(dtype: torch.dtype) -> Tensor:
    """What lies in the middle between two codes, and its neighbours on both sides: `1 3 16 16`."""
    middle, far = (torch.arange(256) + 0.5) / 255, torch.tensor(torch.inf)
    return torch.stack([middle.nextafter(-far), middle, middle.nextafter(far)]).reshape(1, 3, 16, 16).to(dtype)


def every_code() -> Tensor:
    """All 256 codes: `1 1 16 16`."""
    return torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)


def _random(x: Tensor) -> Tensor:
    values = torch.randn(x.shape, generator=torch.Generator().manual_seed(3))
    if x.numel() > 1:
        values.flatten()[-1] = torch.nan
    return torch.empty_like(x).copy_(values)


def _elsewhere(x: Tensor) -> Tensor:
    other = _random(x)
    return channels_last(other) if x.is_contiguous() else other.contiguous()


ELSEWHERE: dict[str, Callable[[Tensor], Tensor]] = {"one in another layout": _elsewhere}
UPSTREAM = {
    "a random one": _random,
    "that of a sum": lambda x: torch.ones((), dtype=x.dtype, device=x.device).expand_as(x),
    **ELSEWHERE,
}
"""Gradients to arrive at a result, NaN among them; that of a sum has strides of 0."""
