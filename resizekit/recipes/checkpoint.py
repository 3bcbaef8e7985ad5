"""Weights files: safetensors with a header that describes how to build the codec.

Header values are JSON texts, and nothing is ever unpickled. Loading takes these steps:
header ─► registry ─► build ─► strict load ─► finite values ─► digest.
"""

import copy
import functools
import json
import os
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_model
from safetensors.torch import save as save_tensors

from resizekit.codec import Codec
from resizekit.codec.calibration import set_precision
from resizekit.codec.finite import first_not_finite
from resizekit.codec.recipe import Recipe
from resizekit.errors import CheckpointError
from resizekit.plugin.registry import installed
from resizekit.recipes.assemble import assemble
from resizekit.recipes.limited_tensors import LimitedTensors, TensorTooLargeError
from resizekit.system.atomic_write import atomic_write
from resizekit.system.device import pick_device, pick_precision
from resizekit.system.printable import escaped

__all__ = [
    "FORMAT", "MODEL", "Header", "header_of", "installed_outline", "load", "load_file", "outline", "read_header",
    "save",
]  # fmt: skip

FORMAT = 1
"""Version of the header; files with a newer one are refused."""
MODEL = "model.safetensors"
"""The weights file in a folder of `Codec.save_pretrained`."""
_ANY_FILE, _VALUES_PER_BYTE = 2**24, 4
"""A tensor of the networks may have the first number of values, or the second for each byte of the file.

Tensors that are computed, such as transforms, are not in the file, and may be larger than those that are."""


