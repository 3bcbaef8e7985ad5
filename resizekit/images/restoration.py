"""Restore the picture of a small file, whatever happens to it afterwards."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Self

import numpy as np

from resizekit.codec import Codec
from resizekit.codec.convert import dtype_of_bits
from resizekit.images.manifest_weights import weights_of_manifest
from resizekit.images.pipeline import up_picture
from resizekit.images.run_options import RunOptions
from resizekit.images.selection import choose_codec
from resizekit.images.small_files import read_small
from resizekit.images.target_size import TargetSize
from resizekit.pictures.io.source import PictureFile, Source, source_of
from resizekit.pictures.manifest import Manifest
from resizekit.pictures.picture import Picture
from resizekit.spec import HW
from resizekit.storage.formats import Pixels

__all__ = ["Restoration"]


@dataclass(frozen=True, kw_only=True)
class Restoration:
    """A small file that was read and checked. `run` loads the weights and restores the picture."""

    source: Source
    small: Picture
    manifest: Manifest
    options: RunOptions
    load_codec: Callable[[], Codec]

    @classmethod
    def of(
        cls,
        src: PictureFile,
        *,
        weights: str | Path | Codec | None = None,
        size: tuple[int, int] | str | None = None,
        force: bool = False,
        options: RunOptions = RunOptions(),
    ) -> Self:
        """Read and check a small file. The arguments and errors are those of `resizekit.up_file`."""
        source = source_of(src)
        chosen = None if weights is None else cache(partial(_codec, weights, None, options))
        exact_size = None if size is None else TargetSize(size=size).exact_size()
        small, manifest = read_small(source, load_codec=chosen, size=exact_size, force=force)
        return cls(
            source=source,
            small=small,
            manifest=manifest,
            options=options,
            load_codec=chosen or partial(_codec_of_manifest, manifest, source, options),
        )

    @property
    def outline(self) -> Picture:
        """The restored picture without its values; it takes no memory for its pixels."""
        shape = (*HW.from_wh(self.manifest.size), _channels(self.manifest))
        pixels: Pixels = np.broadcast_to(dtype_of_bits(self.manifest.bits)(0), shape)
        return replace(self.small, pixels=pixels, embedded_manifest=None)

    def run(self) -> Picture:
        """Restore the picture."""
        codec = self.load_codec()
        return up_picture(
            codec,
            self.small,
            self.manifest,
            source=self.source,
            tile=self.options.budget.tile(codec, self.options.tile),
            progress=self.options.progress,
        )


def _codec_of_manifest(manifest: Manifest, source: Source, options: RunOptions) -> Codec:
    return _codec(weights_of_manifest(manifest, source), manifest.compression, options)


def _codec(weights: str | Path | Codec, compression: str | None, options: RunOptions) -> Codec:
    if isinstance(weights, Codec):
        return weights
    return choose_codec(weights=weights, compression=compression, device=options.device, precision=options.precision)


def _channels(manifest: Manifest) -> int:
    return manifest.channels or (3 if manifest.mode.startswith("RGB") else 1)
