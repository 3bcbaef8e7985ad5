"""The contact sheet: the same window in every panel, at every depth and size."""

import numpy as np
import pytest

from resizekit import ResizeSpec
from resizekit.showcase.panels import depth_panels, stack_panels


def coded(h, w):
    """Make a picture whose colours encode their positions, in blocks of 4."""
    rows, columns = np.indices((h, w)) // 4
    return np.stack([rows, columns, rows * 0], 2).astype(np.uint8)


@pytest.mark.parametrize(("spec", "factors"), [(ResizeSpec(s=2, r=2), (2, 2)), (ResizeSpec(s=4, r=2), (4, 2))])
def test_depth_panels_show_the_window_of_the_largest_error(spec, factors):
    original = coded(400, 500)
    baseline = original.copy()
    baseline[300:340, 200:240] ^= 255
    low = original[:: factors[0], :: factors[1]]
    small, blurred, restored, true = (np.asarray(p) for p in depth_panels(spec, original, baseline, original, low))
    assert small.shape == true.shape == (384, 384 * factors[1] // factors[0], 3)
    assert np.array_equal(restored, true)
    assert np.array_equal(small, true), "blocks of 4 lose nothing by 2 or 4 without smoothing"
    assert not np.array_equal(blurred, true)
    window = {tuple(colour) for colour in true.reshape(-1, 3)}
    assert tuple(original[300, 200]) in window
    assert tuple(original[339, 239]) in window


@pytest.mark.parametrize(("h", "w", "channels"), [(1, 1, 3), (40, 3, 1), (500, 300, 3), (97, 1500, 1)])
@pytest.mark.parametrize("times", [1, 4, 7])
def test_depth_panels_of_tiny_narrow_grey_and_large_pictures(h, w, channels, times):
    picture = np.arange(h * w * channels, dtype=np.uint64).astype(np.uint8).reshape(h, w, channels)
    spec = ResizeSpec(s=2, r=2) ** times
    low = np.zeros((-(-h // int(spec.s)), -(-w // int(spec.r)), channels), np.uint8)
    panels = depth_panels(spec, picture, picture[::-1], picture, low)
    sizes = {panel.size for panel in panels}
    assert len(sizes) == 1
    assert max(sizes.pop()) == 384


def test_stack_panels_draws_rows_with_captions():
    black = np.zeros((20, 20, 3), np.uint8)
    panels = depth_panels(ResizeSpec(s=2, r=2), black, black, black, black[::2, ::2])
    sheet = stack_panels([(panels, ["x2", "b", "c", "d"]), (panels[:1], ["only"])])
    assert sheet.shape == (2 * (384 + 26) + 8, 4 * 384 + 3 * 8, 3)
    assert not sheet[26:410, :384].any()
    assert (sheet[26:410, 384:392] == 255).all()
    assert not sheet[418 + 26 :, :384].any()
    assert (sheet[418:, 400:] == 255).all()
    assert (sheet[:26, :384] < 128).any(), "a caption"
