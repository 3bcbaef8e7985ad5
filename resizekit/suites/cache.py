"""Cache metrics by key in a file with one JSON line per entry.

Each line is written as soon as it is known. Reading skips lines that are cut off or not valid.
"""

import codecs
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from resizekit.errors import UsageError

__all__ = ["Cache"]

_MAX_BYTES = 256 * 2**20


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    key: str = Field(pattern=r"^[0-9a-f]{64}$")
    metrics: dict[str, int | float | None]


class Cache:
    """Metrics by key. An entry is on disk before `put` returns.

    Args:
        path: The file. It is created by the first `put`; a file above 256 MiB is not read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._entries: dict[str, dict[str, int | float | None]] = {}
        self._torn = False
        """Whether the file ends inside a line."""
        if path.is_file() and path.stat().st_size <= _MAX_BYTES:
            self._read(path.read_bytes().removeprefix(codecs.BOM_UTF8))

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    def __getitem__(self, key: str) -> dict[str, int | float | None]:
        return self._entries[key]

    def put(self, key: str, metrics: dict[str, int | float | None]) -> None:
        """Add an entry.

        Args:
            key: A SHA-256 digest in hexadecimal digits.
            metrics: Values by name.

        Raises:
            UsageError: If the file cannot be written.
        """
        line = _Line(key=key, metrics=metrics).model_dump_json() + "\n"
        try:
            with self._path.open("ab") as file:
                file.write(("\n" * self._torn + line).encode())
        except OSError as error:
            raise UsageError(f"cannot write {self._path}: {error.strerror or error}") from None
        self._torn = False
        self._entries[key] = metrics

    def _read(self, content: bytes) -> None:
        self._torn = bool(content) and not content.endswith(b"\n")
        for text in content.splitlines():
            try:
                line = _Line.model_validate_json(text)
            except ValidationError:
                continue
            self._entries[line.key] = dict(line.metrics)
