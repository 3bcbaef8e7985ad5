"""`resizekit kernels`."""

from typing import TYPE_CHECKING, Annotated

import typer

from resizekit.cli.options import Device, Json, Precision, WeightsName
from resizekit.errors import UsageError

if TYPE_CHECKING:
    from resizekit.ops import KernelInfo

__all__ = ["kernels"]


def kernels(
    warm_up: Annotated[
        bool, typer.Option("--warm-up", help="Compile the kernels that --weights need for pictures of each --size.")
    ] = False,
    weights: WeightsName = None,
    size: Annotated[
        list[str] | None,
        typer.Option(metavar="WxH", help="Size of a large picture for --warm-up. Can be repeated.", show_default=False),
    ] = None,
    device: Device = "auto",
    precision: Precision = "float32",
    as_json: Json = False,
) -> None:
    """List the kernels of all plugins, and why some of them do not run here."""
    from resizekit import ops
    from resizekit.cli.output import echo_json
    from resizekit.plugin.registry import installed

    if warm_up:
        _warm_up(weights, size or [], device, precision)
    elif weights is not None or size:
        raise UsageError("--weights and --size need --warm-up")
    found, left_out = ops.kernels(), sorted(installed().unselected)
    served = {kernel.op for kernel in found if kernel.serves}
    without = [op for op in ops.op_names() if op not in served]
    if as_json:
        from dataclasses import asdict

        rows = [asdict(kernel) for kernel in found]
        echo_json({"kernels": rows, "references_only": without, "left_out": left_out})
    else:
        _print(found, without, left_out)


def _print(found: "list[KernelInfo]", without: list[str], left_out: list[str]) -> None:
    from rich.console import Console
    from rich.table import Table

    from resizekit.cli.output import print_wide
    from resizekit.system.printable import escaped

    console = Console(markup=False, emoji=False, highlight=False)
    table = Table("op", "device", "plugin", "provider", "module", "runs", "reason", box=None, header_style="bold")
    for kernel in found:
        runs = "yes" if kernel.serves else "no"
        cells = kernel.op, kernel.device_type, kernel.plugin, kernel.provider, kernel.module, runs
        table.add_row(*cells, escaped(kernel.reason, None))
    print_wide(console, table)
    if without:
        console.print(f"ops that run their reference on every device: {', '.join(without)}", soft_wrap=True)
    if left_out:
        names = ", ".join(left_out)
        console.print(f"plugins that RESIZEKIT_PLUGINS or RESIZEKIT_DISABLE left out: {names}", soft_wrap=True)


def _warm_up(weights: str | None, sizes: list[str], device_name: str, precision: str) -> None:
    if weights is None or not sizes:
        raise UsageError("--warm-up needs --weights and at least one --size, such as --weights sr-x2 --size 1920x1080")

    import time

    import numpy as np

    from resizekit import ops
    from resizekit.images.target_size import TargetSize
    from resizekit.recipes.checkpoint import load
    from resizekit.system.device import pick_device

    shapes = [TargetSize(size=size).exact_size() for size in sizes]
    device = pick_device(device_name)
    if not any(kernel.serves and kernel.device_type == device.type for kernel in ops.kernels()):
        raise UsageError(f"--warm-up has nothing to compile: no kernel runs on {device}; `resizekit kernels` shows why")
    codec = load(weights, device=device, precision=precision)
    for h, w in shapes:
        start = time.perf_counter()
        values = np.uint16 if codec.storage.bits == 16 else np.uint8
        codec.up(codec.down(np.zeros((h, w, codec.channels), values)))
        typer.echo(f"{w}x{h}: {time.perf_counter() - start:.1f} s", err=True)
