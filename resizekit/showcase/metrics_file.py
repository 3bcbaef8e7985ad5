"""The metrics file of a folder that `roundtrip` or `pyramid` wrote, from which the report shows its pictures.

roundtrip, pyramid  ->  FOLDER/metrics.json  ->  read_record  ->  the report
"""

import codecs
import os
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from resizekit.errors import ResizeKitError
from resizekit.evaluation.untrusted_json import first_error
from resizekit.pictures.picture import Picture
from resizekit.system.atomic_write import atomic_write
from resizekit.system.precisions import Precision

__all__ = ["RECORD_FILE", "FolderRecord", "RoundtripRecord", "read_record", "write_record"]

RECORD_FILE = "metrics.json"
_MAX_BYTES = 2**20


def _check_file_name(name: str) -> str:
    """Accept names of files in the folder itself: the record is untrusted, and must not point anywhere else."""
    if name in ("", ".", "..") or "/" in name or "\\" in name or "\0" in name:
        raise ValueError(f"{name[:80]!r} is not the name of a file in the same folder")
    return name


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class RoundtripRecord(_Record):
    """Files and metrics of one roundtrip; PSNR in dB, None for equal pictures and for pictures without Y."""

    factor: str
    """Factor of reduction, such as "x8"."""
    small: Annotated[str, AfterValidator(_check_file_name)]
    restored: Annotated[str, AfterValidator(_check_file_name)]
    weights: str
    effort: int = 0
    """Effort that improved the small picture; 0 in files of versions without effort."""
    precision: Precision | None = None
    """Precision of the networks; None in files of versions that did not record it."""
    baseline: str
    """The baseline of the comparison, "bicubic" or "guide"."""
    restored_rgb: float | None
    restored_y: float | None
    bicubic_rgb: float | None
    bicubic_y: float | None
    small_rgb: float | None
    small_y: float | None
    original_bytes: int
    small_bytes: int


class FolderRecord(_Record):
    """All roundtrips of one picture."""

    format: Literal[1] = 1
    resizekit: str
    original: str
    """Path of the original, relative to the folder."""
    digest: str
    """Digest of its pixels, which detects another picture under its name."""
    value_range: tuple[float, float] | None = None
    """Declared range of its values."""
    frame: int | None = Field(None, ge=1)
    """Frame of an animation, or page of a TIFF; None: the file has one picture."""
    roundtrips: list[RoundtripRecord]


def write_record(
    folder: Path, src: Path, picture: Picture, roundtrips: Iterable[RoundtripRecord], *, frame: int | None = None
) -> None:
    """Write the record of a folder.

    Args:
        folder: The folder, which holds the files of the roundtrips.
        src: File of the original.
        picture: The original.
        roundtrips: A record for each roundtrip.
        frame: Frame of the file that is the original.
    """
    path = Path(os.path.relpath(src.resolve(), folder.resolve())).as_posix()
    record = FolderRecord(
        resizekit=version("resizekit"),
        # names that are not valid text get replacement characters, and the report does not find these files again
        original=os.fsencode(path).decode(errors="replace"),
        digest=picture.digest,
        value_range=picture.value_range,
        frame=frame,
        roundtrips=list(roundtrips),
    )
    with atomic_write(folder / RECORD_FILE, overwrite=True) as temporary:
        temporary.write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8")


def read_record(folder: Path) -> FolderRecord:
    """Read the record that `write_record` wrote.

    Raises:
        ResizeKitError: The folder has no record, or the record is too large or invalid.
    """
    path = folder / RECORD_FILE
    try:
        with path.open("rb") as stream:
            text = stream.read(_MAX_BYTES + 1).removeprefix(codecs.BOM_UTF8)
    except OSError as error:
        raise ResizeKitError(
            f"cannot read {path} ({error.strerror}): name a folder that `resizekit roundtrip` or `pyramid` wrote"
        ) from None
    if len(text) > _MAX_BYTES:
        raise ResizeKitError(f"{path} is larger than {_MAX_BYTES >> 20} MiB: make the folder again")
    try:
        return FolderRecord.model_validate_json(text)
    except ValidationError as error:
        raise ResizeKitError(f"{path} is not a valid record ({first_error(error)}): make the folder again") from None
