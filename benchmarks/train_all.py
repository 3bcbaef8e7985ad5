"""Train all shipped weights from their configs, measure them and, with --ship, replace shipped weights by better ones.

    python benchmarks/train_all.py --data PICTURES --validation OTHERS --sets Set5 --sets Set14 --budget "8 h" --ship

    config ─► train for its share of the time ─► measure on the sets ─► compare ─► weights, JSON, card

To resume after an interruption, run the same command again.
"""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from plan import PLAN
from records import ROOT, config_file, read_record
from rich.console import Console
from shipping import compare, describe, ship
from training_run import StoppedError, complete_run, existing_run, measure_weights

from resizekit.cli.options import Device
from resizekit.cli.output import echo_error
from resizekit.errors import ResizeKitError, UsageError
from resizekit.pictures.io.find import find_pictures
from resizekit.recipes.config import RunConfig, TrainConfig, apply_overrides, read_toml, validate


@dataclass(frozen=True)
class Options:
    """Options that all trainings share."""

    sets: list[Path]
    """Folders of pictures to measure on."""
    device: str
    hardware: str | None
    """Description of the hardware for the model cards; None for that of this machine."""
    shipping: bool
    """Whether better weights replace the shipped ones."""
    existing: bool
    """Whether to use existing weights without training."""


def planned(
    name: str, data: list[Path], validation: list[Path], budget: timedelta | None, compiled: bool = False
) -> RunConfig:
    """Read the config of some weights and apply the overrides of the command line."""
    run = read_toml(config_file(ROOT, name) or f"{name}.toml")
    return apply_overrides(run, {"data": data, "validation": validation, "budget": budget, "compile": compiled or None})


def names_to_train(only: list[str]) -> list[str]:
    """Return the planned names that have a config, in order, and report those without one.

    Args:
        only: Names to train; empty for all.

    Raises:
        UsageError: If a name is not in the plan.
    """
    if unknown := [name for name in only if name not in PLAN]:
        raise UsageError(f"no weights {unknown[0]!r} in the plan; known names: {', '.join(PLAN)}")
    names = [name for name in PLAN if not only or name in only]
    with_config = [name for name in names if config_file(ROOT, name)]
    for name in names:
        if name not in with_config:
            typer.echo(f"{name}: skipped, no config {name}.toml")
    return with_config


def check_set(folder: Path, data: list[Path]) -> None:
    """Check that a set contains pictures and that none of them is a training picture; `UsageError` otherwise."""
    pictures = {path.resolve() for path in find_pictures([folder])}
    if not pictures:
        raise UsageError(f"no picture in {folder}; pass a folder that contains pictures with --sets")
    if both := pictures & {path.resolve() for path in find_pictures(data)}:
        raise UsageError(f"{min(both)} is in both --data and --sets; results on training pictures are not meaningful")


def process(name: str, run: RunConfig, folder: Path, options: Options) -> None:
    """Train, measure and, if requested, ship the weights of one config.

    Args:
        name: Name of the weights in the plan.
        run: Config of the training.
        folder: Run folder.
        options: Options that all trainings share.
    """
    console = Console(stderr=True, markup=False, emoji=False)
    typer.echo(f"{name}: {folder}")
    if options.existing:
        done = existing_run(run, folder, hardware=options.hardware)
    else:
        done = complete_run(run, folder, device=options.device, hardware=options.hardware, console=console)
    plan = PLAN[name]
    sets = [folder for folder in options.sets if not plan.sets or folder.resolve().name in plan.sets]
    figures = measure_weights(done.weights, sets, times=plan.times, device=options.device, console=console)
    results = [f"{label} {f.main('high'):.2f} (low {f.main('low'):.2f})" for label, f in figures.items()]
    typer.echo(
        f"{name}: {done.steps} steps in {timedelta(seconds=round(done.seconds))}; {', '.join(results)}".rstrip("; ")
    )
    if not options.shipping:
        return
    if not figures:
        raise UsageError(f"not measured on {', '.join(plan.sets)}; pass their folders with --sets")
    new = describe(
        ROOT, done.weights, name, summary=plan.summary, config=name, sets=figures, run=done.run, hardware=done.hardware
    )
    better, reason = compare(new, read_record(ROOT, name), plan.floors)
    typer.echo(f"{name}: {'shipped' if better else 'not shipped'}; {reason}")
    if better:
        ship(done.weights, new, ROOT)


app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
def main(
    data: Annotated[
        list[Path] | None, typer.Option(help="Folder of training pictures; replaces the configs'. Can be repeated.")
    ] = None,
    validation: Annotated[
        list[Path] | None, typer.Option(help="Folder of validation pictures; replaces the configs'. Can be repeated.")
    ] = None,
    sets: Annotated[list[Path] | None, typer.Option(help="Folder of pictures to measure on. Can be repeated.")] = None,
    budget: Annotated[
        str | None,
        typer.Option(
            help='Duration of all trainings together, such as "8 h", instead of the steps in the configs. '
            "It does not include the measurements."
        ),
    ] = None,
    only: Annotated[list[str] | None, typer.Option(help="Train only these weights. Can be repeated.")] = None,
    runs: Annotated[
        Path, typer.Option(help="Folder of the runs, one for each name; existing runs are resumed.")
    ] = Path("runs"),
    device: Device = "auto",
    compiled: Annotated[bool, typer.Option("--compile/--no-compile", help="Use torch.compile.")] = False,
    hardware: Annotated[
        str | None, typer.Option(help="Description of the hardware in the model cards. [default: that of this machine]")
    ] = None,
    existing: Annotated[
        bool, typer.Option("--finished", help="Do not train; use the weights in the folders of the runs.")
    ] = False,
    shipping: Annotated[bool, typer.Option("--ship/--no-ship", help="Replace shipped weights by better ones.")] = False,
) -> None:
    """Train all shipped weights from their configs, measure them, and ship those that are better.

    Completed trainings and measurements are reused.
    """
    failed = 0
    try:
        if shipping and not sets:
            raise UsageError("--ship compares measurements; pass the folders to measure on with --sets")
        for folder in sets or []:  # check this before hours of training
            check_set(folder, data or [])
        total = validate(TrainConfig, {"budget": budget}, where="command line").budget
        names = names_to_train(only or [])
        shares = sum(PLAN[name].share for name in names)
        options = Options(sets or [], device, hardware, shipping=shipping, existing=existing)
        for name in names:
            try:
                part = total * (PLAN[name].share / shares) if total else None
                run = planned(name, data or [], validation or [], part, compiled)
                process(name, run, runs / name, options)
            except StoppedError:
                raise
            except (ResizeKitError, OSError, MemoryError, RuntimeError) as error:  # continue with the next name
                if isinstance(error, RuntimeError) and "memory" not in str(error):
                    raise
                failed += 1
                echo_error(f"{name}: {error}")
    except (StoppedError, KeyboardInterrupt):
        echo_error("interrupted; run the same command again to resume")
        raise typer.Exit(130) from None
    except ResizeKitError as error:
        echo_error(error)
        raise typer.Exit(error.exit_code) from None
    if failed:
        echo_error(f"{failed} of {len(names)} failed; the others are complete")
        raise typer.Exit(1)


if __name__ == "__main__":
    app()
