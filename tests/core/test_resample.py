"""Resampling: its definition, tiles, gradients and errors; test_resample_golden.py has the recorded outputs."""

import importlib
import math
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from resizekit.errors import ResizeShapeError, UsageError
from resizekit.ops import resample_weights as weights_module
from resizekit.ops.resample import Border, Kernel, reach, resample, resample_uint8, taps

resample_module = importlib.import_module("resizekit.ops.resample")  # the package has a function of this name
Floats = npt.NDArray[np.float64]
KERNELS: tuple[Kernel, ...] = ("bicubic", "lanczos")
BORDERS: tuple[Border, ...] = ("replicate", "symmetric")
kernels = st.sampled_from(KERNELS)
borders = st.sampled_from(BORDERS)
sizes = st.integers(1, 14)


# --- the definition, implemented a second time: pixel by pixel, with fractions and plain loops -------


def curve(kernel: Kernel, distance: Fraction) -> float:
    d = abs(distance)
    if kernel == "bicubic":
        if d <= 1:
            return float(Fraction(3, 2) * d**3 - Fraction(5, 2) * d**2 + 1)
        return float(-(d**3) / 2 + Fraction(5, 2) * d**2 - 4 * d + 2) if d < 2 else 0.0
    if d == 0:
        return 1.0
    if d.denominator == 1 or d >= 3:
        return 0.0
    x = math.pi * float(d)
    return math.sin(x) / x * math.sin(x / 3) / (x / 3)


def inside(k: int, n: int, border: Border) -> int:
    if border == "replicate":
        return min(max(k, 0), n - 1)
    while not 0 <= k < n:
        k = -1 - k if k < 0 else 2 * n - 1 - k
    return k


def matrix(n: int, out: int, factor: Fraction, kernel: Kernel, border: Border) -> Floats:
    rows = np.zeros((out, n))
    stretch = max(factor, Fraction(1))
    half = (2 if kernel == "bicubic" else 3) * stretch
    for i in range(out):
        u = (i + Fraction(1, 2)) * factor - Fraction(1, 2)
        near = range(math.floor(u - half), math.ceil(u + half) + 1)
        values = [curve(kernel, (k - u) / stretch) for k in near]
        for k, value in zip(near, values, strict=True):
            rows[i, inside(k, n, border)] += value / math.fsum(values)
    return rows


def by_definition(x: Floats, size: tuple[int, int], kernel: Kernel, border: Border) -> Floats:
    h, w = x.shape[-2:]
    down = matrix(h, size[0], Fraction(h, size[0]), kernel, border)
    across = matrix(w, size[1], Fraction(w, size[1]), kernel, border)
    return np.asarray(down @ x @ across.T)


def by_definition_uint8(x: Floats, size: tuple[int, int], border: Border) -> Floats:
    h, w = x.shape[-2:]
    factors = [Fraction(h, size[0]), Fraction(w, size[1])]
    for axis in sorted((0, 1), key=lambda axis: -factors[axis]):  # stable: height first if equal
        n = x.shape[axis - 2]
        m = matrix(n, size[axis], factors[axis], "bicubic", border)
        x = m @ x if axis == 0 else x @ m.T
        x = np.clip(np.floor(x + 0.5), 0, 255)
    return x


