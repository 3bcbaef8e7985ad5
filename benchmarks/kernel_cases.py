"""What is timed: each op on the tensors it meets between a picture's bytes and a network, at a few sizes.

A case is named `VARIANT-SxR-SIZE-bBATCH`, such as "bf16-nhwc-2x2-1080p-b8"; an op and a case make a row of the table.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

__all__ = ["Case", "cases", "same", "size_of"]


class Setting(NamedTuple):
    """A size of the high picture and how it is divided."""

    s: int
    r: int
    size: str
    batch: int
    compiled: bool = False
    """Whether torch.compile is timed too: it takes seconds a case."""


HEIGHT_WIDTH = {"1080p": (1080, 1920), "4k": (2160, 3840), "64x96": (64, 96)}

ON_GPU = (
    Setting(2, 2, "1080p", 1, compiled=True),
    Setting(2, 2, "1080p", 8, compiled=True),
    Setting(2, 2, "4k", 1),
    Setting(2, 2, "4k", 8),
    Setting(2, 1, "1080p", 8),
    Setting(4, 4, "1080p", 8),
)
ON_CPU = (Setting(2, 2, "64x96", 1, compiled=True), Setting(2, 1, "64x96", 2), Setting(4, 4, "64x96", 2))


@dataclass(frozen=True)
class Variant:
    """One op on one kind of tensor."""

    op: str
    name: str
    make: Callable[["Case", torch.device], tuple[Any, ...]]
    """Fresh arguments by position, on fresh memory."""
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """A variant at a size."""

    variant: Variant
    setting: Setting

    @property
    def op(self) -> str:
        return self.variant.op

    @property
    def name(self) -> str:
        s, r, size, batch, _ = self.setting
        return f"{self.variant.name}-{s}x{r}-{size}-b{batch}"

    @property
    def high(self) -> tuple[int, int, int, int]:
        """`b c h w` of the high picture."""
        return (self.setting.batch, 3, *HEIGHT_WIDTH[self.setting.size])

    @property
    def phases(self) -> tuple[int, int, int, int]:
        """`b (c s r) h w` of the unshuffled one."""
        b, c, h, w = self.high
        s, r = self.setting[:2]
        return b, c * s * r, h // s, w // r

    @property
    def low(self) -> tuple[int, int, int, int]:
        """`b c h w` of the low picture."""
        b, _, h, w = self.phases
        return b, 3, h, w

    def inputs(self, device: torch.device) -> tuple[Any, ...]:
        """Give fresh arguments on fresh memory."""
        return self.variant.make(self, device)


NCHW, NHWC = torch.contiguous_format, torch.channels_last


def _bytes(case: Case, device: torch.device) -> tuple[Any, ...]:
    """A picture as files hold it, `b h w c`, seen as `b c h w`."""
    b, c, h, w = case.high
    codes = torch.randint(0, 256, (b, h, w, c), dtype=torch.uint8, device=device).permute(0, 3, 1, 2)
    return codes, *case.setting[:2]


def _floats(shape: tuple[int, ...], dtype: torch.dtype, memory: torch.memory_format, device: torch.device) -> Tensor:
    """Values as a network gives them: most in [0, 1], some outside."""
    return torch.rand(shape, device=device).mul_(1.2).sub_(0.1).to(dtype).contiguous(memory_format=memory)


def _factored(shape: str, dtype: torch.dtype, memory: torch.memory_format) -> Callable[..., tuple[Any, ...]]:
    return lambda case, device: (_floats(getattr(case, shape), dtype, memory, device), *case.setting[:2])


def _guided(case: Case, device: torch.device) -> tuple[Any, ...]:
    x = _floats(case.low, torch.bfloat16, NHWC, device)
    return x, _floats(case.low, torch.float32, NHWC, device)


def _unguided(case: Case, device: torch.device) -> tuple[Any, ...]:
    return (_floats(case.low, torch.float32, NCHW, device),)


F32, BF16 = torch.float32, torch.bfloat16
TO_BF16 = {"dtype": BF16, "channels_last": True}

VARIANTS = (
    Variant("unshuffle_codes", "f32-nchw", _bytes),
    Variant("unshuffle_codes", "bf16-nhwc", _bytes, TO_BF16),
    Variant("unshuffle_codes", "bf16-nhwc-pad16", _bytes, TO_BF16 | {"multiple": 16}),
    Variant("unshuffle_guide", "f32-nchw", _bytes),
    Variant("unshuffle_guide", "bf16-nhwc", _bytes, TO_BF16),
    Variant("shuffle_codes", "f32-nchw", _factored("phases", F32, NCHW)),
    Variant("shuffle_codes", "bf16-nhwc", _factored("phases", BF16, NHWC)),
    Variant("unshuffle", "bf16-nhwc", _factored("high", BF16, NHWC)),
    Variant("shuffle", "bf16-nhwc", _factored("phases", BF16, NHWC)),
    Variant("unshuffle_quantize", "f32-nchw", _factored("high", F32, NCHW)),
    *(
        variant
        for op in ("to_uint8", "quantize", "quantize_codes")
        for variant in (Variant(op, "f32", _unguided), Variant(op, "bf16-guide32", _guided))
    ),
)
WHATEVER_THE_SHAPE = {"to_uint8", "quantize", "quantize_codes"}
"""Ops that see values only: other factors would be other sizes and nothing else."""


def cases(on_gpu: bool) -> Iterator[Case]:
    """Every case, those of one op together."""
    for variant in VARIANTS:
        for setting in ON_GPU if on_gpu else ON_CPU:
            if variant.op not in WHATEVER_THE_SHAPE or setting[:2] == (2, 2):
                yield Case(variant, setting)


def _tensors(value: Any) -> list[Tensor]:
    return [x for x in (value if isinstance(value, tuple) else (value,)) if isinstance(x, Tensor)]


def size_of(value: Any) -> int:
    """Bytes of a tensor, or of those in a tuple."""
    return sum(x.numel() * x.element_size() for x in _tensors(value))


def same(a: Any, b: Any) -> bool:
    """Tell whether two results agree in every bit, in type, and in how they lie in memory."""
    pairs = list(zip(_tensors(a), _tensors(b), strict=True))
    return all(x.dtype == y.dtype and torch.equal(x, y) and _lying(x) == _lying(y) for x, y in pairs)


def _lying(x: Tensor) -> list[int]:
    return [step for step, length in zip(x.stride(), x.shape, strict=True) if length > 1]
