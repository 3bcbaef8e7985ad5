"""Write plots as .png or .svg files with reproducible bytes, without a display."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from resizekit.errors import MissingExtraError, ResizeKitError, UsageError
from resizekit.system.atomic_write import atomic_write, check_target

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["check_plot", "plot_file"]

_FORMATS = {".png": "png", ".svg": "svg"}


def check_plot(path: Path, *, overwrite: bool = False) -> str:
    """Check that a plot can be written, before anything is computed for it.

    Args:
        path: The file to write.
        overwrite: Accept an existing file.

    Returns:
        The format: "png" or "svg".

    Raises:
        UsageError: If the suffix is unknown or the file exists.
        MissingExtraError: If matplotlib is not installed.
    """
    fmt = _FORMATS.get(path.suffix.lower())
    if fmt is None:
        raise UsageError(f"unknown plot format {path}: use one of the suffixes {', '.join(_FORMATS)}")
    check_target(path, overwrite=overwrite)
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise MissingExtraError('a plot needs matplotlib: pip install "resizekit[report]"') from None
    return fmt


@contextmanager
def plot_file(path: Path, *, overwrite: bool = False) -> Iterator["Figure"]:
    """Yield an empty figure, and write it to a file if the block succeeds. Raises the errors of `check_plot`."""
    fmt = check_plot(path, overwrite=overwrite)
    from matplotlib import style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    reproducible = {"svg.hashsalt": "resizekit", "svg.fonttype": "none"}  # fonttype none keeps text as text
    with style.context(["default", reproducible]), atomic_write(path, overwrite=overwrite) as temporary:
        figure = Figure(layout="constrained")
        FigureCanvasAgg(figure)  # avoids pyplot, which needs a display and keeps global state
        yield figure
        try:
            figure.savefig(temporary, format=fmt, dpi=150, metadata={"Date": None} if fmt == "svg" else None)
        except OSError as error:
            raise ResizeKitError(f"cannot write {path}: {error.strerror or error}") from None
