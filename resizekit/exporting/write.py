"""Write one direction of a codec to a file that programs without PyTorch can run."""

import copy
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, metadata, version
from pathlib import Path
from typing import Literal, get_args

from resizekit.codec import Codec, ImageLike
from resizekit.errors import UsageError
from resizekit.exporting.calibration import calibration_pictures
from resizekit.exporting.graph import INPUT_NAMES, OUTPUT_NAMES, Direction, Dtype, trace
from resizekit.exporting.onnx_file import check_extra, clean, to_onnx
from resizekit.exporting.quantize import calibration_inputs, quantize
from resizekit.exporting.verify import verify
from resizekit.plugin.registry import installed
from resizekit.system.atomic_write import atomic_write, check_target

__all__ = ["Format", "export"]

Format = Literal["onnx"]


def export(
    codec: Codec,
    direction: Direction,
    path: str | Path,
    *,
    dtype: Dtype = "uint8",
    format: Format = "onnx",
    quantized: bool = False,
    calibration: str | Path | Iterable[ImageLike] | None = None,
    overwrite: bool = False,
) -> Mapping[str, str]:
    """Write one direction of a codec to an ONNX file, for pictures of any size.

    The input is `high` or `low`, the output `low` or `restored`, all `b c h w`. The graph contains the guide and the
    networks, then clamps and rounds as the codec does. It does not contain the compression: of weights with a lossy
    small file, `down` returns the pixel values that go into that file, and `up` takes those read from it.

    The file is checked before it is written: in onnxruntime, at sizes that the tracer has not seen, its result may
    differ from the codec by at most one integer value.

    Args:
        codec: The codec; `codec.at(times)` exports several steps as one graph.
        direction: "down" or "up".
        path: The file to write.
        dtype: "uint8" for integer pixel values, or "float32" for values in [0, 1], which are clamped and not rounded.
        format: "onnx".
        quantized: Whether convolutions compute with 8-bit integers, except the first and the last: faster on some
            processors, and less exact.
        calibration: With `quantized`, pictures at full size, which set the range of each convolution: images or paths,
            or a folder, of which at most 32 pictures are used.
        overwrite: Whether an existing file may be replaced.

    Returns:
        The metadata of the file: names, factors, digest and licence.

    Raises:
        MissingExtraError: If onnx, onnxscript or onnxruntime is not installed.
        UsageError: If an argument is invalid, the file exists, or a network cannot be traced.
        ImageError: If a picture for the calibration cannot be read.

    Examples:
        >>> import tempfile, resizekit
        >>> codec = resizekit.build("sr", network={"width": 8, "blocks": 1})
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     texts = resizekit.export(codec, "up", Path(folder) / "up.onnx")
        >>> texts["direction"], texts["spec"], texts["layout"]
        ('up', 's=2 r=2', 'b c h w')
    """
    if not isinstance(codec, Codec):
        name = repr(str(codec)) if isinstance(codec, str | Path) else "NAME"
        raise UsageError(
            f"codec is a {type(codec).__name__}: expected a codec; call resizekit.export(resizekit.load({name}), ...)"
        )
    for label, value, allowed in (
        ("direction", direction, get_args(Direction)),
        ("dtype", dtype, get_args(Dtype)),
        ("format", format, get_args(Format)),
    ):
        if value not in allowed:
            raise UsageError(f"unknown {label} {value!r}: expected {' or '.join(allowed)}")
    if dtype == "uint8" and codec.storage.bits != 8:
        raise UsageError(f"dtype 'uint8': this codec stores {codec.storage.bits} bits per channel; use dtype 'float32'")
    if quantized != (calibration is not None):
        raise UsageError("quantized=True and calibration=[picture, ...] belong together: pass both or neither")
    path = Path(path)
    check_target(path, overwrite=overwrite)
    check_extra()
    codec = copy.deepcopy(codec).cpu().float().eval()
    pictures = calibration_pictures(codec, () if calibration is None else calibration)
    texts = _describe(codec, direction, dtype, quantized)
    inputs = calibration_inputs(codec, direction, dtype, pictures) if quantized else []
    with atomic_write(path, overwrite=overwrite) as temporary:
        model = to_onnx(trace(codec, direction, dtype), INPUT_NAMES[direction], OUTPUT_NAMES[direction])
        if quantized:
            model = quantize(model, inputs)
        clean(model, texts)
        verify(model, codec, direction, dtype, exact=not quantized)
        temporary.write_bytes(model.SerializeToString())
    return texts


def _describe(codec: Codec, direction: Direction, dtype: Dtype, quantized: bool) -> dict[str, str]:
    info = codec.info
    return {
        "resizekit": version("resizekit"),
        "direction": direction,
        "layout": "b c h w",
        "values": "0..255" if dtype == "uint8" else "0..1",
        "precision": "int8" if quantized else "float32",
        "task": info.task,
        "network": info.network,
        "weights": info.weights or "",
        "compression": info.compression,
        "spec": str(codec.spec),
        "times": str(codec.times),
        "digest": codec.digest,
        "license": _licence(info.task),
    }


def _licence(task: str) -> str:
    """Return the licence of the distribution that provides a task, as its metadata states it; "" if it does not."""
    offer = installed().tasks.get(task)
    if offer is None:
        return ""
    try:
        fields = metadata(offer.provider.rpartition(" ")[0])
    except PackageNotFoundError:
        return ""
    return next((fields[key] for key in ("License-Expression", "License") if key in fields), "")