def noise(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@settings(max_examples=60, deadline=None)
@given(st.tuples(sizes, sizes), st.tuples(sizes, sizes), kernels, borders)
def test_resample_equals_its_definition(
    old: tuple[int, int], new: tuple[int, int], kernel: Kernel, border: Border
) -> None:
    x = noise(2, 1, *old, dtype=torch.float64)
    want = by_definition(x.numpy(), new, kernel, border)
    got = resample(x, new, kernel=kernel, border=border)
    np.testing.assert_allclose(got.numpy(), want, rtol=0, atol=1e-12)
    single = resample(x.float(), new, kernel=kernel, border=border)
    assert single.dtype == torch.float32
    np.testing.assert_allclose(single.numpy(), want, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("old", "new"), [((481, 77), (100, 333)), ((60, 3), (1, 50))])
def test_resample_takes_large_and_coprime_sizes(old: tuple[int, int], new: tuple[int, int]) -> None:
    x = noise(1, 1, *old, dtype=torch.float64)
    want = by_definition(x.numpy(), new, "bicubic", "replicate")
    np.testing.assert_allclose(resample(x, new).numpy(), want, rtol=0, atol=1e-12)


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("size", [(8, 8), (4, 4), (32, 32), (8, 5), (3, 8), (5, 23), (16, 16)])
def test_uint8_rounds_after_each_pass(size: tuple[int, int], border: Border) -> None:
    # black and white: bicubic overshoots at the edges, so clamping between the passes matters
    x = (noise(1, 3, 16, 16) > 0.5).to(torch.uint8) * 255
    want = by_definition_uint8(x.double().numpy(), size, border)
    got = resample_uint8(x, size, border=border)
    assert got.dtype == torch.uint8
    np.testing.assert_array_equal(got.numpy(), want)


def test_weights_of_halving_are_the_published_ones() -> None:
    point = torch.zeros(1, 1, 1, 16, dtype=torch.float64)
    point[..., 7] = 256  # outputs 2 to 5 give it a weight
    got = resample(point, (1, 8))[0, 0, 0]
    assert got.tolist() == [0, 0, -9, 111, 29, -3, 0, 0]


@given(sizes, sizes, sizes, kernels, borders, st.integers(0, 255))
@settings(max_examples=40, deadline=None)
def test_constant_image_stays_constant(n: int, h: int, w: int, kernel: Kernel, border: Border, code: int) -> None:
    flat = torch.full((1, 1, n, 5), code, dtype=torch.uint8)
    codes = resample_uint8(flat, (h, w), kernel=kernel, border=border)
    assert torch.equal(codes, torch.full((1, 1, h, w), code, dtype=torch.uint8))
    floats = resample(flat / 255, (h, w), kernel=kernel, border=border)
    torch.testing.assert_close(floats, torch.full((1, 1, h, w), code / 255))


factors = st.builds(Fraction, st.integers(1, 9), st.integers(1, 9))


@settings(max_examples=60, deadline=None)
@given(factors, factors, kernels, st.integers(0, 5), st.integers(0, 5), st.booleans())
def test_tile_is_bit_equal_to_the_entire_image(
    fh: Fraction, fw: Fraction, kernel: Kernel, row: int, column: int, last: bool
) -> None:
    scale, cells, tile = (fh, fw), 24, 2  # a cell: p input pixels become q output pixels
    layout = torch.channels_last if last else torch.contiguous_format
    high = noise(1, 3, cells * fh.numerator, cells * fw.numerator).contiguous(memory_format=layout)
    low = resample(high, (cells * fh.denominator, cells * fw.denominator), scale=scale, kernel=kernel)
    inner, outer, within, size = [], [], [], []
    for factor, at in ((fh, 6 + row), (fw, 6 + column)):
        p, q = factor.numerator, factor.denominator
        halo = -(-reach(factor, kernel) // p)  # in cells
        first, end = max(at - halo, 0), min(at + tile + halo, cells)
        outer.append(slice(first * p, end * p))
        inner.append(slice(at * q, (at + tile) * q))
        within.append(slice((at - first) * q, (at - first + tile) * q))
        size.append((end - first) * q)
    crop = high[..., outer[0], outer[1]]
    got = resample(crop, (size[0], size[1]), scale=scale, kernel=kernel)
    assert torch.equal(got[..., within[0], within[1]], low[..., inner[0], inner[1]])


@given(factors, kernels, st.integers(4, 20))
@settings(max_examples=60, deadline=None)
def test_reach_covers_all_input_pixels_with_a_weight(factor: Fraction, kernel: Kernel, i: int) -> None:
    n = math.ceil(40 * factor) + 40
    seen = np.flatnonzero(matrix(n, i + 1, factor, kernel, "replicate")[i])
    own = range(math.floor(i * factor), math.ceil((i + 1) * factor))
    assert own[0] - seen.min() <= reach(factor, kernel)
    assert seen.max() - own[-1] <= reach(factor, kernel)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("factor", [1, 2, 3, 4, 7])
def test_taps_reproduce_the_bits_of_resample(factor: int, kernel: Kernel) -> None:
    x = noise(1, 1, 5 * factor, 3)
    want = resample(x, (5, 3), kernel=kernel)
    first, weights = taps(factor, kernel)
    for i in range(5):
        total = torch.zeros(3)
        for k, weight in enumerate(weights):
            if weight:
                total += x[0, 0, inside(i * factor + first + k, 5 * factor, "replicate")] * weight
        assert torch.equal(total, want[0, 0, i])


def test_scale_overrides_the_ratio_of_the_sizes() -> None:
    x = noise(1, 1, 9, 7, dtype=torch.float64)
    two = Fraction(2)
    rows = matrix(9, 5, two, "bicubic", "replicate")
    columns = matrix(7, 4, two, "bicubic", "replicate")
    got = resample(x, (5, 4), scale=(two, two))
    np.testing.assert_allclose(got.numpy(), rows @ x.numpy() @ columns.T, rtol=0, atol=1e-12)


@pytest.mark.parametrize("size", [(2, 3), (5, 11)])  # strided slices, gathers
def test_gradients_pass_gradcheck(size: tuple[int, int]) -> None:
    x = noise(1, 2, 4, 6, dtype=torch.float64).requires_grad_()
    for kernel in KERNELS:
        for border in BORDERS:
            assert torch.autograd.gradcheck(lambda x, k=kernel, b=border: resample(x, size, kernel=k, border=b), (x,))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype: torch.dtype) -> None:
    x = noise(1, 3, 12, 12).to(dtype)
    assert torch.equal(resample(x, (5, 6)), resample(x.float(), (5, 6)).to(dtype))


def test_empty_batch_stays_empty() -> None:
    assert resample(torch.zeros(0, 3, 8, 8), (4, 5)).shape == (0, 3, 4, 5)
    assert resample_uint8(torch.zeros(2, 0, 8, 8, dtype=torch.uint8), (4, 5)).shape == (2, 0, 4, 5)


def test_same_size_gives_equal_values_in_new_memory() -> None:
    x = noise(1, 2, 5, 4)
    for kernel in KERNELS:
        same = resample(x, (5, 4), kernel=kernel)
        assert torch.equal(same, x)
        assert same.data_ptr() != x.data_ptr()


@pytest.mark.parametrize("size", [(4, 6), (7, 5)])  # strided slices, gathers
def test_resample_exports_and_compiles_as_one_graph(size: tuple[int, int]) -> None:
    scale = Fraction(8, size[0]), Fraction(12, size[1])

    class Resampled(torch.nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return resample(x, size, scale=scale) + resample(x, size)

    x, module = noise(1, 3, 8, 12), Resampled()
    want = module(x)
    assert torch.equal(torch.export.export(module, (x,)).module()(x), want)
    assert torch.equal(torch.compile(module, backend="eager", fullgraph=True)(x), want)


@pytest.mark.parametrize(
    ("shape", "size", "options"),
    [
        ((3, 8, 8), (4, 4), {}),
        ((1, 3, 0, 8), (4, 4), {}),
        ((1, 3, 8, 8), (4, 0), {}),
        ((1, 3, 8, 8), (-1, 4), {}),
        ((1, 3, 8, 8), (4, 4), {"scale": (Fraction(0), Fraction(2))}),
    ],
)
def test_invalid_shapes_are_refused(shape: tuple[int, ...], size: tuple[int, int], options: dict[str, Any]) -> None:
    with pytest.raises(ResizeShapeError, match=r"^resample got [^\n]+$"):
        resample(torch.zeros(shape), size, **options)


def test_invalid_types_and_names_are_refused() -> None:
    codes = torch.zeros(1, 1, 4, 4, dtype=torch.uint8)
    with pytest.raises(ResizeShapeError, match="use resample_uint8"):
        resample(codes, (2, 2))
    with pytest.raises(ResizeShapeError, match="use resample for"):
        resample_uint8(codes.float(), (2, 2))
    with pytest.raises(UsageError, match="expected one of bicubic, lanczos"):
        resample(codes.float(), (2, 2), kernel="cubic")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="expected one of replicate, symmetric"):
        resample(codes.float(), (2, 2), border="zeros")  # type: ignore[arg-type]


# --- long rows: many taps, few outputs --------------------------------------------------------------


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(("n", "out"), [(1500, 1), (1500, 4), (1501, 7), (1999, 3)])
@pytest.mark.parametrize("block", [64, 2**18])
def test_long_rows_have_the_bits_of_a_loop_over_taps(
    n: int, out: int, kernel: Kernel, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = noise(1, 2, n, 1) - 0.5
    loop = resample(x.clone().requires_grad_(), (out, 1), kernel=kernel)  # gradients need the loop
    for module in (resample_module, weights_module):
        monkeypatch.setattr(module, "BLOCK", block)
    weights_module._cached.cache_clear()
    weights_module._row_total.cache_clear()
    assert torch.equal(resample(x, (out, 1), kernel=kernel), loop.detach())


@pytest.mark.parametrize("size", [(301, 5), (7, 211)])
def test_blocks_of_outputs_have_the_bits_of_one_table(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    x = noise(1, 2, 40, 50)
    want = resample(x, size)
    for module in (resample_module, weights_module):
        monkeypatch.setattr(module, "BLOCK", 100)
    weights_module._cached.cache_clear()
    assert torch.equal(resample(x, size), want)


def test_cache_keeps_only_tables_of_one_block() -> None:
    weights_module._cached.cache_clear()
    table = weights_module.weights(1, 10**6, range(100_000), "bicubic")
    assert np.asarray(table).shape == (100_000, 4)
    assert weights_module._cached.cache_info().currsize == 0
    weights_module.weights(1, 10**6, range(weights_module.BLOCK // 4), "bicubic")
    assert weights_module._cached.cache_info().currsize == 1


@pytest.mark.parametrize("kernel", KERNELS)
def test_compiler_gets_the_same_weights_as_lists(kernel: Kernel) -> None:
    for p, q in ((1, 7), (7, 1), (22, 9), (5, 400)):
        table = weights_module.weights(p, q, range(9), kernel)
        assert weights_module._in_python(p, q, range(9), kernel) == np.asarray(table).tolist()


def test_factor_beyond_64_bits_is_refused() -> None:
    with pytest.raises(ResizeShapeError, match=r"at most 2147483648$"):
        resample(noise(1, 1, 4, 4), (2, 2), scale=(Fraction(2**31 + 1, 2**30), Fraction(2)))
