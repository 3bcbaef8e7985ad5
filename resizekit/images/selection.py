"""Which networks: named by the user on the way down, by the manifest on the way up."""

import functools
import re
from pathlib import Path

import torch

from resizekit.codec import Codec
from resizekit.errors import ManifestError, ResizeKitError, UsageError
from resizekit.images.manifest import MOST, NAME, Manifest
from resizekit.images.suited import best_weights_for
from resizekit.images.target_size import TargetSize
from resizekit.plugin.registry import installed
from resizekit.recipes.checkpoint import default_weights, load, storage_of
from resizekit.spec import ResizeSpec
from resizekit.storage.formats import Storage
from resizekit.system.device import Precision, pick_device, pick_precision

__all__ = [
    "choose_codec", "choose_storage", "choose_weights", "manifest_name", "matching", "must_repeat", "named_codec",
    "repeated",
]  # fmt: skip


def choose_codec(
    *,
    weights: str | Path | None,
    task: str | None,
    channels: int = 3,
    compression: str | None = None,
    times: int | None = None,
    device: str = "auto",
    precision: str = "auto",
) -> Codec:
    """Load installed weights by name, a .safetensors file, or the weights of a task that fit the channels.

    `compression` names an installed one to take the place of theirs, `times` is how often the networks are applied;
    None: as the weights say.  The last four that were loaded stay so.  Raises `UsageError` unless one of `weights` and
    `task` is said, and for weights that cannot be repeated.
    """
    chosen = choose_weights(weights=weights, task=task, channels=channels)
    place = pick_device(device)
    codec = _loaded(chosen, _changed(chosen), place, pick_precision(precision, place), compression)
    return codec if times is None else repeated(codec, times)


def repeated(codec: Codec, times: int) -> Codec:
    """Give the codec that applies these networks `times` times; `UsageError` if its step cannot be repeated."""
    if times == codec.times:
        return codec
    if times > 1:
        must_repeat(codec)
    if times > MOST:
        raise UsageError(f"times={times}: a manifest counts to {MOST}; take fewer")
    return codec.at(times)


def must_repeat(codec: Codec) -> None:
    """Refuse a codec whose step cannot be repeated, with a `UsageError`."""
    step = codec.step
    if step.t != 1 or max(step.s, step.r) <= 1:
        why = "changes the channels" if step.t != 1 else "makes nothing smaller"
        raise UsageError(f"weights {codec.info.weights!r} cannot be repeated: their step, {step}, {why}; take others")


def choose_storage(
    *, weights: str | Path | None, task: str | None, channels: int = 3, compression: str | None = None
) -> Storage:
    """Tell in which format the weights that `choose_codec` would load keep small images, without loading them."""
    chosen = choose_weights(weights=weights, task=task, channels=channels)
    return _storage(chosen, _changed(chosen), compression)


def choose_weights(
    *,
    weights: str | Path | None,
    task: str | None,
    channels: int,
    size: tuple[int, int] | None = None,
    wanted: TargetSize | None = None,
) -> str | Path:
    """Give the weights that are said, or those of a task that fit the channels and suit a wanted size best.

    `size` is (width, height) of the picture that `wanted` is asked of.  Raises `UsageError` unless one of `weights` and
    `task` is said.
    """
    if (weights is None) == (task is None):
        raise UsageError("which networks? Say either weights or a task")
    if weights is not None:
        return weights
    if size is None or wanted is None:
        return default_weights(str(task), channels)
    return best_weights_for(str(task), channels, size, wanted)


def _changed(weights: str | Path) -> int:
    """When the file was last changed, so that new weights under an old name are loaded; 0 for what is no file."""
    try:
        return Path(weights).stat().st_mtime_ns
    except OSError:
        return 0


@functools.lru_cache(maxsize=4)  # a folder of pictures loads colour and grey weights once each, of two factors
def _loaded(
    weights: str | Path, stamp: int, device: torch.device, precision: Precision, compression: str | None
) -> Codec:
    codec = load(weights, device=device)
    codec.precision = precision
    return codec if compression is None else codec.with_compression(compression)


@functools.lru_cache(maxsize=8)
def _storage(weights: str | Path, stamp: int, compression: str | None) -> Storage:
    return storage_of(weights, compression)


def named_codec(manifest: Manifest, src: str | Path, weights: str | Path | None, device: str, precision: str) -> Codec:
    """Load the weights that a manifest names, or the file that is said to hold them."""
    if weights is None:
        weights = _installed_name(manifest, src)
    return choose_codec(
        weights=weights, task=None, compression=manifest.compression, device=device, precision=precision
    )


def _installed_name(manifest: Manifest, src: str | Path) -> str:
    """The name of the very weights: since the image was made, better ones may have taken the name that it knows."""
    offers = installed().weights
    for name, offer in offers.items():
        if offer.value[1].digest == manifest.digest:
            return name
    # looked up by name alone: what `load` would take for a path is refused here
    if manifest.weights not in offers:
        installed().task(manifest.task)
        raise ManifestError(
            f"{src} needs weights {manifest.weights!r} of task {manifest.task!r}, which are "
            "not installed: pass the file they are in with --weights"
        )
    return manifest.weights


def matching(codec: Codec, manifest: Manifest, where: object) -> Codec:
    """Check that these are the weights that made the image; gives the codec of its `times` and its compression."""
    if codec.digest != manifest.digest:
        raise ManifestError(
            f"{where} was made with other weights {manifest.weights!r} (digest "
            f"{manifest.digest[:12]}, these are {codec.digest[:12]}): say no weights if they are installed, pass their "
            f"file with --weights, or install resizekit {manifest.resizekit}, which had them"
        )
    codec = codec.with_compression(manifest.compression)
    try:
        if manifest.times not in (0, codec.times):
            codec = codec.at(manifest.times)
        spec = codec.spec if manifest.times else ResizeSpec()
        fits = spec == manifest.spec and codec.info.task == manifest.task
    except (ValueError, ResizeKitError):  # a power of the step that no picture has
        fits = False
    if not fits:
        raise ManifestError(
            f"{where} says {manifest.spec} of task {manifest.task!r}, but weights "
            f"{manifest.weights!r} do not do that: make the small image again"
        )
    return codec


def manifest_name(codec: Codec) -> str:
    """Give the name under which a manifest may name a codec's weights."""
    name = codec.info.weights
    if name is None:
        raise UsageError("this codec has no weights that a manifest could name: save and load it first")
    if re.fullmatch(NAME, name) is None:
        raise UsageError(
            f"weights named {name[:80]!r} cannot stand in a manifest: rename the file to "
            "small letters, digits, dots, - and _, at most 64"
        )
    return name
