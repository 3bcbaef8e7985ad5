"""The weights that a manifest names: write the name, find the weights again, and check that they match."""

import re

import torch

from resizekit.codec import Codec
from resizekit.codec.finite import first_not_finite
from resizekit.errors import ManifestError, ResizeKitError, UsageError
from resizekit.pictures.manifest import NAME, Manifest
from resizekit.plugin.registry import installed
from resizekit.spec import ResizeSpec

__all__ = ["check_nameable", "check_weights_match", "manifest_name", "weights_of_manifest"]


def manifest_name(codec: Codec) -> str:
    """Return the name of a codec's weights for a manifest.

    Raises:
        UsageError: The codec was never loaded from weights, or a manifest cannot hold their name.
    """
    name = codec.info.weights
    if name is None:
        raise UsageError("this codec has no weights that a manifest could name: save and load it first")
    if re.fullmatch(NAME, name) is None:
        raise UsageError(
            f"a manifest cannot hold the weights name {name[:80]!r}: use at most 64 lower-case "
            "letters, digits, dots, - and _ in the file name"
        )
    return name


def check_nameable(codec: Codec) -> None:
    """Refuse weights that no file can hold as they are: nothing could restore what they make.

    Raises:
        UsageError: The weights are not float32, or hold NaN or infinity.
    """
    values = {name: tensor for name, tensor in codec.state_dict().items() if tensor.is_floating_point()}
    for name, tensor in values.items():
        if tensor.dtype != torch.float32:
            raise UsageError(
                f"weights in {tensor.dtype} ({name}) cannot be saved as they are, so nothing could restore it: "
                "use codec.float(), and precision='bfloat16' for speed"
            )
    if (broken := first_not_finite(values)) is not None:
        raise UsageError(f"the weights hold NaN or infinity ({broken}): load a checkpoint from before the divergence")


def weights_of_manifest(manifest: Manifest, source: object) -> str:
    """Find the installed weights that made a small image, by their digest.

    The digest comes first, because newer weights may have taken the name since the image was made.

    Args:
        manifest: Manifest of the small image.
        source: The small image, for the error message.

    Raises:
        ManifestError: Neither the digest nor the name is installed.
        UnknownNameError: The task is not installed either.
    """
    offers = installed().weights
    for name, offer in offers.items():
        if offer.value[1].digest == manifest.digest:
            return name
    # look up the name only: `load` would also accept a path, which a manifest must not name
    if manifest.weights not in offers:
        installed().task(manifest.task)
        fix = installed().how_to_install(manifest.weights) or "pass their file with --weights (in Python: weights=FILE)"
        raise ManifestError(
            f"{source} needs weights {manifest.weights!r} of task {manifest.task!r}, which are not installed: {fix}"
        )
    return manifest.weights


def check_weights_match(codec: Codec, manifest: Manifest, source: object) -> Codec:
    """Check that a codec holds the weights that made a small image.

    Args:
        codec: The codec, with any compression and number of steps.
        manifest: Manifest of the small image.
        source: The small image, for the error message.

    Returns:
        The codec with the compression and the number of steps of the manifest.

    Raises:
        ManifestError: The digest differs, or the weights cannot do what the manifest says.
    """
    if codec.digest != manifest.digest:
        raise ManifestError(
            f"{source} was made with other weights {manifest.weights!r} (digest "
            f"{manifest.digest[:12]}, these have {codec.digest[:12]}): leave out --weights (in Python: weights=) if "
            "they are installed, pass their file with it, or install resizekit "
            f"{manifest.resizekit}, which included them"
        )
    codec = codec.with_compression(manifest.compression)
    try:
        if manifest.times not in (0, codec.times):
            codec = codec.at(manifest.times)
        spec = codec.spec if manifest.times else ResizeSpec()
        matches = spec == manifest.spec and codec.info.task == manifest.task
    except (ValueError, ResizeKitError):  # a power of the step beyond every picture
        matches = False
    if not matches:
        raise ManifestError(
            f"{source} declares {manifest.spec} of task {manifest.task!r}, but weights "
            f"{manifest.weights!r} do something else: make the small image again"
        )
    return codec
