"""Figures that were measured once, by key, in a file that grows by a line for each.

A line is written at once and whole; one that was cut off, or that is none of ours, is passed over when it is read.
"""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from resizekit.errors import UsageError

__all__ = ["Cache"]

_LARGEST = 256 * 2**20


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    key: str = Field(pattern=r"^[0-9a-f]{64}$")
    figures: dict[str, int | float | None]


class Cache:
    """Figures by key; what is put in is in the file before `put` returns."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept: dict[str, dict[str, int | float | None]] = {}
        self._torn = False
        """Whether the file ends inside a line."""
        if path.is_file() and path.stat().st_size <= _LARGEST:
            self._read(path.read_bytes())

    def __contains__(self, key: str) -> bool:
        return key in self._kept

    def __getitem__(self, key: str) -> dict[str, int | float | None]:
        return self._kept[key]

    def put(self, key: str, figures: dict[str, int | float | None]) -> None:
        """Keep figures; a `UsageError` where nothing can be written."""
        line = _Line(key=key, figures=figures).model_dump_json() + "\n"
        try:
            with self._path.open("ab") as file:
                file.write(("\n" * self._torn + line).encode())
        except OSError as error:
            raise UsageError(f"cannot write {self._path}: {error.strerror or error}") from None
        self._torn = False
        self._kept[key] = figures

    def _read(self, text: bytes) -> None:
        self._torn = bool(text) and not text.endswith(b"\n")
        for line in text.splitlines():
            try:
                told = _Line.model_validate_json(line)
            except ValidationError:
                continue
            self._kept[told.key] = dict(told.figures)
