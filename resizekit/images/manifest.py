"""The note in the small image: all that `up` needs besides the pixels and the weights it names.

It is data: it names installed weights, never a path, and it holds no picture.  Its digests tell a changed file from a
sound one; they are no signature.
"""

import math
from importlib.metadata import version
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from resizekit.errors import ManifestError
from resizekit.images.limits import CHANNELS
from resizekit.images.picture import Mode
from resizekit.spec import ResizeSpec

__all__ = ["FORMAT", "KEYWORD", "LIMIT", "MOST", "NAME", "Manifest"]

KEYWORD = "resizekit"
FORMAT = 2
"""The newest format that this version reads, and the one it writes."""
LIMIT = 2048
"""A manifest is shorter than so many bytes, whatever its values."""
MOST = 64
"""So often networks may be applied at most."""
NAME = r"^[a-z0-9][a-z0-9._-]{0,63}$"
"""What weights may be called in a manifest: no slash, so never a path to elsewhere."""

_Name = Annotated[str, Field(pattern=NAME)]
_Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Side = Annotated[int, Field(ge=1, le=2**31 - 1)]


class _Head(BaseModel):
    """What every format, also a later one, begins with."""

    model_config = ConfigDict(strict=True, extra="ignore")

    format: int = Field(ge=1, le=2**31 - 1)
    resizekit: str = Field(pattern=r"^[0-9A-Za-z.!+_-]{1,64}$")


class Manifest(BaseModel):
    """How a small image was made."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    format: Literal[1, 2] = 2
    """Format of this record; 1 had no `middle`, `bits`, `channels` and `value_range`."""
    resizekit: str = Field(default_factory=lambda: version("resizekit"), pattern=r"^[0-9A-Za-z.!+_-]{1,64}$")
    """Version of resizekit that made it."""
    task: _Name
    """Task of the weights."""
    weights: _Name
    """Name of the weights: installed ones, or the stem of a file that somebody trained."""
    digest: _Digest
    """SHA-256 over the weights, as `Codec.digest`."""
    spec: ResizeSpec
    """All that the networks do, from this image to the original, or to `middle`."""
    times: int = Field(1, ge=0, le=MOST)
    """How often the networks are applied; 0: never, bicubic did everything."""
    middle: tuple[_Side, _Side] | None = None
    """Width and height that bicubic gave the original for the networks; None: they took it as it was."""
    compression: _Name
    """How low was stored."""
    size: tuple[_Side, _Side]
    """Width and height of the original, in pixels."""
    mode: Mode
    """Mode of the original."""
    pixels: _Digest
    """`Picture.digest` of the small image."""
    bits: Literal[8, 16, 32] = 8
    """Of a channel of the original; 32 are float32."""
    channels: int | None = Field(None, ge=1, le=CHANNELS)
    """Of the original, if it is a cube."""
    value_range: tuple[float, float] | None = None
    """The lowest and the highest value that the original may have; None: those of its codes."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.mode == "CUBE") != (self.channels is not None) or (self.bits == 32 and self.value_range is None):
            raise ValueError("mode, bits, channels and value_range contradict one another")
        if self.value_range is not None and not 0 < self.value_range[1] - self.value_range[0] < math.inf:
            raise ValueError("the value_range is none")
        return self

    def to_text(self) -> str:
        """Write compact JSON, always shorter than `LIMIT`."""
        return self.model_dump_json(exclude_none=True)

    @classmethod
    def from_text(cls, text: str | None, where: object) -> Self:
        """Read and check the text of a manifest; `where` names the file in errors.

        Raises `ManifestError`, in one line, for no manifest, one that is broken and a newer one.
        """
        if text is None:
            raise ManifestError(
                f"{where} carries no manifest: give the file that `down` wrote, not a copy "
                "that an editor or a messenger has saved anew"
            )
        if len(text.encode(errors="replace")) >= LIMIT:
            raise ManifestError(f"{where} has a manifest of over {LIMIT} bytes: it is none of ours")
        try:
            head = _Head.model_validate_json(text)
            if head.format <= FORMAT:
                return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            key = ".".join(str(part) for part in first["loc"])[:60] or "text"
            raise ManifestError(
                f"{where} has a broken manifest ({' '.join(repr(key)[1:-1].split())}: "
                f"{' '.join(first['msg'].split())[:120]}): make the small image again"
            ) from None
        raise ManifestError(
            f"{where} was made by resizekit {head.resizekit} in manifest format {head.format}; "
            f"this one reads up to {FORMAT}: upgrade resizekit"
        )
