"""Draw timings as a roofline: bandwidth against the bytes moved, with the bandwidth of a plain copy as the upper limit.

A kernel with little computation can be no faster than a copy of the same bytes, so the copy is the roof. The distance
from the roof is the possible gain.
"""

import math
from pathlib import Path
from typing import TYPE_CHECKING

from resizekit.benchmarking.timings import Comparison, Implementation, Timings
from resizekit.evaluation.plot import plot_file

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_roofline"]

# In the order of the legend: marker, color (distinct for color-blind readers), name.
_MARKS: dict[Implementation, tuple[str, str, str]] = {
    "kernel": ("o", "#d55e00", "kernel"),
    "compile": ("^", "#0072b2", "torch.compile"),
    "hand": ("s", "#009e73", "eager, by hand"),
    "eager": ("x", "#7f7f7f", "eager (reference)"),
}


def draw_roofline(timings: Timings, path: Path, *, overwrite: bool = False) -> None:
    """Write the plot to a .png or .svg file, with one panel for each op.

    Args:
        timings: Timings from `read_timings`.
        path: The file to write.
        overwrite: Replace an existing file.

    Raises:
        UsageError: The suffix is unknown, the file exists or the folder is not writable.
        MissingExtraError: matplotlib is not installed.
    """
    with plot_file(path, overwrite=overwrite) as figure:
        _fill(figure, timings)


def _fill(figure: "Figure", timings: Timings) -> None:
    from matplotlib.ticker import LogLocator, NullLocator

    ops = list(dict.fromkeys(comparison.op for comparison in timings.comparisons))
    columns = min(3, len(ops))
    rows = math.ceil(len(ops) / columns)
    figure.set_size_inches(1.2 + 3.6 * columns, 1.6 + 2.8 * rows)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    drawn: dict[str, Artist] = {}
    for i, (panel, op) in enumerate(zip(panels.flat, ops, strict=False)):
        drawn |= _panel(panel, op, [comparison for comparison in timings.comparisons if comparison.op == op])
        if i % columns == 0:
            panel.set_ylabel("GB/s")
        if i + columns >= len(ops):  # the lowest panel of its column
            panel.set_xlabel("MB that must cross memory")
            panel.tick_params(labelbottom=True)
    for panel in panels.flat[len(ops) :]:
        panel.remove()
    axes = panels[0][0]  # the other panels share its scales
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_ylim(bottom=0)
    versions = ", ".join(f"{name} {value}" for name, value in timings.versions.items())
    note = "" if timings.gpu else "\nno GPU: only references were timed, as a check that the suite runs"
    figure.suptitle(f"{timings.device}\n{versions}{note}", fontsize=11, parse_math=False)
    order = [name for name in ("copy (the roof)", *(mark[2] for mark in _MARKS.values())) if name in drawn]
    handles = [drawn[name] for name in order]
    figure.legend(handles, order, loc="outside lower center", ncols=len(order), frameon=False)


def _panel(panel: "Axes", op: str, comparisons: list[Comparison]) -> "dict[str, Artist]":
    """Draw one op; return the entries of the legend by name."""
    drawn: dict[str, Artist] = {}
    roof = sorted(
        (comparison.bytes / 1e6, comparison.bytes / comparison.copy / 1e9)
        for comparison in comparisons
        if comparison.copy
    )
    if roof:
        line = panel.plot(*zip(*roof, strict=True), color="black", linewidth=1.2, marker=".", zorder=1)
        drawn["copy (the roof)"] = line[0]
    for implementation, (marker, colour, name) in _MARKS.items():
        points = [
            (comparison.bytes, speed)
            for comparison in comparisons
            if (speed := comparison.bandwidth(implementation)) is not None
        ]
        if points:
            drawn[name] = panel.scatter(
                [size / 1e6 for size, _ in points],
                [speed / 1e9 for _, speed in points],
                marker=marker, color=colour, s=28, linewidths=1.4,
                facecolors="none" if marker in "^s" else colour, zorder=3 if implementation == "kernel" else 2,
            )  # fmt: skip
    panel.set_title(op, fontsize=10, parse_math=False)
    panel.grid(color="#e5e5e5", linewidth=0.6)
    panel.set_axisbelow(True)
    return drawn
