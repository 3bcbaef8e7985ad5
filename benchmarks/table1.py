"""Train the decoders of Table 1 with a small number of steps, the same for all decoders that are compared.

    python benchmarks/table1.py --data PICTURES --validation OTHERS --runs RUNS
    resizekit evaluate --suite paper --data FOLDER --out paper.json --weights-from RUNS --columns NAMES

Networks, losses and rates are those of the plugin's configs with the same names. These configs use more steps and
larger crops, for a GPU. Completed trainings are reused, and interrupted ones are resumed by the same command.
"""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from script import run_script
from train_all import planned
from training_run import complete_run

from resizekit.recipes.config import apply_overrides

DECODERS = "tau-baseline", "vdsr", "edsr", "vdsr-on-tad", "edsr-on-tad"
BUDGETS: dict[str, dict[str, Any]] = {
    f"{decoder}-{which}": {"steps": steps, "batch": batch, "patch": patch}
    for which, steps, batch, patch in (("x4", 1000, 2, 80), ("x2-y", 700, 4, 56), ("x4-y", 700, 2, 80))
    for decoder in DECODERS
}
"""Changes of `[train]` by column."""


def main(
    data: Annotated[list[Path], typer.Option(help="Folder of training pictures. Can be repeated.")],
    validation: Annotated[list[Path], typer.Option(help="Folder of validation pictures. Can be repeated.")],
    runs: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("runs"),
    only: Annotated[list[str] | None, typer.Option(help="Train only this column. Can be repeated.")] = None,
    device: Annotated[str, typer.Option(help="Device: auto, cpu or cuda.")] = "auto",
) -> None:
    """Train all decoders, each in the folder of its name."""
    console = Console(stderr=True)
    for name in only or BUDGETS:
        if name not in BUDGETS:
            raise typer.BadParameter(f"unknown column {name!r}; known columns: {', '.join(BUDGETS)}")
        run = apply_overrides(planned(name, data, validation, None), BUDGETS[name])
        done = complete_run(run, runs / name, device=device, hardware=None, console=console)
        typer.echo(f"{done.weights}  {done.steps} steps in {done.seconds:.0f} s")


if __name__ == "__main__":
    run_script(main)
