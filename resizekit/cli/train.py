"""`resizekit train` and `resizekit schema`."""

from pathlib import Path
from typing import Annotated

import typer

from resizekit.cli.options import Device
from resizekit.errors import UsageError

__all__ = ["schema", "train"]


def train(
    config: Annotated[Path, typer.Argument(help="A TOML config; `resizekit schema TASK` describes it.")],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the run; resumed if it holds one.", show_default="runs/CONFIG"),
    ] = None,
    data: Annotated[list[Path] | None, typer.Option(help="Folders of pictures, instead of the config's.")] = None,
    validation: Annotated[list[Path] | None, typer.Option(help="The same for the validation.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Steps, instead of the config's.")] = None,
    budget: Annotated[str | None, typer.Option(help='Time, such as "20 min", instead of a number of steps.')] = None,
    compile: Annotated[
        bool | None, typer.Option("--compile/--no-compile", help="Run through torch.compile.", show_default=False)
    ] = None,
    finish: Annotated[
        bool, typer.Option("--finish", help="Learn no more: write the weights as an interrupted run has left them.")
    ] = False,
    device: Device = "auto",
) -> None:
    """Train a codec; a run that was interrupted goes on where it stopped, exactly."""
    from rich.console import Console

    from resizekit.cli.progress import training_progress
    from resizekit.recipes.config import apply_overrides, read_toml
    from resizekit.training.loop import train as run_training

    if steps is not None and budget is not None:
        raise UsageError("--steps and --budget contradict one another; say one of them")
    run = read_toml(config)
    told = {"data": data, "validation": validation, "steps": steps, "budget": budget, "compile": compile}
    if steps is not None:  # a number said here comes before a time in the file
        run = run.model_copy(update={"train": run.train.model_copy(update={"budget": None})})
    run = apply_overrides(run, told)
    folder = out or Path("runs") / config.stem
    console = Console(stderr=True, markup=False, emoji=False)
    absent = next((path for path in run.train.validation if not path.exists()), None)
    if data and not validation and absent is not None:  # who brings data of their own need not have the config's others
        console.print(f"not validated, since {absent} is not there: name pictures with --validation", soft_wrap=True)
        run = run.model_copy(update={"train": run.train.model_copy(update={"validation": ()})})
    with training_progress(console) as progress:
        result = run_training(run, folder, device=device, finish=finish, progress=progress)
    for line in result.skipped:
        console.print(f"left out: {line}", style="yellow", highlight=False, soft_wrap=True)
    if result.skipped:
        console.print(f"{len(result.skipped)} pictures were left out", style="yellow")
    if result.steps < result.planned:
        words = f"stopped after {result.steps} steps; the same command goes on from {folder}"
        console.print(words, highlight=False, soft_wrap=True)
        raise typer.Exit(130)
    if result.weights is None or result.header is None:
        return  # of several processes, one writes and tells
    figures = ", ".join(f"{name} {value:.2f} dB" for name, value in result.header.metrics.items())
    early = f"after {result.steps} steps" if finish else ""
    typer.echo("  ".join(part for part in (str(result.weights), early, figures) if part))


def schema(task: Annotated[str, typer.Argument(help="An installed task.")]) -> None:
    """Print the JSON schema of a task's TOML config, for editors and checkers."""
    from resizekit.cli.output import echo_json
    from resizekit.recipes.assemble import json_schema

    echo_json(json_schema(task))
