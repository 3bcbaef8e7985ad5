"""Compare networks and training settings with equal computing time, equal data and equal quality of the small picture.

    python benchmarks/study.py networks --data FOLDER --sets Set14 --sets B100 --out benchmarks/results/NAME.json

First the duration of a step is measured, with all variants in turn, so that other programs slow all of them equally.
Each variant is then trained for the number of steps that fits the time. Other programs that run later therefore do not
affect the comparison. To resume after an interruption, run the same command again.
"""

import json
import statistics
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from numbers_table import lines
from results_file import write_results
from script import run_script

from resizekit.recipes.config import RunConfig, validate

MUON = {"optimizer": "muon", "muon_lr": 2e-3}


def wavelet(width: int, down: int, up: int, *, adds_average: bool = False, **train: Any) -> dict[str, Any]:
    return {
        "config": {"network": "wavelet"},
        "network": {"width": width, "down_blocks": down, "up_blocks": up, "adds_average": adds_average},
        "train": MUON | train,
    }


def recurrent(width: int, down: int, up: int) -> dict[str, Any]:
    return {
        "config": {"network": "recurrent"},
        "network": {"width": width, "down_blocks": down, "up_blocks": up},
        "train": MUON,
    }


def shipped(config: dict[str, Any] | None = None, **train: Any) -> dict[str, Any]:
    """Return the settings of the shipped weights on a small network, with changes."""
    variant = wavelet(48, 3, 5, **train)
    return variant | {"config": {"network": "wavelet", "restoration_loss": "rms"} | (config or {})}


STUDIES: dict[str, dict[str, dict[str, Any]]] = {
    "networks": {
        "tad, Adam": {"config": {"network": "tad"}},
        "tad, Muon": {"config": {"network": "tad"}, "train": MUON},
        "wavelet 48, 3 + 5, Adam": wavelet(48, 3, 5, optimizer="adam"),
        "wavelet 48, 3 + 5, Muon": wavelet(48, 3, 5),
        "wavelet 32, 4 + 8, Muon": wavelet(32, 4, 8),
        "wavelet 64, 4 + 6, Muon": wavelet(64, 4, 6),
        "wavelet 64, 6 + 4, Muon": wavelet(64, 6, 4),
        "invertible 32, 6 couplings, Adam": {"config": {"network": "invertible"}},
        "invertible 32, 6 couplings, Muon": {"config": {"network": "invertible"}, "train": MUON},
    },
    "recipe": {
        "as shipped": shipped(),
        "Adam": shipped(optimizer="adam"),
        "absolute errors of high": shipped({"restoration_loss": "l1"}),
        "Charbonnier's": shipped({"restoration_loss": "charbonnier"}),
        "squared ones": shipped({"restoration_loss": "l2"}, clip=0.02),
        "absolute, squared in the last fifth": shipped(
            {"restoration_loss": "l1"}, phases=[{"share": 4}, {"share": 1, "restoration_loss": "l2"}]
        ),
        "absolute guide term": shipped({"guide_loss": "l1"}),
        "rounding in the last tenth only": shipped({"float_share": 0.9}),
        "low held 1.5 dB less closely": shipped(target_low_psnr=34.7),
        "crops of 48, then 96": shipped(
            phases=[{"share": 3, "patch": 48, "batch": 14}, {"share": 1, "patch": 96, "batch": 4}]
        ),
        "no average": shipped(ema=0.0),
        "constant rate": shipped(schedule="constant"),
    },
    "schedule": {
        "half a cosine": shipped(),
        "half a cosine, rates doubled": shipped(lr=1.4e-3, muon_lr=4e-3),
        "trapezoid": shipped(schedule="trapezoid"),
        "trapezoid, rates halved": shipped(schedule="trapezoid", lr=3.5e-4, muon_lr=1e-3),
        "constant": shipped(schedule="constant"),
    },
    "recursion": {
        "tad": {"config": {"network": "tad"}, "network": {"init_as_average": True}, "train": MUON},
        "wavelet 32, 4 + 7": wavelet(32, 4, 7, adds_average=True),
        "wavelet 48, 3 + 5": wavelet(48, 3, 5, adds_average=True),
        "recurrent 32, 4 + 7": recurrent(32, 4, 7),
        "recurrent 64, 4 + 6": recurrent(64, 4, 6),
        "invertible 32, 6 couplings": {"config": {"network": "invertible"}, "train": MUON},
    },
}
"""Differences from the common config by study and variant. The guide weight is adjusted to the same target for all."""

COMMON: dict[str, Any] = {
    "task": "sr",
    "config": {"spec": {"s": 2, "r": 2}, "channels": 3, "guide_loss": "l2", "guide_weight": 1.0},
    "train": {"batch": 8, "patch": 64, "lr": 7e-4, "log": "none", "validate_every": 10**9, "target_low_psnr": 36.2},
}

STUDY_SETTINGS: dict[str, dict[str, Any]] = {
    "recursion": {
        "task": "extreme",
        "config": COMMON["config"]
        | {"restoration_loss": "rms", "guide_weight": 1.5, "shares": (1, 0, 4), "deepest": 4},
        # several factors have no common target for low, so the guide weight is constant
        "train": COMMON["train"] | {"target_low_psnr": None},
        "times": (1, 2, 3, 4),
    }
}
"""Common settings of one study, and the numbers of steps to measure with; by default that of the weights."""


