"""Weights in a file: safetensors, and a header that says how to build what they belong to.

Header values are JSON texts; nothing is ever unpickled.  Loading is
header ─► registry ─► build ─► strict load ─► digest.
"""

import copy
import functools
import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_model, save_model

from resizekit.codec import Codec
from resizekit.codec.recipe import Recipe
from resizekit.errors import CheckpointError
from resizekit.plugin.registry import installed
from resizekit.recipes.assemble import assemble
from resizekit.system.atomic_write import atomic_write
from resizekit.system.device import pick_precision

__all__ = [
    "FORMAT", "Header", "header_of", "installed_outline", "load", "outline", "read_header", "save",
]  # fmt: skip

FORMAT = 1
"""Version of the header; a newer one is refused."""


class Header(BaseModel):
    """What a weights file says of itself."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    format: int = FORMAT
    resizekit: str = Field(default_factory=lambda: version("resizekit"))
    task: str
    provider: str = "unknown"
    spec: str = ""
    times: int = 1
    recipe: Recipe
    digest: str = Field(pattern="^[0-9a-f]{64}$")
    metrics: dict[str, float] = Field(default_factory=dict)
    training: dict[str, Any] = Field(default_factory=dict)


def save(
    codec: Codec,
    path: str | Path,
    *,
    metrics: Mapping[str, float] | None = None,
    training: Mapping[str, Any] | None = None,
    dtype: torch.dtype = torch.float32,
) -> Header:
    """Write a codec's weights beside the target and rename; what loads is bit-equal to what was saved in float32.

    With `dtype=torch.float16` the file is half the size, and the digest is that of the values after rounding.
    """
    if codec.recipe is None:
        raise CheckpointError(
            "this codec has no recipe, so a file could not describe how to build it: use resizekit.build or load, and "
            "name compressions instead of passing modules"
        )
    recipe = codec.recipe.model_copy(update={"weights": None})  # the name of weights is the name of their file
    twin = assemble(recipe)
    twin.load_state_dict(codec.state_dict())
    twin.to(dtype=dtype)
    with atomic_write(Path(path)) as beside:
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
            save_model(twin, str(beside), metadata=texts)  # knows parameters that are shared
        except (SafetensorError, OSError) as error:
            raise CheckpointError(f"cannot write {path} ({error}); free space and save again") from None
    return header


def read_header(path: str | Path) -> Header:
    """Read what a weights file says of itself, without its tensors; a `CheckpointError` if it is not one of ours."""
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"no weights file {path}")
    try:
        with safe_open(path, framework="pt") as file:
            texts = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is no safetensors file ({error}); pass a file that `train` wrote") from None
    try:
        # safetensors itself adds a line for each name of a parameter that is shared; those are no JSON and not ours
        values = {key: json.loads(texts[key]) for key in Header.model_fields if key in texts}
        if int(values.get("format", 0)) > FORMAT:
            raise CheckpointError(
                f"{path} was written by resizekit {values.get('resizekit')} in format {values['format']}; "
                f"this one reads up to {FORMAT}: upgrade resizekit"
            )
        return Header.model_validate(values)
    except (json.JSONDecodeError, ValidationError, RecursionError, TypeError, ValueError):
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
        device: Where to put the weights.
        precision: "float32" restores the same pixels on every CPU. "bfloat16" is faster where the hardware supports it;
            "auto" uses it there, and float32 elsewhere.

    Raises:
        UnknownNameError: If no weights of that name are installed.
        CheckpointError: If the file does not fit its own header.

    Examples:
        >>> load("sr-x2").spec
        ResizeSpec(s=Fraction(2, 1), r=Fraction(2, 1), t=Fraction(1, 1))
    """
    path, name, digest = _locate(source)
    header = read_header(path)
    changes = {"weights": name} if times is None else {"weights": name, "times": times}
    recipe = header.recipe.model_copy(update=changes)
    where = f"the header of {path.name}"
    _check_shapes(path, recipe, where)
    codec = assemble(recipe, where=where)
    try:
        load_model(codec, path, strict=True)
    except (RuntimeError, SafetensorError) as error:
        raise CheckpointError(f"{path} does not fit its own header: {' '.join(str(error).split())[:200]}") from None
    if codec.digest != header.digest or digest not in (None, header.digest):
        raise CheckpointError(f"{path} does not hold the weights that it names: the digest differs; fetch it again")
    codec.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    codec.precision = pick_precision(precision, torch.device(device))
    return codec.eval().requires_grad_(False)


def header_of(source: str | Path) -> Header:
    """Read what installed weights or a file say of themselves; errors as `load`."""
    return read_header(_locate(source)[0])


def _locate(source: str | Path) -> tuple[Path, str, str | None]:
    """Find the file, the name and, for installed weights, the digest that the task vouches for."""
    if isinstance(source, Path) or source.endswith(".safetensors") or "/" in source or "\\" in source:
        path = Path(source)
        return path, path.stem, None
    weights = installed().weight(source)[1]
    return Path(str(weights.file)), source, weights.digest


def _check_shapes(path: Path, recipe: Recipe, where: str) -> None:
    """Compare every tensor's shape with the file's, both ways, before memory is taken for one."""
    with torch.device("meta"):
        wanted = assemble(recipe, where=where).state_dict(keep_vars=True)
    with safe_open(path, framework="pt") as file:
        held = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118
    for name, shape in held.items():
        expected = list(wanted[name].shape) if name in wanted else None
        if expected != shape:
            raise CheckpointError(
                f"{path} does not fit its own header: {name} is {shape}, the network wants {expected}"
            )
    served = {id(wanted[name]) for name in held}  # a shared parameter is stored under one of its names
    missing = [name for name, tensor in wanted.items() if id(tensor) not in served]
    if missing:
        raise CheckpointError(
            f"{path} does not fit its own header: {missing[0]} and {len(missing) - 1} more tensors are missing"
        )


@functools.cache
def installed_outline(name: str) -> Codec:
    """As `outline`, of installed weights, which stay what they are while a program runs: read once, whoever asks."""
    return outline(name)


def outline(source: str | Path) -> Codec:
    """Give the codec of installed weights or a file without the weights, from the header alone; errors as `load`.

    It takes no memory and can compute nothing.
    """
    path, name, _ = _locate(source)
    recipe = read_header(path).recipe.model_copy(update={"weights": name})
    with torch.device("meta"):
        return assemble(recipe, where=f"the header of {path.name}")
