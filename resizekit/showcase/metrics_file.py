"""What a folder of a roundtrip or a ladder says of its own pictures, so that it can be shown later, elsewhere.

roundtrip, pyramid  ─►  FOLDER/figures.json  ─►  read_record  ─►  the report
"""

import os
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from resizekit.errors import ResizeKitError
from resizekit.evaluation.untrusted_json import first_error
from resizekit.images.picture import Picture
from resizekit.system.atomic_write import atomic_write

__all__ = ["RECORD_FILE", "FolderRecord", "RoundtripRecord", "read_record", "write_record"]

RECORD_FILE = "figures.json"
_LARGEST = 2**20


def _inside(name: str) -> str:
    """A file of the folder itself: whoever wrote the list must not lead out of it."""
    if name in ("", ".", "..") or "/" in name or "\\" in name or "\0" in name:
        raise ValueError(f"{name[:80]!r} is no name of a file in the same folder")
    return name


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class RoundtripRecord(_Record):
    """One way down and up; PSNR in dB, None for pictures without any difference and where there is no Y."""

    factor: str
    """How much smaller, such as "x8"."""
    small: Annotated[str, AfterValidator(_inside)]
    restored: Annotated[str, AfterValidator(_inside)]
    weights: str
    plain: str
    """What it is compared with, "bicubic" or "guide"."""
    restored_rgb: float | None
    restored_y: float | None
    bicubic_rgb: float | None
    bicubic_y: float | None
    small_rgb: float | None
    small_y: float | None
    original_bytes: int
    small_bytes: int


class FolderRecord(_Record):
    """All ways of one picture."""

    format: Literal[1] = 1
    resizekit: str
    original: str
    """Where the picture lay, seen from the folder."""
    digest: str
    """Of that picture's pixels: another under its name is not taken for it."""
    value_range: tuple[float, float] | None = None
    """The range of its values, where one was said."""
    trips: list[RoundtripRecord]


def write_record(folder: Path, src: Path, picture: Picture, trips: Iterable[RoundtripRecord]) -> None:
    """Write what the folder's pictures are; `src` is the file that `picture` was read from."""
    way = Path(os.path.relpath(src.resolve(), folder.resolve())).as_posix()
    kept = FolderRecord(
        resizekit=version("resizekit"),
        original=os.fsencode(way).decode(errors="replace"),  # a name that is no text is not found again
        digest=picture.digest,
        value_range=picture.value_range,
        trips=list(trips),
    )
    with atomic_write(folder / RECORD_FILE) as beside:
        beside.write_text(kept.model_dump_json(indent=1) + "\n", encoding="utf-8")


def read_record(folder: Path) -> FolderRecord:
    """Read what `write_record` wrote; a `ResizeKitError` where there is none, or it is none of ours."""
    path = folder / RECORD_FILE
    try:
        with path.open("rb") as stream:
            text = stream.read(_LARGEST + 1)
    except OSError as error:
        raise ResizeKitError(
            f"cannot read {path} ({error.strerror}): name a folder that `resizekit roundtrip` or `pyramid` wrote"
        ) from None
    if len(text) > _LARGEST:
        raise ResizeKitError(f"{path} is larger than {_LARGEST >> 20} MiB: make the folder again")
    try:
        return FolderRecord.model_validate_json(text)
    except ValidationError as error:
        raise ResizeKitError(f"{path} is none of ours ({first_error(error)}): make the folder again") from None
