"""The tables of docs/numbers.md: the cost of each weights file, and its PSNR next to bicubic's and the paper's."""

from collections.abc import Mapping
from math import isfinite

from plan import SETS
from records import Figures, Record, label_of

from resizekit.plugin.registry import installed

__all__ = ["cell", "lines", "numbers", "whole"]


PAPER = {"bicubic + EDSR+": "edsr", "paper's TAD": "tad", "TAD + \\*EDSR+": "edsr-on-tad"}
"""Table heads of the published columns, and their keys in the suite `paper`."""
GREY = {False: {"B100": 36.14, "Urban100": 33.68}, True: {"B100": 24.21, "Urban100": 23.29}}
"""Published RGB PSNR of colour restored from grey (paper 4.3): of the trained pair, and of a decoder alone (True)."""

REFINED = "high RGB / Y at effort 2 (gain)"
"""Table head of the results with improved small pictures."""

INTRODUCTION = """\
Every value is a mean PSNR in dB over a benchmark set. The pictures have 8 bits per channel, and every small picture is
stored as a real PNG file.

- **high**: the restored picture against the original.
- **low**: the small picture against MATLAB's bicubic picture of the same size.
- **RGB** is measured without a border, **Y** (luma, 16 to 235) without a border as wide as the factor.
- **effort 2** is high when `down` improves each small picture for its decoder ([effort](effort.md)). The gain in
  brackets is that of RGB, or of Y for grey weights. Low loses at most 0.1 dB on each picture. A dash: not measured.
- **cost**: thousand multiply-adds per pixel of the original, for `down` and `up` together.
- The last three columns are published results (Table 1 of the paper, which does not state its border rule):
  a large super-resolution network on bicubic thumbnails, the paper's own pair, and that large network trained anew on
  the small pictures of the pair. They are RGB for colour weights and Y for grey weights.
- Where the number of channels changes, low is measured against its guide, such as luma. The bicubic column then holds
  the guide repeated in every channel. The paper's column holds the results of its section 4.3, or its baseline
  where the decoder works alone.
- A star (\\*) marks a mean that leaves out pictures without any difference. For example, a picture without colours is
  equal to its own luma. *equal*: no picture of the set has a difference."""

DEEP = "One pair of networks, applied once per doubling of the factor, measured by `resizekit evaluate` with `--times`."

END = """\
Measured by `resizekit evaluate Set5 Set14 B100 Urban100 --weights NAME --precision float32`. The model card of each
weights file describes its training; the first table links to the cards."""


def whole(value: int) -> str:
    """Format an integer with a space between groups of three digits."""
    return f"{value:,}".replace(",", " ")


def published(paper: str, record: Record, which: str) -> float | None:
    """Find the published PSNR for the same factors, channels and storage, or None."""
    if not record.as_png or which not in SETS:
        return None
    if record.spec == "t=3":
        return GREY[record.alone].get(which) if PAPER[paper] == "tad" else None
    if record.alone or record.spec != f"s={record.border} r={record.border}":
        return None
    key = f"{PAPER[paper]}-x{record.border}{'-y' if record.channels == 1 else ''}"
    rows = installed().suite("paper").published
    row = next((row for row in rows if (row.column, row.set) == (key, which)), None)
    return row and (row.y if record.channels == 1 else row.rgb)


def cell(figures: Figures, *keys: str) -> str:
    """Format metrics as one table cell; a star marks a mean that leaves out pictures."""
    left_out = figures.equal or {}
    parts = []
    for key in keys:
        value: float | None = getattr(figures, key)
        star = "\\*" if key in left_out and value is not None and isfinite(value) else ""
        parts.append(decibels(value) + star)
    return " / ".join(parts)


def refined_cell(record: Record, label: str) -> str:
    """Format what the restored picture gains at a higher effort; a dash where it was not measured."""
    figures = None if record.refined is None else record.refined.sets.get(label)
    if figures is None:
        return "–"
    gain = figures.main("high") - record.sets[label].main("high")
    return f"{cell(figures, 'high_rgb', 'high_y')} ({gain:+.2f})"


def decibels(value: float | None) -> str:
    """Format a PSNR: a dash for None, "equal" for infinity."""
    if value is None:
        return "–"
    return f"{value:.2f}" if isfinite(value) else "equal"


