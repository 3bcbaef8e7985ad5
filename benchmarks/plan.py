"""What is trained, in which order, and on what it is measured: weights of any plugin are one line here.

The config of a name lies in `plugins/resizekit_*/configs`; what is shipped goes to `weights` beside that folder.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["PLAN", "SETS", "Floors", "Planned"]

Floors = Mapping[str, float]
"""dB that low must keep, by set, or by set and factor such as "B100 x8"; "others" for those not named.  Empty: none."""

SETS = "Set5", "Set14", "B100", "Urban100"
"""The benchmark sets; what ships is measured on all of them, unless its plan names some."""


@dataclass(frozen=True)
class Planned:
    """What is asked of weights beyond their config."""

    share: float
    """Of the budget, relative to the others."""
    summary: str
    floors: Floors = field(default_factory=dict)
    """What keeps the small picture watchable."""
    sets: tuple[str, ...] = ()
    """Names of the only folders that they are measured on, of those that are given; empty: on all of them."""
    times: tuple[int, ...] = ()
    """Depths that they are measured at, how often the networks are applied; empty: as often as they say themselves."""


X2: Floors = {"others": 37.0, "Urban100": 36.0}
X4: Floors = {"others": 36.0, "Urban100": 34.0}
GREY: Floors = {"others": 36.0, "Set5": 34.0, "Set14": 34.0}  # vivid pictures, which have more to hide

PLAN: Mapping[str, Planned] = {
    "sr-x2": Planned(3, "colour pictures, half as high and wide", X2),
    "sr-x2-y": Planned(1.5, "grey pictures, half as high and wide"),
    "sr-x2-fast": Planned(1.5, "colour pictures, half as high and wide, at a small cost", X2),
    "sr-x2-best": Planned(4, "colour pictures, half as high and wide, by a larger network", X2),
    "sr-x4": Planned(3, "colour pictures, a quarter as high and wide", X4),
    "sr-x4-fast": Planned(1.5, "colour pictures, a quarter as high and wide, at a small cost", X4),
    "sr-x4-y": Planned(1.5, "grey pictures, a quarter as high and wide"),
    "tad-x2": Planned(2, "colour pictures, half as high and wide"),
    "tad-x2-y": Planned(1, "grey pictures, half as high and wide"),
    "tad-x4": Planned(2, "colour pictures, a quarter as high and wide"),
    "tad-x4-y": Planned(1, "grey pictures, a quarter as high and wide"),
    "sr-x2-jpeg75": Planned(2, "colour pictures, half as high and wide, the small one stored as JPEG"),
    "extreme": Planned(
        3, "colour pictures by 2, 4, 8 ... 128, one pair for all", sets=("B100", "Urban100"), times=tuple(range(1, 8))
    ),
    "colorize": Planned(3, "colours kept in a grey picture of the same size", GREY),
    "tad-colorize": Planned(2, "colours kept in a grey picture of the same size, by the paper's network"),
    "tad-grey": Planned(1, "colours guessed from an ordinary grey picture, the paper's baseline"),
    "thumb-grey-x2": Planned(2, "colour pictures kept as grey ones half as high and wide", {"others": 34.0}),
}
"""In the order in which they are trained; within a plugin it is the one in which they are offered."""
