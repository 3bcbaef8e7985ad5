"""Turn a traced graph into an ONNX model that contains nothing of the machine that made it."""

import logging
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch.export import ExportedProgram

from resizekit.errors import MissingExtraError, UsageError

if TYPE_CHECKING:
    import onnx

__all__ = ["OPSET", "check_extra", "clean", "to_onnx"]

OPSET = 18
"""Version of the operators: onnxruntime reads it since 1.14, OpenVINO since 2023."""
_LARGEST_CONSTANT = 2**26
"""Constants up to this number of bytes are computed in advance, such as the merged kernels of `resizekit.nn.Down`."""


def check_extra() -> None:
    """Raise `MissingExtraError` if a package is missing that exporting needs."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(f'an export needs {error.name}: pip install "resizekit[onnx]"') from None


def to_onnx(program: ExportedProgram, input_name: str, output_name: str) -> "onnx.ModelProto":
    """Convert a traced graph, with axes named `batch`, `height` and `width`.

    Args:
        program: The graph of one input and one output, `b c h w`.
        input_name: Name of the input.
        output_name: Name of the output.

    Raises:
        UsageError: If an operation has no counterpart in ONNX.
    """
    from onnxscript import optimizer

    try:
        with _quiet():
            converted = torch.onnx.export(
                program,
                dynamo=True,
                opset_version=OPSET,
                input_names=[input_name],
                output_names=[output_name],
                verbose=False,
            )
            assert converted is not None
            optimizer.optimize(converted.model, input_size_limit=_LARGEST_CONSTANT, output_size_limit=_LARGEST_CONSTANT)
    except torch.onnx.errors.OnnxExporterError as error:
        reason = " ".join(str(error.__cause__ or error).split())
        raise UsageError(
            f"cannot export: an operation of the network has no counterpart in ONNX ({reason[:160]}); "
            "use another operation"
        ) from error
    return converted.model_proto


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide warnings about optional packages and the internals of the converter."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def clean(model: "onnx.ModelProto", metadata: Mapping[str, str]) -> None:
    """Name the free axes, remove notes about source files from every part, and set the metadata.

    Args:
        model: The model, which is changed in place.
        metadata: Texts to store in the model.
    """
    graph = model.graph
    axes = graph.input[0].type.tensor_type.shape.dim
    names = {
        axis.dim_param: name
        for axis, name in zip((axes[0], axes[2], axes[3]), ("batch", "height", "width"), strict=True)
    }
    symbols = re.compile(rf"\b({'|'.join(map(re.escape, names))})\b")
    del graph.value_info[:]  # sizes between the nodes: every runtime computes them
    for value in (*graph.input, *graph.output):
        for axis in value.type.tensor_type.shape.dim:
            if axis.dim_param:
                axis.dim_param = symbols.sub(lambda match: names[match[1]], axis.dim_param)
    model.producer_name, model.producer_version, model.doc_string = "resizekit", "", ""
    for part in (model, graph, *model.functions, *graph.node, *graph.input, *graph.output, *graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""
    for key, text in metadata.items():
        model.metadata_props.add(key=key, value=text)
