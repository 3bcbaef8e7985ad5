"""The manifest in a small image: all that `up` needs in addition to the pixels and the weights.

It is data: it names installed weights, never a path, and holds no picture. Its digests detect a changed file; they are
not a signature.
"""

import hashlib
import math
from importlib.metadata import version
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import from_json, to_json

from resizekit.errors import ManifestError
from resizekit.pictures.limits import CHANNELS
from resizekit.pictures.picture import Mode
from resizekit.spec import ResizeSpec
from resizekit.system.precisions import PRECISIONS, Precision
from resizekit.system.printable import escaped

__all__ = ["FORMAT", "KEYWORD", "LIMIT", "MOST", "NAME", "Manifest"]

KEYWORD = "resizekit"
FORMAT = 3
"""The format that this version writes, and the newest that it reads."""
LIMIT = 2048
"""Every manifest is shorter than this number of bytes."""
MOST = 64
"""Maximum number of learned steps."""
NAME = r"^[a-z0-9][a-z0-9._-]{0,63}$"
"""Pattern of weights names in a manifest: no slash, so that a name is never a path."""

_Name = Annotated[str, Field(pattern=NAME)]
_Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Side = Annotated[int, Field(ge=1, le=2**31 - 1)]

_RENAMED = {"middle": "intermediate_size", "span": "value_range"}
"""Field names of formats 1 and 2, and their present names."""


class _Head(BaseModel):
    """The fields that every format has, including later ones."""

    model_config = ConfigDict(strict=True, extra="ignore")

    format: int = Field(ge=1, le=2**31 - 1)
    resizekit: str = Field(pattern=r"^[0-9A-Za-z.!+_-]{1,64}$")


class Manifest(BaseModel):
    """How a small image was made. Sizes are (width, height), the order of image files."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    format: Literal[1, 2, 3] = 3
    """Format of this record. 1 has no intermediate size, bits, channels and value range; 1 and 2 have no precision and
    effort."""
    resizekit: str = Field(default_factory=lambda: version("resizekit"), pattern=r"^[0-9A-Za-z.!+_-]{1,64}$")
    """Version of resizekit that made the image."""
    task: _Name
    """Task of the weights."""
    weights: _Name
    """Name of installed weights, or the stem of a weights file."""
    digest: _Digest
    """SHA-256 over the weights, as in `Codec.digest`."""
    spec: ResizeSpec
    """Factors of all learned steps together, from this image to the original or to `intermediate_size`."""
    times: int = Field(1, ge=0, le=MOST)
    """Number of learned steps; 0: bicubic did the entire resize."""
    intermediate_size: tuple[_Side, _Side] | None = None
    """Size after the bicubic resize, before the learned steps; None: no bicubic resize."""
    compression: _Name
    """Compression that stored the small image."""
    size: tuple[_Side, _Side]
    """Size of the original in pixels."""
    mode: Mode
    """Mode of the original."""
    pixels: _Digest
    """`Picture.digest` of the small image."""
    precision: Precision | None = None
    """Precision of the networks that computed the small image; None: not recorded, as in formats 1 and 2."""
    effort: int | None = Field(None, ge=1, le=9)
    """Effort that improved the small image; None: none. `up` does not need it."""
    bits: Literal[8, 16, 32] = 8
    """Bits per channel of the original; 32 means float32."""
    channels: int | None = Field(None, ge=1, le=CHANNELS)
    """Number of channels of the original, if it is a cube."""
    value_range: tuple[float, float] | None = None
    """Lowest and highest possible value of the original; None: the range of its integer type."""
    checksum: _Digest | None = None
    """SHA-256 of the other fields, which `to_text` adds; None: not recorded, as in formats 1 and 2."""

    @model_validator(mode="after")
    def _check_consistency(self) -> Self:
        if (self.mode == "CUBE") != (self.channels is not None) or (self.bits == 32 and self.value_range is None):
            raise ValueError("mode, bits, channels and value_range contradict one another")
        if self.value_range is not None and not 0 < self.value_range[1] - self.value_range[0] < math.inf:
            raise ValueError("invalid value_range: expected LOW, HIGH with LOW < HIGH")
        if self.format == FORMAT and self.precision is None:
            raise ValueError(f"precision is missing: expected one of {', '.join(PRECISIONS)}")
        return self

    def to_text(self) -> str:
        """Return compact JSON, always shorter than `LIMIT`."""
        if self.format == FORMAT:
            return self.model_copy(update={"checksum": self._checksum()}).model_dump_json(exclude_none=True)
        text = self.model_dump_json(exclude_none=True)
        old_names = {new: old for old, new in _RENAMED.items()}
        return to_json({old_names.get(name, name): value for name, value in from_json(text).items()}).decode()

    def _checksum(self) -> str:
        return hashlib.sha256(self.model_dump_json(exclude_none=True, exclude={"checksum"}).encode()).hexdigest()

    @classmethod
    def from_text(cls, text: str | None, source: object) -> Self:
        """Parse and validate the text of a manifest, of this format or an older one.

        Args:
            text: JSON; None where the file has no manifest.
            source: The file, for the error message.

        Raises:
            ManifestError: There is no manifest, it is broken, or its format is newer than `FORMAT`.
        """
        if text is None:
            raise ManifestError(
                f"{source} carries no manifest: give the file that `down` wrote, not a copy that an editor or a chat "
                "app has saved again; if its pixels did not change, `up --weights NAME` restores it (in Python: "
                "weights=NAME)"
            )
        if len(text.encode(errors="replace")) >= LIMIT:
            raise ManifestError(
                f"{source} has a manifest of over {LIMIT} bytes, too long for resizekit: make the small image again"
            )
        try:
            head = _Head.model_validate_json(text)
            if head.format <= FORMAT:
                manifest = cls.model_validate_json(text if head.format == FORMAT else _rename_old_fields(text))
                if head.format == FORMAT and manifest.checksum != manifest._checksum():
                    raise ManifestError(
                        f"{source} has a manifest that was changed after it was made small: give the file as `down` "
                        "wrote it"
                    )
                return manifest.model_copy(update={"checksum": None})
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            key = ".".join(str(part) for part in first["loc"])[:60] or "text"
            raise ManifestError(
                f"{source} has a broken manifest ({escaped(key)}: {escaped(first['msg'], 120)}): "
                "make the small image again"
            ) from None
        raise ManifestError(
            f"{source} was made by resizekit {head.resizekit} in manifest format {head.format}; "
            f"this version reads formats up to {FORMAT}: upgrade resizekit"
        )


def _rename_old_fields(text: str) -> bytes:
    """Give the fields of formats 1 and 2 their present names, and no other name a meaning.

    The result is JSON again, since strict validation accepts lists for tuples in JSON only.
    """
    fields = from_json(text)
    names = _RENAMED | {
        name: f"{name} (of format 3)" for name in (*_RENAMED.values(), "precision", "effort", "checksum")
    }
    return to_json({names.get(name, name): value for name, value in fields.items()})
