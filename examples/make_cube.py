"""Make a small cube of 31 bands from an ordinary photograph, to try cubes with: `python make_cube.py PHOTO CUBE.npy`.

Each band looks through a filter of its own, a smooth bump over red, green and blue; a little smooth variation that no
mixture of three explains, drawn from a seed, makes it a cube and not a photograph told at length.
"""

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

BANDS = 31
NEAR, FAR = 400.0, 700.0
CENTRES = {"red": 610.0, "green": 540.0, "blue": 460.0}
"""Where the three primaries lie, in nanometres."""
WIDTH = 45.0
"""Of a filter, in nanometres."""
VARIATION = 0.03


def cube(photo: npt.NDArray[np.uint8], seed: int) -> npt.NDArray[np.uint16]:
    """Mix bands from a photograph: `h w 3` uint8 gives `h w 31` uint16."""
    waves = np.linspace(NEAR, FAR, BANDS)
    filters = np.stack([np.exp(-(((waves - centre) / WIDTH) ** 2) / 2) for centre in CENTRES.values()])
    filters /= filters.sum(0).max()
    mixed = (photo / 255.0) @ filters
    random = np.random.default_rng(seed)
    detail = photo.mean(2) / 255
    for _ in range(4):  # smooth along the bands, bound to what is seen in the picture
        phase, pace = random.uniform(0, 2 * np.pi), random.uniform(0.5, 2)
        pattern = np.sin(2 * np.pi * (random.uniform(1, 3) * detail + phase))
        mixed += VARIATION * pattern[:, :, None] * np.sin(2 * np.pi * (pace * np.arange(BANDS) / BANDS) + phase)
    return np.rint(65535 * mixed.clip(0, 1)).astype(np.uint16)


def main() -> None:
    """Read the photograph, write the cube."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photo", type=Path)
    parser.add_argument("cube", type=Path, help="an .npy of uint16, `h w 31`")
    parser.add_argument("--side", type=int, default=256, help="the longer side is made that small, in pixels")
    parser.add_argument("--seed", type=int, default=0)
    told = parser.parse_args()
    with Image.open(told.photo) as image:
        image.thumbnail((told.side, told.side))
        np.save(told.cube, cube(np.asarray(image.convert("RGB")), told.seed), allow_pickle=False)


if __name__ == "__main__":
    main()