def config_of(name: str, variant: dict[str, Any], data: list[Path], validation: list[Path]) -> RunConfig:
    """Return the config of a variant of the study `name`."""
    common = COMMON | STUDY_SETTINGS.get(name, {})
    merged = {key: common.get(key, {}) | variant.get(key, {}) for key in ("config", "network", "train")}
    merged["train"] |= {"data": data, "validation": validation}
    return validate(RunConfig, {"task": common["task"]} | merged, where="study")


def slug(name: str) -> str:
    """Return the folder name of a variant."""
    return name.replace(" ", "-").replace(",", "")


def seconds_per_step(runs: dict[str, RunConfig], folder: Path, device: str, rounds: int = 20) -> dict[str, float]:
    """Measure one step of each variant in turn, `rounds` times, and return the medians."""
    from resizekit.training.setup import set_up
    from resizekit.training.steps import Steps

    steps = {}
    for name, run in runs.items():
        session = set_up(run, folder / slug(name), device)
        longest = max(session.segments(session.steps), key=lambda segment: segment.end - segment.first)
        steps[name] = Steps(session, [longest]).advance
    times: dict[str, list[float]] = {name: [] for name in steps}
    warmup = 3
    for turn in range(rounds + warmup):
        for name, step in steps.items():
            began = time.perf_counter()
            step().item()
            if turn >= warmup:
                times[name].append(time.perf_counter() - began)
    return {name: statistics.median(taken) for name, taken in times.items()}


def study(
    name: Annotated[str, typer.Argument(metavar="STUDY", help=f"One of {', '.join(STUDIES)}.")],
    data: Annotated[list[Path], typer.Option(help="Folder of training pictures. Can be repeated.")],
    sets: Annotated[list[Path], typer.Option(help="Folder of pictures to measure on. Can be repeated.")],
    out: Annotated[Path, typer.Option(help="JSON file of the results.")],
    validation: Annotated[
        list[Path] | None, typer.Option(help="Folder of validation pictures. Can be repeated.")
    ] = None,
    runs: Annotated[Path, typer.Option(help="Folder of the runs; existing runs are resumed.")] = Path("runs/study"),
    seconds: Annotated[float, typer.Option(min=1, help="Computing time of each variant in seconds.")] = 300,
    device: str = "auto",
) -> None:
    """Train all variants of a study for the same time, measure them, write JSON and print a table."""
    from resizekit import load
    from resizekit.evaluation.cost import multiply_adds
    from resizekit.evaluation.folder import evaluate_folder
    from resizekit.training.loop import train

    if name not in STUDIES:
        raise typer.BadParameter(f"unknown study {name!r}; known studies: {', '.join(STUDIES)}")
    configs = {label: config_of(name, variant, data, validation or []) for label, variant in STUDIES[name].items()}
    runs.mkdir(parents=True, exist_ok=True)
    plan = runs / f"{name}-plan.json"
    if not plan.exists():
        plan.write_text(json.dumps(seconds_per_step(configs, runs, device)), encoding="utf-8")
    speeds: dict[str, float] = json.loads(plan.read_text(encoding="utf-8"))
    rows = []
    for label, run in configs.items():
        steps = max(1, round(seconds / speeds[label]))
        run = run.model_copy(update={"train": run.train.model_copy(update={"steps": steps})})
        result = train(run, runs / slug(label), device=device)
        if result.weights is None:
            raise typer.Exit(130)
        codec = load(result.weights)
        codecs = [codec.at(times) for times in STUDY_SETTINGS.get(name, {}).get("times", (codec.times,))]
        metrics = {
            f"{path.name}{f' x{repeated.spec.s}' if len(codecs) > 1 else ''}": evaluate_folder(repeated, path).mean
            for path in sets
            for repeated in codecs
        }
        down, up = multiply_adds(codec)
        rows.append(
            {
                "variant": label,
                "parameters": sum(p.numel() for p in codec.parameters()),
                "kmac_per_pixel": round((down + up) / 1000, 1),
                "step_ratio": round(speeds[label] / min(speeds.values()), 2),
                "steps": steps,
                "high_rgb": {k: round(v["high_rgb"], 2) for k, v in metrics.items()},
                "low_rgb": {k: round(v["low_rgb"], 2) for k, v in metrics.items()},
            }
        )
        write_results(out, {"study": name, "seconds": seconds, "rows": rows})
        typer.echo(table(rows))


def table(rows: list[dict[str, Any]]) -> str:
    """Return the rows as a Markdown table: high and low PSNR in dB for each set."""
    names = list(rows[0]["high_rgb"])
    head = [
        "variant",
        "parameters",
        "kMAC per pixel",
        "relative time per step",
        "steps",
        *(f"{name} high / low" for name in names),
    ]
    cells = [head]
    for row in rows:
        pairs = [f"{row['high_rgb'][name]:.2f} / {row['low_rgb'][name]:.2f}" for name in names]
        cells_of_row = [row[key] for key in ("variant", "parameters", "kmac_per_pixel", "step_ratio", "steps")]
        cells.append([*map(str, cells_of_row), *pairs])
    return lines(cells)


if __name__ == "__main__":
    run_script(study)
