"""The calls that a kernel for one of our own ops is tried with."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from resizekit.testing.calls import Call, Cases
from resizekit.testing.samples import (
    FLOATS,
    channels_last,
    crop,
    every_code,
    floats,
    layouts,
    odd_layouts,
    random_bytes,
    specials,
    ties,
)  # fmt: skip

__all__ = ["cases_of"]

_FACTORS = ((1, 1), (3, 1), (1, 4), (2, 3), (5, 7))
_RULES = ("inward", "plain", "clipped")


def cases_of(op: str) -> Cases:
    """Give the calls for an op of `resizekit.ops`."""
    if op not in _MAKERS:
        raise NotImplementedError(
            f"nothing is known of the op {op!r}: give calls of it by overriding `cases` (with Call, Cases of "
            f"resizekit.testing), or name one of {', '.join(_MAKERS)}"
        )
    return _MAKERS[op]()


# --- rounding ----------------------------------------------------------------------------------


def _codes() -> Cases:
    x, guide = floats(2, 3, 4, 6), floats(2, 3, 4, 6, seed=1)
    some, special, tied = [], [], []
    for dtype in FLOATS:
        for y, added in zip(layouts(x.to(dtype)), layouts(guide.to(dtype)), strict=True):
            some.append(Call(y, added))
        some.append(Call(x.to(dtype)))
        crossed = torch.meshgrid(specials(dtype), specials(dtype), indexing="ij")
        special += [Call(specials(dtype)), Call(*crossed)]
        tied += [Call(ties(dtype)), Call(ties(dtype) - 0.25, torch.full((1, 3, 16, 16), 0.25, dtype=dtype))]
    some += [Call(x.half(), guide), Call(x.bfloat16(), guide.half()), Call(x.double()), Call(x, guide.double())]
    some += [Call(channels_last(x), guide), Call(x, channels_last(guide)), Call(x, crop(guide))]
    sizes = ((), (1,), (7,), (3, 5), (1, 1, 1, 1), (2, 3, 1, 4, 2), (2, 3, 25, 29))
    return Cases(
        layouts=[*some, *(Call(y, guide=guide) for y in odd_layouts(x))],
        sizes=[Call(floats(*size)) for size in sizes],
        specials=special,
        ties=tied,
        gradients=[Call(x), Call(x, guide)],
        refused=[Call(random_bytes(3)), Call(x, guide[:1]), Call(x, guide.int()), Call(x, guide.to("meta"))],
    )


def _quantize() -> Cases:
    cases, outside, guide = _codes(), 3 * floats(2, 3, 4, 6) - 1, floats(2, 3, 4, 6, seed=1)
    ruled = [Call(*pair, gradient=rule) for pair in ((outside,), (outside.half(), guide)) for rule in _RULES]
    others = [Call(crop(channels_last(outside)), guide), Call(outside.bfloat16()), Call(outside.double())]
    return replace(
        cases,
        layouts=[*cases.layouts, Call(outside, guide, gradient="clipped")],
        gradients=[*ruled, *others, Call(specials(torch.float32))],
        refused=[*cases.refused, Call(guide, gradient="outward")],
    )


def _unshuffle_quantize() -> Cases:
    x, outside = floats(2, 3, 4, 6), 3 * floats(2, 3, 4, 6) - 1
    special = [Call(specials(dtype).reshape(1, 1, 4, 4), 2, 2) for dtype in FLOATS]
    some = [Call(y, 2, 3) for dtype in FLOATS for y in layouts(x.to(dtype))] + [Call(y, 2, 2) for y in odd_layouts(x)]
    ruled = [Call(y, 2, 3, gradient=rule) for y in (outside, channels_last(outside)) for rule in _RULES]
    others = [Call(crop(outside.half()), 2, 2), Call(outside.bfloat16(), 1, 1), Call(outside.double(), 2, 1)]
    return Cases(
        layouts=[*some, Call(x.double(), 2, 2), Call(x, s=2, r=1, gradient="clipped")],
        sizes=_sizes(floats),
        specials=special,
        ties=[Call(ties(dtype), 2, 2) for dtype in FLOATS],
        gradients=[*ruled, *others, special[0]],
        refused=[*_refused(x), Call(random_bytes(1, 1, 2, 2), 2, 2), Call(x, 2, 2, gradient="outward")],
    )


# --- pixels ------------------------------------------------------------------------------------


def _unshuffle() -> Cases:
    x = floats(2, 3, 4, 6)
    special = [specials(dtype)[:, None, None].expand(1, 16, 4, 6) for dtype in FLOATS]
    return Cases(
        layouts=[*_moved(x), Call(x, s=2, r=1)],
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
        layouts=[*_moved(x), Call(x, s=2, r=1)],
        sizes=_sizes(floats, low=True),
        specials=[Call(y, 2, 2) for y in special],
        ties=[Call(ties(dtype).reshape(1, 48, 4, 4), 2, 2) for dtype in FLOATS],
        gradients=[*(Call(y.to(dtype), 2, 3) for y in (x, channels_last(x), crop(x)) for dtype in FLOATS)],
        refused=_refused(x, low=True),
    )


def _moved(x: Tensor) -> list[Call]:
    """Move values of every width, whatever they mean; s and r are 2 and 3, and 2 and 2."""
    some = [Call(y, 2, 3) for dtype in FLOATS for y in layouts(x.to(dtype))] + [Call(y, 2, 2) for y in odd_layouts(x)]
    kinds = (torch.uint8, torch.int64, torch.float64)
    return some + [Call(y, 2, 3) for kind in kinds for y in ((100 * x).to(kind), channels_last((100 * x).to(kind)))]


# --- bytes -------------------------------------------------------------------------------------


def _unshuffle_codes() -> Cases:
    x = random_bytes(2, 3, 4, 6)
    wide = [{"dtype": dtype, "channels_last": last} for dtype in FLOATS for last in (False, True)]
    some = [Call(y, 2, 3, **wide[(i + k) % 6]) for i, y in enumerate(layouts(x)) for k in (0, 3)]
    some += [Call(y, 2, 2, shift=-0.5, multiple=16, channels_last=i % 2 == 0) for i, y in enumerate(odd_layouts(x))]
    some += [Call(x, 2, 2, multiple=5), Call(x, 1, 1, multiple=4, channels_last=True), Call(x, s=2, r=1, shift=0.25)]
    every = every_code()
    return Cases(
        layouts=[*some, Call(x, 2, 2, dtype=torch.float64, shift=-0.5, multiple=8)],
        sizes=_sizes(random_bytes),
        specials=[Call(every * 0 + code, 2, 2, shift=-0.5) for code in (0, 255)],
        ties=[Call(every, 2, 1, dtype=dtype, shift=shift) for dtype in FLOATS for shift in (0.0, -0.45)],
        gradients=[Call(x, 2, 2)],
        refused=[*_refused(x), *(Call(x, 2, 2, **{name: value}) for name, value in _WRONG), Call(x.float(), 2, 2)],
    )


_WRONG = (("dtype", torch.int32), ("multiple", 0))


def _shuffle_codes() -> Cases:
    x = floats(2, 12, 3, 5)
    some = [Call(y, 2, 3) for dtype in FLOATS for y in layouts(x.to(dtype))]
    some += [Call(y - 0.5, 2, 2, shift=0.5) for y in (x, channels_last(x).half(), x.bfloat16(), x.double())]
    special = [specials(dtype)[:, None, None].expand(1, 16, 1, 2) for dtype in FLOATS]
    tied = [ties(dtype).reshape(1, 48, 4, 4) for dtype in FLOATS]
    return Cases(
        layouts=[*some, *(Call(y, 2, 2, shift=-0.1) for y in odd_layouts(x)), Call(x.double(), s=2, r=1)],
        sizes=_sizes(floats, low=True),
        specials=[Call(y, 2, 2, shift=shift) for y in special for shift in (0.0, 0.5)],
        ties=[Call(y - shift, 2, 2, shift=shift) for y in tied for shift in (0.0, 0.5)],
        gradients=[Call(x, 2, 2)],
        refused=[*_refused(x, low=True), Call(random_bytes(1, 4, 2, 2), 2, 2)],
    )


# --- sizes -------------------------------------------------------------------------------------


def _sizes(make: Callable[..., Tensor], *, low: bool = False) -> list[Call]:
    """Small pictures by unequal factors; wider than a block, higher than wide, more values than a block holds."""
    cells = [(factors, (2, 3, 3, 5)) for factors in _FACTORS]
    cells += [(factors, (1, 1, 1, 1)) for factors in ((1, 1), (5, 7))]
    cells += [((3, 1), (1, 4, 1, 2)), ((2, 3), (1, 1, 1, 301)), ((2, 3), (1, 2, 37, 1)), ((2, 3), (2, 3, 25, 15))]
    return [Call(make(b, c * s * r, h, w) if low else make(b, c, h * s, w * r), s, r) for (s, r), (b, c, h, w) in cells]


def _refused(x: Tensor, *, low: bool = False) -> list[Call]:
    """Give what no op that takes s and r takes."""
    odd = [x[:, :3], x[:, :7]] if low else [x[:, :, :3], x[..., :5]]
    return [Call(y, 2, 2) for y in (*odd, x[0], x[None])] + [Call(x, *factors) for factors in ((0, 2), (2, -1))]


_MAKERS: dict[str, Callable[[], Cases]] = {
    "to_uint8": _codes,
    "quantize": _quantize,
    "quantize_codes": _quantize,
    "shuffle": _shuffle,
    "shuffle_codes": _shuffle_codes,
    "unshuffle": _unshuffle,
    "unshuffle_codes": _unshuffle_codes,
    "unshuffle_guide": _unshuffle_codes,
    "unshuffle_quantize": _unshuffle_quantize,
}
