"""The calls that test a kernel for an op of `resizekit.ops`."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from resizekit.testing.calls import Call, Cases
from resizekit.testing.samples import (
    FLOATS,
    all_values,
    channels_last,
    crop,
    floats,
    layouts,
    odd_layouts,
    random_bytes,
    specials,
    ties,
)  # fmt: skip

__all__ = ["cases_of"]

_FACTORS = ((1, 1), (3, 1), (1, 4), (2, 3), (5, 7))
_CLAMP_GRADIENTS = ("identity_if_towards", "identity", "disconnected")


def cases_of(op: str) -> Cases:
    """Return the calls for an op of `resizekit.ops`.

    Raises:
        NotImplementedError: The op is not one of `resizekit.ops`.
    """
    if op not in _MAKERS:
        raise NotImplementedError(
            f"no calls are known for the op {op!r}: override `cases` with calls of it (Call and Cases of "
            f"resizekit.testing), or choose one of {', '.join(_MAKERS)}"
        )
    return _MAKERS[op]()


# --- rounding ----------------------------------------------------------------------------------


def _rounding() -> Cases:
    x, guide = floats(2, 3, 4, 6), floats(2, 3, 4, 6, seed=1)
    calls, special_calls, tie_calls = [], [], []
    for dtype in FLOATS:
        for y, added in zip(layouts(x.to(dtype)), layouts(guide.to(dtype)), strict=True):
            calls.append(Call(y, added))
        calls.append(Call(x.to(dtype)))
        crossed = torch.meshgrid(specials(dtype), specials(dtype), indexing="ij")
        special_calls += [Call(specials(dtype)), Call(*crossed)]
        tie_calls += [Call(ties(dtype)), Call(ties(dtype) - 0.25, torch.full((1, 3, 16, 16), 0.25, dtype=dtype))]
    calls += [Call(x.half(), guide), Call(x.bfloat16(), guide.half()), Call(x.double()), Call(x, guide.double())]
    calls += [Call(channels_last(x), guide), Call(x, channels_last(guide)), Call(x, crop(guide))]
    sizes = ((), (1,), (7,), (3, 5), (1, 1, 1, 1), (2, 3, 1, 4, 2), (2, 3, 25, 29))
    return Cases(
        layouts=[*calls, *(Call(y, guide=guide) for y in odd_layouts(x))],
        sizes=[Call(floats(*size)) for size in sizes],
        specials=special_calls,
        ties=tie_calls,
        gradients=[Call(x), Call(x, guide)],
        refused=[Call(random_bytes(3)), Call(x, guide[:1]), Call(x, guide.int()), Call(x, guide.to("meta"))],
    )


def _quantize() -> Cases:
    cases, outside, guide = _rounding(), 3 * floats(2, 3, 4, 6) - 1, floats(2, 3, 4, 6, seed=1)
    by_rule = [
        Call(*pair, clamp_gradient=rule) for pair in ((outside,), (outside.half(), guide)) for rule in _CLAMP_GRADIENTS
    ]
    other_calls = [Call(crop(channels_last(outside)), guide), Call(outside.bfloat16()), Call(outside.double())]
    return replace(
        cases,
        layouts=[*cases.layouts, Call(outside, guide, clamp_gradient="disconnected")],
        gradients=[*by_rule, *other_calls, Call(specials(torch.float32))],
        refused=[*cases.refused, Call(guide, clamp_gradient="outward")],
    )


def _unshuffle_quantize() -> Cases:
    x, outside = floats(2, 3, 4, 6), 3 * floats(2, 3, 4, 6) - 1
    special_calls = [Call(specials(dtype).reshape(1, 1, 4, 4), 2, 2) for dtype in FLOATS]
    calls = [Call(y, 2, 3) for dtype in FLOATS for y in layouts(x.to(dtype))] + [Call(y, 2, 2) for y in odd_layouts(x)]
    by_rule = [
        Call(y, 2, 3, clamp_gradient=rule) for y in (outside, channels_last(outside)) for rule in _CLAMP_GRADIENTS
    ]
    other_calls = [Call(crop(outside.half()), 2, 2), Call(outside.bfloat16(), 1, 1), Call(outside.double(), 2, 1)]
    return Cases(
        layouts=[*calls, Call(x.double(), 2, 2), Call(x, s=2, r=1, clamp_gradient="disconnected")],
        sizes=_sizes(floats),
        specials=special_calls,
        ties=[Call(ties(dtype), 2, 2) for dtype in FLOATS],
        gradients=[*by_rule, *other_calls, special_calls[0]],
        refused=[*_refused(x), Call(random_bytes(1, 1, 2, 2), 2, 2), Call(x, 2, 2, clamp_gradient="outward")],
    )


# --- pixels ------------------------------------------------------------------------------------


def _unshuffle() -> Cases:
    x = floats(2, 3, 4, 6)
    special = [specials(dtype)[:, None, None].expand(1, 16, 4, 6) for dtype in FLOATS]
    return Cases(
        layouts=[*_layouts_of_moves(x), Call(x, s=2, r=1)],
        sizes=_sizes(floats),
        specials=[Call(y, 2, 2) for y in special],
        ties=[Call(ties(dtype).reshape(1, 48, 4, 4), 2, 2) for dtype in FLOATS],
        gradients=[*(Call(y.to(dtype), 2, 3) for y in (x, channels_last(x), crop(x)) for dtype in FLOATS)],
        refused=_refused(x),
    )


def _shuffle() -> Cases:
    x = floats(2, 12, 3, 5)
    special = [specials(dtype)[:, None, None].expand(1, 16, 3, 5) for dtype in FLOATS]
    return Cases(
        layouts=[*_layouts_of_moves(x), Call(x, s=2, r=1)],
        sizes=_sizes(floats, low=True),
        specials=[Call(y, 2, 2) for y in special],
        ties=[Call(ties(dtype).reshape(1, 48, 4, 4), 2, 2) for dtype in FLOATS],
        gradients=[*(Call(y.to(dtype), 2, 3) for y in (x, channels_last(x), crop(x)) for dtype in FLOATS)],
        refused=_refused(x, low=True),
    )


def _layouts_of_moves(x: Tensor) -> list[Call]:
    """Move values of every width; s and r are 2 and 3, and 2 and 2."""
    calls = [Call(y, 2, 3) for dtype in FLOATS for y in layouts(x.to(dtype))] + [Call(y, 2, 2) for y in odd_layouts(x)]
    dtypes = (torch.uint8, torch.int64, torch.float64)
    return calls + [
        Call(y, 2, 3) for dtype in dtypes for y in ((100 * x).to(dtype), channels_last((100 * x).to(dtype)))
    ]


# --- bytes -------------------------------------------------------------------------------------


def _unshuffle_codes() -> Cases:
    x = random_bytes(2, 3, 4, 6)
    options = [{"dtype": dtype, "channels_last": last} for dtype in FLOATS for last in (False, True)]
    calls = [Call(y, 2, 3, **options[(i + k) % 6]) for i, y in enumerate(layouts(x)) for k in (0, 3)]
    calls += [Call(y, 2, 2, shift=-0.5, multiple=16, channels_last=i % 2 == 0) for i, y in enumerate(odd_layouts(x))]
    calls += [Call(x, 2, 2, multiple=5), Call(x, 1, 1, multiple=4, channels_last=True), Call(x, s=2, r=1, shift=0.25)]
    values = all_values()
    return Cases(
        layouts=[*calls, Call(x, 2, 2, dtype=torch.float64, shift=-0.5, multiple=8)],
        sizes=_sizes(random_bytes),
        specials=[Call(values * 0 + code, 2, 2, shift=-0.5) for code in (0, 255)],
        ties=[Call(values, 2, 1, dtype=dtype, shift=shift) for dtype in FLOATS for shift in (0.0, -0.45)],
        gradients=[Call(x, 2, 2)],
        refused=[
            *_refused(x),
            *(Call(x, 2, 2, **{name: value}) for name, value in _INVALID_OPTIONS),
            Call(x.float(), 2, 2),
        ],
    )


_INVALID_OPTIONS = (("dtype", torch.int32), ("multiple", 0))


def _shuffle_codes() -> Cases:
    x = floats(2, 12, 3, 5)
    calls = [Call(y, 2, 3) for dtype in FLOATS for y in layouts(x.to(dtype))]
    calls += [Call(y - 0.5, 2, 2, shift=0.5) for y in (x, channels_last(x).half(), x.bfloat16(), x.double())]
    special = [specials(dtype)[:, None, None].expand(1, 16, 1, 2) for dtype in FLOATS]
    tie_values = [ties(dtype).reshape(1, 48, 4, 4) for dtype in FLOATS]
    return Cases(
        layouts=[*calls, *(Call(y, 2, 2, shift=-0.1) for y in odd_layouts(x)), Call(x.double(), s=2, r=1)],
        sizes=_sizes(floats, low=True),
        specials=[Call(y, 2, 2, shift=shift) for y in special for shift in (0.0, 0.5)],
        ties=[Call(y - shift, 2, 2, shift=shift) for y in tie_values for shift in (0.0, 0.5)],
        gradients=[Call(x, 2, 2)],
        refused=[*_refused(x, low=True), Call(random_bytes(1, 4, 2, 2), 2, 2)],
    )


# --- convolution -------------------------------------------------------------------------------


def _conv3x3() -> Cases:
    x, other = floats(2, 16, 5, 6), floats(2, 17, 5, 6, seed=1)
    weight, bias = floats(17, 16, 3, 3, seed=2) / 8, floats(17, seed=3)

    def layer(dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        return weight.to(dtype), bias.to(dtype)

    calls = []
    for dtype in FLOATS:
        for y, added in zip(layouts(x.to(dtype)), layouts(other.to(dtype)), strict=True):
            calls += [Call(y, *layer(dtype), added), Call(y, *layer(dtype), relu=True)]
    calls += [Call(y, channels_last(weight), bias) for y in odd_layouts(x)]
    sizes = [(1, 1), (1, 19), (37, 1), (9, 17), (16, 33)]
    half, special = layer(torch.float16), [specials(dtype)[None, :, None, None] for dtype in FLOATS]
    return Cases(
        layouts=[*calls, Call(x.double(), *layer(torch.float64), other.double(), relu=True)],
        sizes=[Call(floats(1, 16, *size).half(), *half, floats(1, 17, *size, seed=1).half()) for size in sizes],
        specials=[Call(y.expand(1, 16, 2, 3), *layer(y.dtype), relu=relu) for y in special for relu in (False, True)],
        ties=[Call(torch.zeros(1, 16, 2, 2, dtype=dtype), *layer(dtype)) for dtype in FLOATS],
        gradients=[Call(x, weight, bias, other, relu=True), Call(x.half(), *half)],
        refused=[
            Call(x[:, :3], weight, bias),
            Call(x[0], weight, bias),
            Call(x, weight[..., :1], bias),
            Call(x, weight, bias[:3]),
            Call(x, weight, bias, other[:1]),
            Call(x.half(), weight, bias),
            Call(x.int(), weight.int(), bias.int()),
        ],
    )


# --- sizes -------------------------------------------------------------------------------------


def _sizes(make: Callable[..., Tensor], *, low: bool = False) -> list[Call]:
    """Small images with unequal factors: wider than a block, taller than wide, more values than a block."""
    cells = [(factors, (2, 3, 3, 5)) for factors in _FACTORS]
    cells += [(factors, (1, 1, 1, 1)) for factors in ((1, 1), (5, 7))]
    cells += [((3, 1), (1, 4, 1, 2)), ((2, 3), (1, 1, 1, 301)), ((2, 3), (1, 2, 37, 1)), ((2, 3), (2, 3, 25, 15))]
    return [Call(make(b, c * s * r, h, w) if low else make(b, c, h * s, w * r), s, r) for (s, r), (b, c, h, w) in cells]


def _refused(x: Tensor, *, low: bool = False) -> list[Call]:
    """Calls that no op with the factors s and r accepts."""
    odd = [x[:, :3], x[:, :7]] if low else [x[:, :, :3], x[..., :5]]
    return [Call(y, 2, 2) for y in (*odd, x[0], x[None])] + [Call(x, *factors) for factors in ((0, 2), (2, -1))]


_MAKERS: dict[str, Callable[[], Cases]] = {
    "conv3x3": _conv3x3,
    "to_uint8": _rounding,
    "quantize": _quantize,
    "quantize_codes": _quantize,
    "shuffle": _shuffle,
    "shuffle_codes": _shuffle_codes,
    "unshuffle": _unshuffle,
    "unshuffle_codes": _unshuffle_codes,
    "unshuffle_guide": _unshuffle_codes,
    "unshuffle_quantize": _unshuffle_quantize,
}
