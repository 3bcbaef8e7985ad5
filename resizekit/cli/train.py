"""The commands `resizekit train` and `resizekit schema`."""

from pathlib import Path
from typing import Annotated

import typer

from resizekit.cli.options import Device
from resizekit.errors import UsageError

__all__ = ["schema", "train"]


def train(
    config: Annotated[Path, typer.Argument(help="TOML config; `resizekit schema TASK` prints its schema.")],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the training. If it contains an interrupted training, that is resumed.",
            show_default="runs/CONFIG",
        ),
    ] = None,
    data: Annotated[
        list[Path] | None,
        typer.Option(help="Folder or pack of training pictures; replaces the config's. Can be repeated."),
    ] = None,
    validation: Annotated[
        list[Path] | None, typer.Option(help="Folder of validation pictures; replaces the config's. Can be repeated.")
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Number of steps; replaces the config's.")] = None,
    budget: Annotated[
        str | None, typer.Option(help='Duration of the training, such as "20 min", instead of a number of steps.')
    ] = None,
    compile: Annotated[
        bool | None, typer.Option("--compile/--no-compile", help="Use torch.compile.", show_default=False)
    ] = None,
    finish: Annotated[
        bool, typer.Option("--finish", help="Do not train; write the weights of an interrupted training.")
    ] = False,
    device: Device = "auto",
) -> None:
    """Train a codec. To resume an interrupted training exactly, run the same command again."""
    from rich.console import Console

    from resizekit.cli.progress import training_progress
    from resizekit.recipes.config import apply_overrides, read_toml
    from resizekit.training.loop import train as run_training
    from resizekit.training.processes import launched_as_main

    if steps is not None and budget is not None:
        raise UsageError("--steps and --budget cannot be combined: pass only one of them")
    run = read_toml(config)
    overrides = {"data": data, "validation": validation, "steps": steps, "budget": budget, "compile": compile}
    if steps is not None:  # takes precedence over a budget in the config
        run = run.model_copy(update={"train": run.train.model_copy(update={"budget": None})})
    run = apply_overrides(run, overrides)
    folder = out or Path("runs") / config.stem
    console = Console(stderr=True, markup=False, emoji=False, quiet=not launched_as_main())
    missing = next((path for path in run.train.validation if not path.exists()), None)
    if data and not validation and missing is not None:  # with your own data you do not need the config's validation
        console.print(f"no validation: {missing} does not exist; pass a folder with --validation", soft_wrap=True)
        run = run.model_copy(update={"train": run.train.model_copy(update={"validation": ()})})
    with training_progress(console) as progress:
        result = run_training(run, folder, device=device, finish=finish, progress=progress)
    for line in result.skipped:
        console.print(f"skipped: {line}", style="yellow", highlight=False, soft_wrap=True)
    if result.skipped:
        console.print(f"skipped {len(result.skipped)} pictures", style="yellow")
    if result.steps < result.planned:
        message = f"stopped after {result.steps} steps; run the same command again to resume from {folder}"
        console.print(message, highlight=False, soft_wrap=True)
        raise typer.Exit(130)
    if result.weights is None or result.header is None:
        return  # one of several processes, but not the main one
    metrics = ", ".join(f"{name} {value:.2f} dB" for name, value in result.header.metrics.items())
    steps_done = f"after {result.steps} steps" if finish else ""
    typer.echo("  ".join(part for part in (str(result.weights), steps_done, metrics) if part))


def schema(task: Annotated[str, typer.Argument(help="Name of an installed task.")]) -> None:
    """Print the JSON schema of a task's TOML config, for editors and validators."""
    from resizekit.cli.output import echo_json
    from resizekit.recipes.assemble import json_schema

    echo_json(json_schema(task))
