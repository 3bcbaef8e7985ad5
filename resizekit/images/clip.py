"""The small frames of a clip, with one manifest for all of them.

Store the frames in a lossless video file, and the manifest in its sidecar:

frames ─► SmallClip ─► small frames ─► video file            video file ─► up_clip ─► frames
                    └► manifest ─► write_sidecar                sidecar ─────┘
"""

import hashlib
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from resizekit.codec import Codec
from resizekit.codec.padded_sizes import padded_sizes_for
from resizekit.codec.refine.effort import Effort
from resizekit.errors import ImageError, ManifestError, UsageError
from resizekit.images.manifest_weights import check_nameable, check_weights_match, manifest_name, weights_of_manifest
from resizekit.images.small_files import RestoreWarning
from resizekit.pictures.manifest import Manifest
from resizekit.pictures.picture import Mode, Picture
from resizekit.recipes.checkpoint import load
from resizekit.spec import HW

if TYPE_CHECKING:
    from resizekit.storage.formats import Pixels

__all__ = ["SmallClip", "up_clip"]


class SmallClip:
    """The small frames of a clip, which you iterate over once, and then their manifest.

    Args:
        codec: A codec that was loaded from weights, with a lossless compression.
        frames: Arrays `h w c` of uint8, or of uint16 for a codec with the compression `uint16`, all of one size.
        batch: Number of frames that are read ahead and computed together.
        effort: 0 to 4, or an `Effort`.

    Raises:
        UsageError: If the codec has no weights, or a lossy compression, or `batch` or the effort is out of range.

    Examples:
        >>> clip = SmallClip(load("sr-x2-fast"), (np.full((33, 48, 3), n, np.uint8) for n in range(3)))
        >>> lows = list(clip)
        >>> lows[0].shape, clip.manifest.size
        ((17, 24, 3), (48, 33))
        >>> [frame.shape for frame in up_clip(lows, clip.manifest)][0]
        (33, 48, 3)
    """

    def __init__(self, codec: Codec, frames: Iterable["Pixels"], *, batch: int = 4, effort: int | Effort = 0) -> None:
        check_nameable(codec)
        self._weights = manifest_name(codec)
        if not codec.storage.exact:
            raise UsageError(
                f"compression {codec.info.compression!r} is lossy, and a clip needs exact small frames: use "
                "weights with another compression"
            )
        self._codec, self._effort, self._digest = codec, Effort.of(effort), _ClipDigest()
        self._first: Pixels | None = None
        self._is_complete = self._all_read = False
        self._lows = codec.down_frames(self._checked(frames), batch=batch, effort=self._effort)

    def __iter__(self) -> Iterator["Pixels"]:
        """Yield the small frames, `h w c`.

        Raises:
            ImageError: If a frame is not such an array, or its size or type differs from that of the first frame.
        """
        for low in self._lows:
            self._digest.add(low)
            yield low
        self._is_complete = self._all_read and self._first is not None

    @property
    def manifest(self) -> Manifest:
        """The manifest of all frames.

        Raises:
            UsageError: If a frame has not been made small yet, or there was no frame.
        """
        if not self._is_complete or self._first is None:
            raise UsageError("the manifest of a clip covers all its frames: iterate over the small frames first")
        codec, mode = self._codec, _mode(self._first)
        return Manifest(
            task=codec.info.task,
            weights=self._weights,
            digest=codec.digest,
            spec=codec.spec,
            times=codec.times,
            compression=codec.info.compression,
            size=HW(*self._first.shape[:2]).wh,
            mode=mode,
            precision=codec.precision,
            effort=self._effort.level or None,
            bits=16 if self._first.dtype == np.uint16 else 8,
            channels=self._first.shape[2] if mode == "CUBE" else None,
            pixels=self._digest.hexdigest(),
        )

    def _checked(self, frames: Iterable["Pixels"]) -> Iterator["Pixels"]:
        for i, frame in enumerate(frames):
            if not isinstance(frame, np.ndarray) or frame.ndim != 3:
                raise ImageError(f"frame {i} is not an array `h w c`: use np.asarray(frame), and [:, :, None] for grey")
            if self._first is None:
                self._first = np.broadcast_to(frame.dtype.type(0), frame.shape)  # without its memory
            if (frame.shape, frame.dtype) != (self._first.shape, self._first.dtype):
                raise ImageError(
                    f"frame {i} is {frame.dtype} of shape {frame.shape}: expected {self._first.dtype} of shape "
                    f"{self._first.shape}, as the first frame of the clip"
                )
            yield frame
        self._all_read = True


def up_clip(
    lows: Iterable["Pixels"],
    manifest: Manifest | str | None,
    *,
    codec: Codec | None = None,
    batch: int = 4,
    force: bool = False,
    source: str | Path = "this clip",
) -> Iterator["Pixels"]:
    """Restore the frames of a clip.

    Args:
        lows: The small frames, `h w c`, in order.
        manifest: That of `SmallClip`, or the text of `read_sidecar`.
        codec: The codec that made them; None: the installed weights that the manifest names.
        batch: Number of frames that are read ahead and computed together.
        force: Restore from frames that changed, with a `RestoreWarning`.
        source: The clip, for error messages.

    Returns:
        An iterator over the restored frames, `h w c`.

    Raises:
        ManifestError: If there is no manifest, or codec, frames and manifest do not fit together. Changed pixel values
            are noticed after the last frame.
    """
    if manifest is None:
        raise ManifestError(f"{source} has no manifest: keep its sidecar next to it, and pass read_sidecar(path)")
    if isinstance(manifest, str):
        manifest = Manifest.from_text(manifest, source)
    codec = check_weights_match(
        load(weights_of_manifest(manifest, source)) if codec is None else codec, manifest, source
    )
    digest = _ClipDigest()

    def checked() -> Iterator["Pixels"]:
        size = padded_sizes_for(manifest.spec, HW.from_wh(manifest.size)).stored
        for i, low in enumerate(lows):
            if not isinstance(low, np.ndarray):
                raise ImageError(f"frame {i} of {source} is a {type(low).__name__}: expected an array h w c")
            if low.shape != (*size, codec.low_channels):
                raise ManifestError(
                    f"frame {i} of {source} has the shape {low.shape}: its manifest requires "
                    f"{(*size, codec.low_channels)}"
                )
            digest.add(low)
            yield low

    yield from codec.up_frames(checked(), batch=batch, size=manifest.size)
    if digest.hexdigest() != manifest.pixels:
        message = f"the frames of {source} are not those of its manifest: store them in a lossless video file"
        if not force:
            raise ManifestError(message)
        warnings.warn(message, RestoreWarning, stacklevel=2)


class _ClipDigest:
    """SHA-256 over the digests of all frames, in order."""

    def __init__(self) -> None:
        self._sha = hashlib.sha256(b"clip\n")

    def add(self, pixels: "Pixels") -> None:
        self._sha.update(bytes.fromhex(Picture(pixels=pixels).digest))

    def hexdigest(self) -> str:
        return self._sha.hexdigest()


def _mode(pixels: "Pixels") -> Mode:
    return Picture(pixels=pixels).mode
