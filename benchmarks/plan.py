"""The plan of `train_all`: which weights are trained, in which order, and on which sets they are measured.

The config of a name is in `plugins/resizekit_*/configs`; shipped weights are in the folder `weights` next to it, or in
`weights/*/resizekit_*/weights`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["PLAN", "SETS", "Floors", "Planned"]

Floors = Mapping[str, float]
"""Minimum PSNR of low in dB, by set, or by set and factor such as "B100 x8"; "others" for the remaining sets."""

SETS = "Set5", "Set14", "B100", "Urban100"
"""The benchmark sets; shipped weights are measured on all of them, unless their plan lists other sets."""


@dataclass(frozen=True)
class Planned:
    """Plan of one weights file, in addition to its config."""

    share: float
    """Share of the budget, relative to the other shares."""
    summary: str
    floors: Floors = field(default_factory=dict)
    """Minimum quality of the small pictures."""
    sets: tuple[str, ...] = ()
    """Names of the sets to measure on; empty for all sets."""
    times: tuple[int, ...] = ()
    """Numbers of steps to measure with; empty for the default of the weights."""


X2: Floors = {"others": 37.0, "Urban100": 36.0}
X4: Floors = {"others": 36.0, "Urban100": 34.0}
X2_SMALL: Floors = {"others": 35.5, "Urban100": 34.0}  # fewer bytes leave less for details of the small picture
GREY: Floors = {
    "others": 36.0,
    "Set5": 34.0,
    "Set14": 34.0,
}  # their pictures are more colourful, so more has to be encoded

PLAN: Mapping[str, Planned] = {
    "sr-x2": Planned(3, "colour pictures, half as high and wide", X2),
    "sr-x2-y": Planned(1.5, "grey pictures, half as high and wide"),
    "sr-x2-fast": Planned(1.5, "colour pictures, half as high and wide, at a small cost", X2),
    "sr-x2-best": Planned(4, "colour pictures, half as high and wide, by a larger network", X2),
    "sr-x2-small": Planned(2, "colour pictures, half as high and wide, in files about as large as bicubic's", X2_SMALL),
    "sr-x4": Planned(3, "colour pictures, a quarter as high and wide", X4),
    "sr-x4-fast": Planned(1.5, "colour pictures, a quarter as high and wide, at a small cost", X4),
    "sr-x4-small": Planned(2, "colour pictures, a quarter as high and wide, in files about as large as bicubic's", X4),
    "sr-x4-y": Planned(1.5, "grey pictures, a quarter as high and wide"),
    "tad-x2": Planned(2, "colour pictures, half as high and wide"),
    "tad-x2-y": Planned(1, "grey pictures, half as high and wide"),
    "tad-x4": Planned(2, "colour pictures, a quarter as high and wide"),
    "tad-x4-y": Planned(1, "grey pictures, a quarter as high and wide"),
    "sr-x2-jpeg75": Planned(2, "colour pictures, half as high and wide, the small one stored as JPEG"),
    "sr-x2-jpeg": Planned(2, "colour pictures, half as high and wide, the small one stored as JPEG of any quality"),
    "sr-x2-avif": Planned(2, "colour pictures, half as high and wide, the small one stored as AVIF of low quality"),
    "sr-x2-webp": Planned(2, "colour pictures, half as high and wide, the small one stored as lossy WebP"),
    "extreme": Planned(
        3, "colour pictures by 2, 4, 8 ... 128, one pair for all", sets=("B100", "Urban100"), times=tuple(range(1, 8))
    ),
    "colorize": Planned(3, "colours kept in a grey picture of the same size", GREY),
    "tad-colorize": Planned(2, "colours kept in a grey picture of the same size, by the paper's network"),
    "tad-grey": Planned(1, "colours guessed from an ordinary grey picture, the paper's baseline"),
    "thumb-grey-x2": Planned(2, "colour pictures kept as grey ones half as high and wide", {"others": 34.0}),
}
"""In the order of training; a plugin lists its weights in the same order."""
