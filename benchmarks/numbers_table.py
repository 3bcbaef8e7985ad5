"""The README's numbers: what each file of weights costs, and what it reaches beside bicubic and the paper."""

from collections.abc import Mapping
from math import isfinite

from plan import SETS
from records import Figures, Record

from resizekit.plugin.registry import installed

__all__ = ["cell", "lines", "numbers", "whole"]


PAPER = {"bicubic + EDSR+": "edsr", "paper's TAD": "tad", "TAD + \\*EDSR+": "edsr-on-tad"}
"""What stands beside ours: head, and name of the column in the suite `paper`."""
GREY = {False: {"B100": 36.14, "Urban100": 33.68}, True: {"B100": 24.21, "Urban100": 23.29}}
"""RGB of the paper's pair for colours kept in a grey picture (4.3), and of its decoder alone."""

SAYS = """\
Mean PSNR in dB over whole benchmark sets, 8-bit pictures, every small picture stored as a real PNG. *High* is the
restored picture against the original, *low* the small one against MATLAB's bicubic; RGB without a border, Y (16 to 235)
with a border of the factor. Cost is what both ways together take for each pixel of the original, in thousand
multiply-adds. The last three columns are the paper's (Table 1; its border rule is not stated): a large super-resolution
network on bicubic thumbnails, the paper's own pair, and that large network trained anew on the pair's small pictures.
They are RGB for colour weights and Y for grey ones. Where the channels change, low is measured against its guide, such
as luma, in bicubic's place stands that guide, repeated in every channel, and the paper's pair is that of its section
4.3, or where a decoder stands alone the baseline there. A star marks a mean without those pictures that have no
difference at all, as one without colours has none from its luma; *equal*: on none of them is there any."""

DEEP = """\
One pair of networks, applied once for each doubling of the factor; measured by `resizekit evaluate` with `--times`."""


def whole(value: int) -> str:
    """Write a number with its thousands apart."""
    return f"{value:,}".replace(",", " ")


def told(paper: str, record: Record, which: str) -> float | None:
    """Give the figure that is printed, where there is one of the same factors and channels and the same storing."""
    if not record.as_png or which not in SETS:
        return None
    if record.spec == "t=3":
        return GREY[record.alone].get(which) if PAPER[paper] == "tad" else None
    if record.alone or record.spec != f"s={record.border} r={record.border}":
        return None
    key = f"{PAPER[paper]}-x{record.border}{'-y' if record.channels == 1 else ''}"
    figures = installed().suite("paper").published
    found = next((one for one in figures if (one.column, one.set) == (key, which)), None)
    return found and (found.y if record.channels == 1 else found.rgb)


def cell(figures: Figures, *keys: str) -> str:
    """Write figures into one cell; one whose mean leaves out pictures gets a star."""
    left_out = figures.equal or {}
    written = []
    for key in keys:
        value: float | None = getattr(figures, key)
        star = "\\*" if key in left_out and value is not None and isfinite(value) else ""
        written.append(shown(value) + star)
    return " / ".join(written)


def shown(value: float | None) -> str:
    """Write a figure, or a dash for none."""
    if value is None:
        return "–"
    return f"{value:.2f}" if isfinite(value) else "equal"


def lines(rows: list[list[str]]) -> str:
    """Write a table; the first row is its head."""
    head, *others = ("| " + " | ".join(row) + " |" for row in rows)
    return "\n".join([head, "|" + "---|" * len(rows[0]), *others])


def costs(records: list[Record], cards: Mapping[str, str]) -> str:
    """Write what each file is and costs; `cards` says where its card lies."""
    rows = [["weights", "for", "network", "cost", "parameters", "file"]]
    for record in records:
        link = f"[`{record.name}`]({cards[record.name]})"
        size = f"{record.bytes / 1e6:.2f} MB"
        cost = f"{record.kmac_per_pixel:.0f}"
        rows.append([link, record.summary, f"`{record.network}`", cost, whole(record.parameters), size])
    return lines(rows)


def reached(records: list[Record]) -> str:
    """Write what each file of a single depth reaches on each set."""
    heads = ["weights", "set", "high RGB", "high Y", "low RGB", "low Y", "bicubic down+up RGB / Y"]
    rows = [[*heads, *PAPER]]
    for record in records:
        if record.deep:
            continue
        for which, f in record.sets.items():
            ours = [cell(f, key) for key in ("high_rgb", "high_y", "low_rgb", "low_y")]
            theirs = [shown(told(paper, record, which)) for paper in PAPER]
            rows.append([f"`{record.name}`", which, *ours, cell(f, "bicubic_rgb", "bicubic_y"), *theirs])
    return lines(rows)


def depths(records: list[Record]) -> str:
    """Write what one file reaches at several depths, bicubic beside it."""
    heads = ["weights", "set", "factor", "high RGB / Y", "bicubic down+up RGB / Y", "low RGB / Y"]
    rows = [
        [
            f"`{record.name}`", which, factor or "–",
            *(cell(f, f"{side}_rgb", f"{side}_y") for side in ("high", "bicubic", "low")),
        ]
        for record in records
        if record.deep
        for which, factor, f in record.rows()
    ]  # fmt: skip
    return f"{DEEP}\n\n{lines([heads, *rows])}" if rows else ""


def behind(records: list[Record]) -> str:
    """Say openly where weights stay behind the paper's own pair, and behind super-resolution."""
    lost = {paper: _lost(records, paper) for paper in PAPER}
    said = [f"Behind {head}: {lost[head]}." for head in ("paper's TAD", "bicubic + EDSR+") if lost[head]]
    if said:
        said[0] = said[0].replace("Behind paper's", "Behind the paper's")
        said.append("The paper trained for 300 000 steps of 16 crops of 96x96.")
    return "\n\n".join(said)


def _lost(records: list[Record], paper: str) -> str:
    lost: dict[str, tuple[list[str], str]] = {}  # by digest, as the same weights may have two names
    for record in records:
        gaps = []
        for which, figures in record.sets.items():
            theirs = told(paper, record, which)
            gap = 0.0 if theirs is None else theirs - round(figures.main("high"), 2)
            if gap >= 0.005:
                gaps.append(f"{which} by {gap:.2f} dB")
        if gaps:
            name = f"`{record.name}`" + (", against the baseline there," if record.alone else "")
            lost.setdefault(record.digest, ([], ", ".join(gaps)))[0].append(name)
    return "; ".join(f"{' and '.join(names)} on {gaps}" for names, gaps in lost.values())


def others(records: list[Record]) -> str:
    """Say whose small pictures are no PNG."""
    said = [f"`{one.name}` by its compression `{one.compression}`" for one in records if not one.as_png]
    return f"Stored otherwise: {', '.join(said)}." if said else ""


def numbers(records: list[Record], cards: Mapping[str, str]) -> str:
    """Write the whole section; `cards` says where the card of each name lies."""
    end = (
        "Measured by `resizekit evaluate Set5 Set14 B100 Urban100 --weights NAME --precision float32`; how each was\n"
        "trained stands in its model card, which the first table links."
    )
    parts = [SAYS, others(records), costs(records, cards), reached(records), behind(records), depths(records), end]
    return "\n\n".join(part for part in parts if part)
