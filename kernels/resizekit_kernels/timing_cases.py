"""The cases to time: each op with the tensors between the bytes of an image and a network, in a few sizes.

The name of a case is `VARIANT-SxR-SIZE-bBATCH`, such as "bf16-nhwc-2x2-1080p-b8"; an op and a case are a row of the
table.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

from resizekit.ops import TimingCase

__all__ = ["Case", "cases", "equal_results", "size_of", "timing_cases"]


class Setting(NamedTuple):
    """A size of the high image and the factors."""

    s: int
    r: int
    size: str
    batch: int
    compiled: bool = False
    """Whether to time torch.compile too: it takes seconds per case."""


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
    """One op with one kind of tensor."""

    op: str
    name: str
    make: Callable[["Case", torch.device], tuple[Any, ...]]
    """Returns new positional arguments in new memory."""
    options: dict[str, Any] = field(default_factory=dict)
    exact: bool = True
    """Whether a kernel must give the bits of the reference."""


@dataclass(frozen=True)
class Case:
    """A variant with a size."""

    variant: Variant
    setting: Setting

    @property
    def op(self) -> str:
        """Name of the op."""
        return self.variant.op

    @property
    def name(self) -> str:
        """Name of the case, unique for its op."""
        s, r, size, batch, _ = self.setting
        return f"{self.variant.name}-{s}x{r}-{size}-b{batch}"

    @property
    def high(self) -> tuple[int, int, int, int]:
        """Shape `b c h w` of the high image."""
        return (self.setting.batch, 3, *HEIGHT_WIDTH[self.setting.size])

    @property
    def unshuffled(self) -> tuple[int, int, int, int]:
        """Shape `b (c s r) h w` of the unshuffled image."""
        b, c, h, w = self.high
        s, r = self.setting[:2]
        return b, c * s * r, h // s, w // r

    @property
    def low(self) -> tuple[int, int, int, int]:
        """Shape `b c h w` of the low image."""
        b, _, h, w = self.unshuffled
        return b, 3, h, w

    def inputs(self, device: torch.device) -> tuple[Any, ...]:
        """Return new arguments in new memory."""
        return self.variant.make(self, device)


NCHW, NHWC = torch.contiguous_format, torch.channels_last


def _byte_image(case: Case, device: torch.device) -> tuple[Any, ...]:
    """A uint8 image in the memory order of files, `b h w c`, with the shape `b c h w`."""
    b, c, h, w = case.high
    codes = torch.randint(0, 256, (b, h, w, c), dtype=torch.uint8, device=device).permute(0, 3, 1, 2)
    return codes, *case.setting[:2]


def _floats(shape: tuple[int, ...], dtype: torch.dtype, memory: torch.memory_format, device: torch.device) -> Tensor:
    """Values like those of a network: most in [0, 1], some outside."""
    return torch.rand(shape, device=device).mul_(1.2).sub_(0.1).to(dtype).contiguous(memory_format=memory)


def _floats_and_factors(shape: str, dtype: torch.dtype, memory: torch.memory_format) -> Callable[..., tuple[Any, ...]]:
    return lambda case, device: (_floats(getattr(case, shape), dtype, memory, device), *case.setting[:2])


def _guided(case: Case, device: torch.device) -> tuple[Any, ...]:
    x = _floats(case.low, torch.bfloat16, NHWC, device)
    return x, _floats(case.low, torch.float32, NHWC, device)


def _unguided(case: Case, device: torch.device) -> tuple[Any, ...]:
    return (_floats(case.low, torch.float32, NCHW, device),)


def _low_bytes(case: Case, device: torch.device) -> tuple[Any, ...]:
    """A small uint8 image in the memory order of files, for a decoder, which does not unshuffle it."""
    b, c, h, w = case.low
    return torch.randint(0, 256, (b, h, w, c), dtype=torch.uint8, device=device).permute(0, 3, 1, 2), 1, 1


def _guided_by(memory: torch.memory_format) -> Callable[["Case", torch.device], tuple[Any, ...]]:
    """float32 of a network in channels last, and a guide."""
    return lambda case, device: (_floats(case.low, F32, NHWC, device), _floats(case.low, F32, memory, device))


def _features(sums: bool) -> Callable[["Case", torch.device], tuple[Any, ...]]:
    """Features of a residual block, the weights of a layer, and the features that are added to its result."""

    def make(case: Case, device: torch.device) -> tuple[Any, ...]:
        b, _, h, w = case.low
        x = _floats((b, WIDTH, h, w), BF16, NHWC, device)
        weight = _floats((WIDTH, WIDTH, 3, 3), BF16, NHWC, device) / WIDTH
        other = (_floats((b, WIDTH, h, w), BF16, NHWC, device),) if sums else ()
        return x, weight, torch.zeros(WIDTH, dtype=BF16, device=device), *other

    return make


F32, BF16 = torch.float32, torch.bfloat16
WIDTH = 64
"""Channels of most networks."""
TO_BF16 = {"dtype": BF16, "channels_last": True}
TO_NETWORK = {"shift": -0.5, "channels_last": True}
"""As a codec converts its input."""

VARIANTS = (
    # what codecs call
    Variant("unshuffle_codes", "f32-nhwc-low", _low_bytes, TO_NETWORK),
    Variant("unshuffle_guide", "f32-nhwc", _byte_image, TO_NETWORK),
    Variant("to_uint8", "f32-nhwc-guide", _guided_by(NHWC)),
    Variant("shuffle_codes", "f32-nhwc", _floats_and_factors("unshuffled", F32, NHWC)),
    Variant("conv3x3", "bf16-relu", _features(False), {"relu": True}, exact=False),
    Variant("conv3x3", "bf16-sum", _features(True), exact=False),
    # what trainings call
    Variant("unshuffle", "f32-nchw", _floats_and_factors("high", F32, NCHW)),
    Variant("shuffle", "f32-nhwc", _floats_and_factors("unshuffled", F32, NHWC)),
    Variant("quantize", "f32-nhwc-guide-nchw", _guided_by(NCHW)),
    # what other programs may call
    Variant("unshuffle_codes", "f32-nchw", _byte_image),
    Variant("unshuffle_codes", "bf16-nhwc", _byte_image, TO_BF16),
    Variant("unshuffle_guide", "f32-nchw", _byte_image),
    Variant("unshuffle_guide", "bf16-nhwc", _byte_image, TO_BF16),
    Variant("shuffle_codes", "f32-nchw", _floats_and_factors("unshuffled", F32, NCHW)),
    Variant("shuffle_codes", "bf16-nhwc", _floats_and_factors("unshuffled", BF16, NHWC)),
    Variant("unshuffle", "bf16-nhwc", _floats_and_factors("high", BF16, NHWC)),
    Variant("shuffle", "bf16-nhwc", _floats_and_factors("unshuffled", BF16, NHWC)),
    Variant("unshuffle_quantize", "f32-nchw", _floats_and_factors("high", F32, NCHW)),
    *(
        variant
        for op in ("to_uint8", "quantize", "quantize_codes")
        for variant in (Variant(op, "f32", _unguided), Variant(op, "bf16-guide32", _guided))
    ),
)
SHAPE_INDEPENDENT = {"conv3x3", "to_uint8", "quantize", "quantize_codes"}
"""Ops without factors: other factors would only mean other sizes."""


def cases(on_gpu: bool) -> Iterator[Case]:
    """Yield every case, grouped by op."""
    for variant in VARIANTS:
        for setting in ON_GPU if on_gpu else ON_CPU:
            if variant.op not in SHAPE_INDEPENDENT or setting[:2] == (2, 2):
                yield Case(variant, setting)


def timing_cases(op: str, device: torch.device) -> Iterator[TimingCase]:
    """Yield the cases of an op for `resizekit bench --run`."""
    for case in cases(device.type != "cpu"):
        if case.op == op:
            variant = case.variant
            yield TimingCase(name=case.name, inputs=case.inputs, options=variant.options, exact=variant.exact)


def _tensors(value: Any) -> list[Tensor]:
    return [x for x in (value if isinstance(value, tuple) else (value,)) if isinstance(x, Tensor)]


def size_of(value: Any) -> int:
    """Return the bytes of a tensor or of the tensors in a tuple."""
    return sum(x.numel() * x.element_size() for x in _tensors(value))


def equal_results(a: Any, b: Any) -> bool:
    """Return whether two results have equal bits, dtypes and memory formats."""
    pairs = list(zip(_tensors(a), _tensors(b), strict=True))
    return all(x.dtype == y.dtype and torch.equal(x, y) and _strides(x) == _strides(y) for x, y in pairs)


def _strides(x: Tensor) -> list[int]:
    return [step for step, length in zip(x.stride(), x.shape, strict=True) if length > 1]
