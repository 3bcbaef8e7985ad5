"""Plots as files: .png or .svg, the same bytes every time, without a display."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from resizekit.errors import MissingExtraError, ResizeKitError, UsageError
from resizekit.system.atomic_write import atomic_write, check_target

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["check_plot", "plotted"]

_FORMATS = {".png": "png", ".svg": "svg"}


def check_plot(path: Path, *, overwrite: bool = False) -> str:
    """Give the format of a plot's name, before anything is computed for it.

    Raises `UsageError` for another suffix and a file that exists, `MissingExtraError` without matplotlib.
    """
    form = _FORMATS.get(path.suffix.lower())
    if form is None:
        raise UsageError(f"cannot tell a format from the name {path}: end it in one of {', '.join(_FORMATS)}")
    check_target(path, overwrite=overwrite)
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise MissingExtraError('a plot needs matplotlib: pip install "resizekit[report]"') from None
    return form


@contextmanager
def plotted(path: Path, *, overwrite: bool = False) -> Iterator["Figure"]:
    """Give an empty figure to be filled, and write it when that ends well; errors as `check_plot`."""
    form = check_plot(path, overwrite=overwrite)
    from matplotlib import style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    ours = {"svg.hashsalt": "resizekit", "svg.fonttype": "none"}  # the same bytes every time; text stays text
    with style.context(["default", ours]), atomic_write(path) as beside:
        figure = Figure(layout="constrained")
        FigureCanvasAgg(figure)  # no window, no display, nothing that stays behind in pyplot
        yield figure
        try:
            figure.savefig(beside, format=form, dpi=150, metadata={"Date": None} if form == "svg" else None)
        except OSError as error:
            raise ResizeKitError(f"cannot write {path}: {error.strerror or error}") from None
