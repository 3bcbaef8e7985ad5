"""`-` as the name of a picture: standard input and standard output."""

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from resizekit.errors import ResizeKitError, UsageError

__all__ = ["Streams", "streams"]

_STREAM = "-"


@dataclass(frozen=True)
class Streams:
    """Names of files that stand for the streams."""

    sources: list[Path]
    out: str
    writes_stdout: bool
    rename: Callable[[str], str]
    """Replaces the names of the files by those of the streams."""


@contextmanager
def streams(sources: list[Path], out: str, suffix: Callable[[Path], str]) -> Iterator[Streams]:
    """Store standard input in a temporary file, and copy a temporary file to standard output at the end.

    Args:
        sources: Names of the input; `-` alone is standard input.
        out: Name of the output; `-` is standard output.
        suffix: Returns the suffix of the output for a source, which decides the format of standard output.

    Raises:
        UsageError: There are several inputs, or standard output is a terminal.
    """
    reads, writes = Path(_STREAM) in sources, out == _STREAM
    if not (reads or writes):
        yield Streams(sources, out, False, str)
        return
    if len(sources) > 1:
        raise UsageError("- stands for a single picture: name one input and one output")
    if writes and not reads and not sources[0].is_file():
        raise UsageError(f"standard output takes a single picture, and {sources[0]} is not a file: name a folder")
    if writes and sys.stdout.isatty():
        raise UsageError("standard output is a terminal: redirect it to a file or a program, such as > small.png")
    with tempfile.TemporaryDirectory() as name:
        source = Path(name, "stdin") if reads else sources[0]
        names = {str(source): "standard input"} if reads else {}
        try:
            if reads:
                with source.open("wb") as file:
                    shutil.copyfileobj(sys.stdin.buffer, file)
            target = Path(name, "stdout").with_suffix(suffix(source)) if writes else Path(out)
            if writes:
                names[str(target)] = "standard output"
            yield Streams([source], str(target) if writes else out, writes, lambda text: _replace(text, names))
        except ResizeKitError as error:
            raise type(error)(_replace(str(error), names)) from None
        if writes and target.exists():
            with target.open("rb") as file:
                shutil.copyfileobj(file, sys.stdout.buffer)
            sys.stdout.buffer.flush()


def _replace(text: str, names: dict[str, str]) -> str:
    for name, stream in names.items():
        text = text.replace(name, stream)
    return text
