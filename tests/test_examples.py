"""The script in examples/ makes a picture of many bands that resizekit reads."""

from pathlib import Path

import numpy as np

from resizekit.images.io.read import read_picture

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_make_cube_is_deterministic_and_adds_to_three_channels(scripts, tmp_path, monkeypatch):
    make = scripts(EXAMPLES, "make_cube").make_cube
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        argv = ["make_cube", str(EXAMPLES / "astronaut.png"), str(tmp_path / f"{name}.npy"), "--side", "48"]
        monkeypatch.setattr("sys.argv", [*argv, "--seed", str(seed)])
        make.main()
    a, b, c = (read_picture(tmp_path / f"{name}.npy") for name in "abc")
    assert (a.mode, a.bits, a.pixels.shape) == ("CUBE", 16, (48, 48, 31))
    assert np.array_equal(a.pixels, b.pixels)
    assert not np.array_equal(a.pixels, c.pixels)
    strength = np.linalg.svd(a.pixels.reshape(-1, 31) / 65535, compute_uv=False)
    assert strength[4] > 0.005 * strength[0]
