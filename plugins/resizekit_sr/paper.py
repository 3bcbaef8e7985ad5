"""The suite `paper`: Table 1 of *Task-Aware Image Downscaling*, a bicubic baseline, and the weights of this project.

The table gives results for one channel and for colour, and each has its own networks. Results for one channel belong
to columns whose keys end in -y, results for colour to the other columns.
"""

from collections.abc import Iterator
from typing import Any

from resizekit import Published, Suite, SuiteColumn, SuiteSet, hookimpl

__all__ = ["PAPER"]

SETS = (
    SuiteSet(name="Set5", pictures=5, sizes=((512, 512), (288, 288), (256, 256), (280, 280), (344, 228))),
    SuiteSet(
        name="Set14",
        pictures=14,
        sizes=(
            (480, 500), (576, 720), (512, 512), (288, 352), (361, 250), (362, 500), (276, 276), (512, 768),
            (656, 529), (391, 586),
        ),
    ),
    SuiteSet(name="B100", pictures=100, sizes=((481, 321), (321, 481))),
    SuiteSet(name="Urban100", pictures=100),
    SuiteSet(name="DIV2K", pictures=100, optional=True),
)  # fmt: skip

COLUMNS = "tau-baseline", "vdsr", "edsr", "tad", "vdsr-on-tad", "edsr-on-tad"
"""Columns of the table, from left to right."""
LABELS = (
    "bicubic -> TAU (baseline)", "bicubic -> VDSR", "bicubic -> EDSR+",
    "TAD -> TAU", "TAD -> *VDSR", "TAD -> *EDSR",
)  # fmt: skip
TABLE = {
    ("Set5", 2): "35.84/36.04 37.53/35.08 37.95/36.09 37.69/38.46 37.68/38.76 37.98/39.44",
    ("Set5", 4): "31.20/29.52 31.35/29.39 32.17/30.71 31.59/31.81 31.60/31.96 32.36/32.49",
    ("Set14", 2): "32.89/30.99 33.03/30.93 33.65/31.97 33.90/35.52 33.88/35.92 34.07/36.58",
    ("Set14", 4): "27.92/26.28 28.01/26.26 28.50/27.14 28.36/28.63 28.38/28.76 28.82/29.24",
    ("B100", 2): "31.74/30.40 31.90/30.42 32.22/31.40 32.62/36.68 32.65/36.87 32.83/37.59",
    ("B100", 4): "27.20/25.88 27.29/25.87 27.54/26.45 27.57/28.51 27.57/28.53 27.86/28.97",
    ("Urban100", 2): "30.64/29.13 30.76/29.19 32.51/31.47 31.96/35.03 32.16/35.50 32.86/35.55",
    ("Urban100", 4): "25.08/23.66 25.18/23.68 26.25/25.34 25.56/26.63 25.66/26.98 26.50/27.76",
    ("DIV2K", 2): "35.17/33.91 35.29/33.79 35.91/35.12 36.13/39.01 36.18/39.42 36.52/40.21",
    ("DIV2K", 4): "29.73/28.40 29.63/28.31 30.29/29.38 30.25/31.16 30.25/31.34 30.73/31.88",
}
"""One channel / colour, PSNR in dB."""
BICUBIC = {2: (33.66, 30.24, 29.56, 26.88), 4: (28.42, 26.00, 25.96, 23.14)}
"""Commonly published Y of bicubic downscaling and upscaling on the first four sets: a check of the evaluation."""
SHIPPED = {(2, 3): ("sr-x2", "sr-x2-fast", "sr-x2-best"), (2, 1): ("sr-x2-y",),
           (4, 3): ("sr-x4", "sr-x4-fast"), (4, 1): ("sr-x4-y",)}  # fmt: skip
"""Weights of this project, by (factor, channels); the first of each is also measured with a higher effort."""
EFFORT = 2
TIMINGS = {"tad-x2": 0.14, "vdsr-x2": None, "edsr-x2": 70.88, "sr-x2-fast": None, "sr-x2": None, "sr-x2-best": None}
"""Columns to time, with the seconds that the paper reports for a full HD picture on a GTX 1080 Ti."""


def _key(name: str, factor: int, channels: int) -> str:
    return f"{name}-x{factor}{'-y' if channels == 1 else ''}"


def _recipe(name: str, factor: int) -> dict[str, Any]:
    """Return a recipe for the decoder of a column, to time it."""
    network = {"tau-baseline": "tad"}.get(name, name.removesuffix("-on-tad"))
    return {"task": "sr", "config": {"network": network, "encoder": "none", "spec": {"s": factor, "r": factor}}}


def _columns() -> Iterator[SuiteColumn]:
    for factor in (2, 4):
        yield SuiteColumn(key=f"bicubic-x{factor}", label="bicubic -> bicubic", group="bicubic", factor=factor)
        for channels in (3, 1):
            single = ", Y" if channels == 1 else ""
            for name, label in zip(COLUMNS, LABELS, strict=True):
                key = _key(name, factor, channels)
                yield SuiteColumn(
                    key=key,
                    label=label + single,
                    group="TAD" if "tad" in name else "bicubic",
                    factor=factor,
                    channels=channels,
                    weights=key,
                    self_ensemble=name == "edsr",
                    recipe=_recipe(name, factor),
                )
            shipped = SHIPPED[factor, channels]
            for name, effort in [(name, 0) for name in shipped] + [(shipped[0], EFFORT)]:
                yield SuiteColumn(
                    key=f"{name}-effort{effort}" if effort else name,
                    label=f"{name}, effort {effort}" if effort else name,
                    group="resizekit",
                    factor=factor,
                    channels=channels,
                    weights=name,
                    effort=effort,
                    compare_with=_key("tad", factor, channels),
                    featured=True,
                )


def _published() -> Iterator[Published]:
    for factor, row in BICUBIC.items():
        for item, y in zip(SETS, row, strict=False):  # not published for DIV2K
            yield Published(column=f"bicubic-x{factor}", set=item.name, y=y)
    for (set_name, factor), cells in TABLE.items():
        for name, cell in zip(COLUMNS, cells.split(), strict=True):
            y, rgb = (float(value) for value in cell.split("/"))
            yield Published(column=_key(name, factor, 3), set=set_name, rgb=rgb)
            yield Published(column=_key(name, factor, 1), set=set_name, y=y)


PAPER = Suite(
    name="paper",
    summary="Table 1 of Task-Aware Image Downscaling, bicubic, and the weights of resizekit, at x2 and x4",
    columns=tuple(_columns()),
    sets=SETS,
    published=tuple(_published()),
    source="Table 1 of Task-Aware Image Downscaling (Kim et al., ECCV 2018); Y of bicubic as commonly published",
    timings=TIMINGS,
    note=(
        "The paper states no border rule. It trains each column for 300 000 steps of 16 crops of 96x96 from DIV2K, and "
        "its EDSR has 32 blocks of 256 channels; here it is EDSR-baseline, with 16 blocks of 64 channels. On low "
        "pictures of TAD it runs without self-ensemble (the + in EDSR+), because a decoder cannot read flipped or "
        "rotated pictures of an encoder. The weights of resizekit are compared with TAD -> TAU."
    ),
)


@hookimpl
def resizekit_register_suites() -> Iterator[Suite]:
    """Offer `paper`."""
    yield PAPER