class Header(BaseModel):
    """The metadata of a weights file."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    format: int = Field(FORMAT, ge=1, le=FORMAT)
    """Version of the header."""
    resizekit: str = Field(default_factory=lambda: version("resizekit"))
    """Version of resizekit that wrote the file."""
    task: str
    """Name of the task."""
    provider: str = "unknown"
    """Distribution and version that offered the task."""
    spec: str = ""
    """Factors of all steps together, as `str(codec.spec)`."""
    times: int = Field(1, ge=1, le=64)
    """How many times the networks are applied."""
    recipe: Recipe
    """How to build the codec."""
    digest: str = Field(pattern="^[0-9a-f]{64}$")
    """`Codec.digest` of the weights in float32."""
    metrics: dict[str, float] = Field(default_factory=dict)
    """Measured quality by name, such as {"Set5 high RGB": 38.1}."""
    training: dict[str, Any] = Field(default_factory=dict)
    """Facts about the training, such as {"steps": 500000}."""


def save(
    codec: Codec,
    path: str | Path,
    *,
    metrics: Mapping[str, float] | None = None,
    training: Mapping[str, Any] | None = None,
    dtype: torch.dtype = torch.float32,
) -> Header:
    """Save the weights and the recipe of a codec; a failed write leaves an existing file as it was.

    Args:
        codec: A codec with a recipe: from `load`, `build` or `from_toml`, or changed by name with `Codec.replace`.
        path: The .safetensors file.
        metrics: Measured quality by name, for the header.
        training: Facts about the training, for the header.
        dtype: torch.float32 loads bit-equal. torch.float16 halves the file size; the digest is of the rounded values.

    Returns:
        The header of the file.

    Raises:
        CheckpointError: If the codec has no recipe, a tensor is not finite in `dtype`, or the file cannot be written.
        UsageError: If the folder does not exist.

    Examples:
        >>> import tempfile, resizekit
        >>> codec = resizekit.build("sr", network={"width": 8, "blocks": 1})
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     header = save(codec, Path(folder) / "tiny.safetensors")
        >>> header.task, header.spec
        ('sr', 's=2 r=2')
    """
    if codec.recipe is None:
        raise CheckpointError(
            "this codec has no recipe, so a file cannot describe how to build it: use resizekit.build or load, and "
            "pass compressions by name instead of as modules"
        )
    recipe = codec.recipe.model_copy(update={"weights": None})  # weights are named after their file
    twin = assemble(recipe)
    twin.load_state_dict(codec.state_dict())
    twin.to(dtype=dtype)
    if (name := first_not_finite(twin.state_dict())) is not None:
        raise CheckpointError(
            f"cannot save {path}: tensor {name} is not finite in {str(dtype).removeprefix('torch.')}; train with a "
            "smaller learning rate, or store float32"
        )
    with atomic_write(Path(path), overwrite=True) as temporary:
        header = Header(
            task=codec.info.task,
            provider=installed().tasks[codec.info.task].provider,
            spec=str(codec.spec),
            times=codec.times,
            recipe=recipe,
            digest=copy.deepcopy(twin).float().digest,
            metrics=dict(metrics or {}),
            training=dict(training or {}),
        )
        texts = {key: json.dumps(value) for key, value in header.model_dump(mode="json").items()}
        try:
            temporary.write_bytes(_serialize(twin.state_dict(), texts))
        except (SafetensorError, OSError) as error:
            raise CheckpointError(f"cannot write {path} ({error}); free space and save again") from None
    return header


def _serialize(tensors: Mapping[str, torch.Tensor], texts: Mapping[str, str]) -> bytes:
    """Return the content of a safetensors file, with each shared parameter once: under the first of its names.

    `save_model` of safetensors stores the same, but creates another temporary file, which a killed process leaves.
    """
    names: dict[object, str] = {}
    shared: dict[str, str] = {}
    for name, tensor in sorted(tensors.items()):
        first = names.setdefault((tensor.data_ptr(), tensor.shape) if tensor.numel() else name, name)
        if first != name:
            shared[name] = first
    stored = {name: tensor.contiguous() for name, tensor in tensors.items() if name not in shared}
    return save_tensors(stored, metadata=shared | dict(texts))


def read_header(path: str | Path) -> Header:
    """Read the header of a weights file, without its tensors.

    Args:
        path: The .safetensors file.

    Raises:
        CheckpointError: If the file does not exist, is broken, was not written by resizekit, or is too new.
    """
    path = Path(path)
    if _holds_model(path):
        raise CheckpointError(
            f"{path} is a folder of save_pretrained: pass {path / MODEL}, or in Python, call "
            f"resizekit.Codec.from_pretrained({str(path)!r})"
        )
    if not path.is_file():
        raise CheckpointError(f"no weights file at {path}: pass the name of installed weights or a .safetensors file")
    try:
        with safe_open(path, framework="pt") as file:
            texts = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path} is not a safetensors file ({escaped(error)}); pass a file that `train` wrote"
        ) from None
    try:
        # safetensors adds an entry without JSON for each further name of a shared parameter
        values = {key: json.loads(texts[key]) for key in Header.model_fields if key in texts}
        if int(values.get("format", 0)) > FORMAT:
            raise CheckpointError(
                f"{path} was written by resizekit {escaped(values.get('resizekit'))} in format "
                f"{escaped(values['format'])}; "
                f"this version reads up to format {FORMAT}: upgrade resizekit"
            )
        return Header.model_validate(values)
    except (json.JSONDecodeError, ValidationError, RecursionError, TypeError, ValueError, OverflowError):
        raise CheckpointError(
            f"{path} has no resizekit header; pass a file that `train` or `resizekit.recipes.checkpoint.save` wrote"
        ) from None


def load(
    source: str | Path,
    *,
    times: int | None = None,
    device: str | torch.device = "cpu",
    precision: str = "float32",
) -> Codec:
    """Load a trained codec, ready for use (eval mode).

    Args:
        source: The name of installed weights, or a .safetensors file.
        times: How many times the networks are applied; None: as the weights define.
        device: Where to put the weights: "cpu", "cuda", "auto" for a GPU where there is one, or a `torch.device`.
        precision: "float32" restores the same pixels on every CPU. "bfloat16" is faster where the hardware supports it;
            "auto" uses it there, and float32 elsewhere.

    Raises:
        UnknownNameError: If no weights of that name are installed.
        CheckpointError: If the file does not exist, is a folder or broken, does not fit its own header, or a tensor is
            not finite.
        UsageError: If the networks cannot be applied `times` times, or the device or precision is not available.

    Examples:
        >>> load("sr-x2").spec
        ResizeSpec(s=Fraction(2, 1), r=Fraction(2, 1), t=Fraction(1, 1))
    """
    return load_file(*_locate(source), times=times, device=device, precision=precision)


def load_file(
    path: Path,
    name: str,
    digest: str | None,
    *,
    times: int | None = None,
    device: str | torch.device = "cpu",
    precision: str = "float32",
) -> Codec:
    """Load a weights file under a name; the other arguments and errors are those of `load`.

    Args:
        path: The .safetensors file.
        name: Name of the weights for manifests.
        digest: Digest that the file must have; None: that of its header.
    """
    place = pick_device(device) if isinstance(device, str) else device
    header = read_header(path)
    changes = {"weights": name} if times is None else {"weights": name, "times": times}
    recipe = header.recipe.model_copy(update=changes)
    where = f"the header of {path.name}"
    _check_shapes(path, recipe, where)
    codec = assemble(recipe, where=where).float()  # also under another torch.set_default_dtype
    try:
        load_model(codec, path, strict=True)
    except (RuntimeError, SafetensorError) as error:
        raise CheckpointError(f"{path} does not fit its own header: {escaped(error, 200)}") from None
    if (damaged := first_not_finite(codec.state_dict())) is not None:
        raise CheckpointError(
            f"{path} holds weights that are not finite: tensor {damaged} contains NaN or infinity; get the file again, "
            "or train the weights again with a smaller learning rate"
        )
    if codec.digest != header.digest or digest not in (None, header.digest):
        raise CheckpointError(
            f"{path} holds other weights than its header describes: the digest differs; get the file again"
        )
    codec.to(device=place, memory_format=torch.channels_last)  # type: ignore[call-overload]
    codec.eval().requires_grad_(False)
    set_precision(codec, pick_precision(precision, place))
    return codec


def header_of(source: str | Path) -> Header:
    """Read the header of installed weights or of a file.

    Args:
        source: The name of installed weights, or a .safetensors file.

    Raises:
        UnknownNameError: If no weights of that name are installed.
        CheckpointError: If the file is not a weights file of resizekit.
    """
    return read_header(_locate(source)[0])


def _locate(source: str | Path) -> tuple[Path, str, str | None]:
    """Find the file, the name and, for installed weights, the digest that their record declares."""
    path = Path(source)
    if isinstance(source, Path) or source.endswith(".safetensors") or "/" in source or "\\" in source:
        return path, path.stem, None
    if source not in installed().weights and _holds_model(path):
        return path, path.stem, None  # `read_header` names the file in the folder
    weights = installed().weight(source)[1]
    return Path(str(weights.file)), source, weights.digest


def _holds_model(path: Path) -> bool:
    return os.path.isfile(path / MODEL)  # noqa: PTH113  # False for a name that is too long


def _check_shapes(path: Path, recipe: Recipe, where: str) -> None:
    """Compare the names and shapes of all tensors with the file, before memory is allocated for them."""
    expected = _outline(path, recipe, where).state_dict(keep_vars=True)
    with safe_open(path, framework="pt") as file:
        stored = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118
    for name, shape in stored.items():
        if name not in expected:
            raise CheckpointError(
                f"{path} does not fit its own header: unexpected tensor {escaped(name)}; get the file again"
            )
        if list(expected[name].shape) != shape:
            raise CheckpointError(
                f"{path} does not fit its own header: tensor {name} has shape {escaped(shape)}, expected "
                f"{list(expected[name].shape)}; get the file again"
            )
    present = {id(expected[name]) for name in stored}  # a shared parameter is stored under one of its names
    missing = [name for name, tensor in expected.items() if id(tensor) not in present]
    if missing:
        raise CheckpointError(
            f"{path} does not fit its own header: {len(missing)} tensors are missing, such as {missing[0]}; "
            "get the file again"
        )


@functools.cache
def installed_outline(name: str) -> Codec:
    """Build the outline of installed weights once per process: installed files do not change while a program runs."""
    return outline(name)


def outline(source: str | Path) -> Codec:
    """Build a codec without its weights, from the header alone. It takes no memory and cannot compute anything.

    Args:
        source: The name of installed weights, or a .safetensors file.

    Raises:
        UnknownNameError: If no weights of that name are installed.
        CheckpointError: If the file has no header of resizekit.
    """
    path, name, _ = _locate(source)
    recipe = read_header(path).recipe.model_copy(update={"weights": name})
    return _outline(path, recipe, f"the header of {path.name}")


def _outline(path: Path, recipe: Recipe, where: str) -> Codec:
    """Build a codec without memory for its tensors, as long as none is larger than the file can justify."""
    size = path.stat().st_size
    try:
        with torch.device("meta"), LimitedTensors(max(_ANY_FILE, _VALUES_PER_BYTE * size)):
            return assemble(recipe, where=where)
    except TensorTooLargeError:
        raise CheckpointError(
            f"{path} does not fit its own header: its networks are too large for a file of {size} bytes; "
            "get the file again"
        ) from None
