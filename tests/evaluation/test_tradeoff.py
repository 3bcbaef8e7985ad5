"""The plot of a sweep: both curves, a separate panel for a weight of 0, small pictures under them."""

import re

import numpy as np
import pytest
from PIL import Image

from resizekit.errors import MissingExtraError, UsageError
from resizekit.evaluation.plot import check_plot
from resizekit.evaluation.tradeoff import Point, draw_tradeoff


def points(*weights):
    return [
        Point(guide_weight=w, high=40 - i, low=30 + i, sets={}, steps=1, digest="", small=f"{i}.png")
        for i, w in enumerate(weights)
    ]


def drawn(tmp_path, *weights, samples=()):
    for i in samples:
        Image.fromarray(np.full((90, 80, 3), i * 20, np.uint8)).save(tmp_path / f"{i}.png")
    draw_tradeoff(points(*weights), tmp_path / "p.svg", folder=tmp_path, overwrite=True)
    return (tmp_path / "p.svg").read_text()


def panels(svg):
    return len(re.findall(r'<g id="axes_\d+">', svg))


@pytest.mark.parametrize(("weights", "expected"), [((0, 0.01, 1), 2), ((0.01, 1), 1), ((0,), 1), ((0.5,), 1)], ids=str)
def test_zero_has_its_own_panel_only_next_to_other_weights(tmp_path, weights, expected):
    svg = drawn(tmp_path, *weights)
    assert panels(svg) == expected
    for text in ("PSNR (dB)", "guide weight", "restored against the original", "small against guide"):
        assert f">{text}<" in svg


def test_existing_small_pictures_are_drawn(tmp_path):
    svg = drawn(tmp_path, 0, 0.01, 1, samples=(0, 2))
    assert panels(svg) == 2 + 2
    assert svg.count("<image") == 2


def test_many_small_pictures_are_sampled_including_both_ends(tmp_path):
    svg = drawn(tmp_path, 0, *(10.0**-i for i in range(10, 0, -1)), samples=range(11))
    assert svg.count("<image") == 7
    assert ">0.1<" in svg


def test_plot_bytes_are_reproducible(tmp_path):
    assert drawn(tmp_path, 0, 1, samples=(0,)) == drawn(tmp_path, 0, 1, samples=(0,))


def test_check_plot_rejects_what_cannot_be_written(tmp_path, monkeypatch):
    with pytest.raises(UsageError, match=r"unknown plot format .*\.png, \.svg"):
        check_plot(tmp_path / "p.pdf")
    (tmp_path / "p.svg").touch()
    with pytest.raises(UsageError, match="exists"):
        check_plot(tmp_path / "p.svg")
    assert check_plot(tmp_path / "p.svg", overwrite=True) == "svg"
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"resizekit\[report\]"):
        check_plot(tmp_path / "q.svg")
