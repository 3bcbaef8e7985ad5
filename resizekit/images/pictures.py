"""Down and up in memory: everything about a picture but the files.

    picture ─► colours ─► fill_hidden ─► pad ─► tiles through the encoder ─► crop ─► storage ─► small
            └► alpha ───────────────────► pad ─► antialiased bicubic ──────► crop ─────────────┘

The way up is the mirror image: pad, tiles through the decoder, crop to the size in the manifest.
"""

from dataclasses import replace

import numpy as np

from resizekit.codec import Codec
from resizekit.convert import Pixels, kind_of_bits, with_bits
from resizekit.errors import ImageError, ManifestError, UsageError
from resizekit.images.alpha import alpha_down, alpha_up, fill_hidden
from resizekit.images.manifest import Manifest
from resizekit.images.pad import canvas, fit
from resizekit.images.picture import Picture
from resizekit.images.tile import Progress, Tile, tiled_down, tiled_up
from resizekit.images.weights import manifest_name, matching
from resizekit.images.write import without_alpha
from resizekit.storage import Storage

__all__ = ["check_depth", "down_picture", "up_picture"]


def down_picture(
    codec: Codec, picture: Picture, *, tile: Tile = "auto", progress: Progress | None = None
) -> tuple[Picture, Manifest]:
    """Make a picture small in memory; the small one carries the manifest as its note.

    Its pixels are those that reading its file gives: a storage that loses some is applied once, to the whole picture.
    """
    name, storage = manifest_name(codec), codec.storage
    if codec.low_channels not in storage.channels:
        could = " or ".join(str(n) for n in storage.channels)
        raise UsageError(
            f"weights {name!r} make {codec.low_channels} channels, which no {storage.format} holds: use {could}"
        )
    check_depth(picture, storage)
    if picture.alpha is not None and not storage.alpha:
        raise UsageError(without_alpha(storage, f"weights {name!r}"))
    size = picture.size[1], picture.size[0]
    room = canvas(codec.spec, size)
    colours, alpha = _channels(picture.pixels, codec, name), picture.alpha
    if alpha is not None:
        colours = fill_hidden(colours, alpha)
        alpha = fit(alpha_down(codec.spec, fit(with_bits(alpha, storage.bits), room.high)), room.stored)
    given = fit(tiled_down(codec, fit(colours, room.high), tile, progress, picture.span), room.stored)
    pixels = given if storage.exact else storage.read_back(given)
    small = Picture(pixels=pixels, given=None if storage.exact else given, alpha=alpha, icc=picture.icc)
    manifest = Manifest(
        task=codec.names.task,
        weights=name,
        digest=codec.digest,
        spec=codec.spec,
        times=codec.times,
        compression=codec.names.compression,
        size=picture.size,
        mode=picture.mode,
        bits=picture.bits,
        channels=picture.pixels.shape[2] if picture.mode == "CUBE" else None,
        span=picture.span,
        pixels=small.digest,
    )
    return replace(small, note=manifest.to_text()), manifest


def check_depth(picture: Picture, storage: Storage, where: object = "this picture") -> None:
    """Refuse a picture whose last bits a storage would lose; of cubes and floats it keeps what the networks make."""
    if picture.bits == 16 and picture.mode != "CUBE" and storage.bits == 8:
        raise ImageError(
            f"{where} has more than 8 bits a channel, and these weights store {storage.bits}: "
            "say --compression uint16, or convert it to 8 bits first"
        )


def up_picture(
    codec: Codec,
    small: Picture,
    manifest: Manifest,
    *,
    where: object = "this image",
    tile: Tile = "auto",
    progress: Progress | None = None,
) -> Picture:
    """Restore a picture in memory; `ManifestError` if codec, image and manifest do not fit."""
    codec = matching(codec, manifest, where)
    size = manifest.size[1], manifest.size[0]
    room = canvas(codec.spec, size)
    whole = (*room.stored, codec.low_channels)
    if (
        small.bits != codec.storage.bits
        or small.pixels.shape != whole
        or (small.alpha is not None) != manifest.mode.endswith("A")
        or codec.channels not in _high_channels(manifest)
    ):
        raise ManifestError(f"{where} does not fit its own manifest: make the small image again")
    alpha = small.alpha
    if alpha is not None:
        alpha = with_bits(fit(alpha_up(codec.spec, fit(alpha, room.low)), size), 16 if manifest.bits == 16 else 8)
    dtype = kind_of_bits(manifest.bits)
    colours = fit(tiled_up(codec, fit(small.pixels, room.low), tile, progress, dtype, manifest.span), size)
    if manifest.mode in ("L", "LA") and colours.shape[2] > 1:  # grey went in as equal channels
        mean = colours.mean(axis=2, keepdims=True, dtype=np.float32)
        colours = mean if manifest.bits == 32 else np.rint(mean).astype(dtype)
    return Picture(pixels=colours, alpha=alpha, icc=small.icc, span=manifest.span)


def _high_channels(manifest: Manifest) -> tuple[int, ...]:
    """How many channels a codec may have for the original that a manifest speaks of."""
    if manifest.channels is not None:
        return (manifest.channels,)
    return (3,) if manifest.mode.startswith("RGB") else (1, 3)


def _channels(pixels: Pixels, codec: Codec, name: str) -> Pixels:
    """Give a picture the channels of a codec: grey is repeated where they stay as they are, colour is never dropped."""
    have = pixels.shape[2]
    if have == codec.channels:
        return pixels
    if have == 1 and codec.spec.t != 1:
        raise ImageError(
            f"a grey picture for weights {name!r}, which fold {codec.channels} channels into {codec.low_channels}: "
            "there is no colour to hide; use weights that keep the channels"
        )
    if have == 1:
        return np.repeat(pixels, codec.channels, axis=2)
    what = "a colour picture" if have == 3 else f"a picture of {have} channels"
    raise ImageError(
        f"{what} for weights {name!r}, which take {codec.channels} channel(s): "
        "use weights for RGB, or convert the picture to grey first"
    )