def lines(rows: list[list[str]]) -> str:
    """Format a Markdown table; the first row is its head."""
    head, *others = ("| " + " | ".join(row) + " |" for row in rows)
    return "\n".join([head, "|" + "---|" * len(rows[0]), *others])


def costs(records: list[Record], cards: Mapping[str, str]) -> str:
    """Write the table of purposes, networks and costs; `cards` maps a name to the link of its model card."""
    rows = [["weights", "for", "network", "cost", "parameters", "file"]]
    for record in records:
        link = f"[`{record.name}`]({cards[record.name]})"
        size = f"{record.bytes / 1e6:.2f} MB"
        cost = f"{record.kmac_per_pixel:.0f}"
        rows.append([link, record.summary, f"`{record.network}`", cost, whole(record.parameters), size])
    return lines(rows)


def results(records: list[Record]) -> str:
    """Write the table of the weights that are measured at one depth, a row per set."""
    heads = ["weights", "set", "high RGB", "high Y", "low RGB", "low Y", REFINED, "bicubic down+up RGB / Y"]
    rows = [[*heads, *PAPER]]
    for record in records:
        if record.deep:
            continue
        for which, metrics in record.sets.items():
            measured = [cell(metrics, key) for key in ("high_rgb", "high_y", "low_rgb", "low_y")]
            printed = [decibels(published(paper, record, which)) for paper in PAPER]
            measured.append(refined_cell(record, which))
            rows.append([f"`{record.name}`", which, *measured, cell(metrics, "bicubic_rgb", "bicubic_y"), *printed])
    return lines(rows)


def depths(records: list[Record]) -> str:
    """Write the table of the weights that are measured at several depths, a row per set and factor."""
    heads = ["weights", "set", "factor", "high RGB / Y", "bicubic down+up RGB / Y", "low RGB / Y", REFINED]
    rows = [
        [
            f"`{record.name}`", which, factor or "–",
            *(cell(metrics, f"{side}_rgb", f"{side}_y") for side in ("high", "bicubic", "low")),
            refined_cell(record, label_of(which, factor)),
        ]
        for record in records
        if record.deep
        for which, factor, metrics in record.rows()
    ]  # fmt: skip
    return f"{DEEP}\n\n{lines([heads, *rows])}" if rows else ""


def behind(records: list[Record]) -> str:
    """List the weights that are worse than the paper's own pair, and worse than super-resolution."""
    lost = {paper: _lost(records, paper) for paper in PAPER}
    parts = [f"Behind {head}: {lost[head]}." for head in ("paper's TAD", "bicubic + EDSR+") if lost[head]]
    if parts:
        parts[0] = parts[0].replace("Behind paper's", "Behind the paper's")
        parts.append("The paper trained for 300 000 steps of 16 crops of 96x96 pixels.")
    return "\n\n".join(parts)


def _lost(records: list[Record], paper: str) -> str:
    lost: dict[str, tuple[list[str], str]] = {}  # by digest, as the same weights may have two names
    for record in records:
        gaps = []
        for which, metrics in record.sets.items():
            printed = published(paper, record, which)
            gap = 0.0 if printed is None else printed - round(metrics.main("high"), 2)
            if gap >= 0.005:
                gaps.append(f"{which} by {gap:.2f} dB")
        if gaps:
            name = f"`{record.name}`" + (", against the paper's baseline," if record.alone else "")
            lost.setdefault(record.digest, ([], ", ".join(gaps)))[0].append(name)
    return "; ".join(f"{' and '.join(names)} on {gaps}" for names, gaps in lost.values())


def other_storage(records: list[Record]) -> str:
    """List the weights whose small pictures are not PNG files."""
    parts = [f"`{record.name}` with its compression `{record.compression}`" for record in records if not record.as_png]
    return f"Not stored as a PNG: {', '.join(parts)}." if parts else ""


def numbers(records: list[Record], cards: Mapping[str, str]) -> str:
    """Write all tables; `cards` maps a name to the link of its model card."""
    parts = [
        INTRODUCTION,
        other_storage(records),
        costs(records, cards),
        results(records),
        behind(records),
        depths(records),
        END,
    ]
    return "\n\n".join(part for part in parts if part)
