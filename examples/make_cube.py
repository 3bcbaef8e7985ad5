"""Make a small picture with 31 bands from a photograph: `python make_cube.py PHOTO CUBE.npy`.

Each band is a smooth filter over red, green and blue. A small smooth variation, drawn from a seed, is added, so that
the bands are not a mixture of three channels alone.
"""

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

BANDS = 31
SHORTEST, LONGEST = 400.0, 700.0
"""Wavelengths of the first and the last band, in nanometres."""
CENTRES = {"red": 610.0, "green": 540.0, "blue": 460.0}
"""Wavelengths of the three primaries, in nanometres."""
WIDTH = 45.0
"""Width of a filter, in nanometres."""
VARIATION = 0.03


def cube(photo: npt.NDArray[np.uint8], seed: int) -> npt.NDArray[np.uint16]:
    """Mix 31 bands from a photograph: `h w 3`, uint8 -> `h w 31`, uint16."""
    wavelengths = np.linspace(SHORTEST, LONGEST, BANDS)
    filters = np.stack([np.exp(-(((wavelengths - centre) / WIDTH) ** 2) / 2) for centre in CENTRES.values()])
    filters /= filters.sum(0).max()
    mixed = (photo / 255.0) @ filters
    random = np.random.default_rng(seed)
    detail = photo.mean(2) / 255
    for _ in range(4):  # smooth along the bands, and related to the contents of the picture
        phase, frequency = random.uniform(0, 2 * np.pi), random.uniform(0.5, 2)
        pattern = np.sin(2 * np.pi * (random.uniform(1, 3) * detail + phase))
        mixed += VARIATION * pattern[:, :, None] * np.sin(2 * np.pi * (frequency * np.arange(BANDS) / BANDS) + phase)
    return np.rint(65535 * mixed.clip(0, 1)).astype(np.uint16)


def main() -> None:
    """Read the photograph and write the bands."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photo", type=Path)
    parser.add_argument("cube", type=Path, help="the output, a .npy file of uint16, `h w 31`")
    parser.add_argument("--side", type=int, default=256, help="length of the longer side of the output, in pixels")
    parser.add_argument("--seed", type=int, default=0, help="seed of the variation")
    arguments = parser.parse_args()
    with Image.open(arguments.photo) as image:
        image.thumbnail((arguments.side, arguments.side))
        np.save(arguments.cube, cube(np.asarray(image.convert("RGB")), arguments.seed), allow_pickle=False)


if __name__ == "__main__":
    main()
