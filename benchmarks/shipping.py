"""Ship the weights of a completed training: describe them, compare them with the shipped ones, and copy them."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

import cards
from plan import Floors
from records import Figures, Part, Record, Training, config_file, label_of, plugin_of

from resizekit.errors import ConfigError
from resizekit.evaluation.cost import multiply_adds
from resizekit.recipes.assemble import assemble
from resizekit.recipes.checkpoint import Header, read_header
from resizekit.recipes.config import RunConfig
from resizekit.system.atomic_write import atomic_write

__all__ = ["compare", "describe", "ship"]


def phases_of(header: Header, run: RunConfig | None) -> list[Part]:
    """Return the phases of a training; one element for a config without phases."""
    batch, patch = int(header.training["batch"]), int(header.training["patch"])
    phases = run.train.phases if run else ()
    if not phases:
        return [Part(share=1.0, batch=batch, patch=patch)]
    return [Part(share=phase.share, batch=phase.batch or batch, patch=phase.patch or patch) for phase in phases]


def describe(
    root: Path,
    file: Path,
    name: str,
    *,
    summary: str,
    config: str,
    sets: Mapping[str, Figures],
    run: RunConfig | None = None,
    hardware: str | None = None,
) -> Record:
    """Create the record of a weights file.

    Args:
        root: Root of the source tree.
        file: Weights file.
        name: Name of the weights.
        summary: One line for tables.
        config: Name of the config of the training.
        sets: Measurements by label, see `records.label_of`.
        run: Config of the training, if known.
        hardware: Description of the hardware of the training, if known.

    Raises:
        ConfigError: If no plugin contains the config.
    """
    header = read_header(file)
    codec = assemble(header.recipe).eval()
    training = header.training
    command = f"resizekit train {config_path(root, config)} --data FOLDERS --validation FOLDER"
    # a budget leads to a different number of steps on other machines
    if run is not None and (run.train.budget is not None or run.train.steps != training["steps"]):
        command += f" --steps {training['steps']}"
    return Record(
        name=name,
        summary=summary,
        task=header.task,
        digest=header.digest,
        config=config,
        network=codec.info.network,
        alone=codec.encoder is None,
        compression=codec.info.compression,
        spec=str(codec.spec),
        border=int(max(codec.spec.s, codec.spec.r)),
        channels=codec.channels,
        parameters=sum(p.numel() for p in codec.parameters()),
        kmac_per_pixel=round(sum(multiply_adds(codec)) / 1000, 3),
        bytes=file.stat().st_size,
        stored=data_types(file),
        training=Training(
            command=command,
            steps=training["steps"],
            seconds=training["seconds"],
            steps_before=training.get("steps_before", 0),
            seconds_before=training.get("seconds_before", 0.0),
            start=initial_weights(training),
            pictures=training["pictures"],
            parts=phases_of(header, run),
            seed=training["seed"],
            precision=training["precision"],
            hardware=hardware,
        ),
        command=measuring_command(name, sets),
        sets=dict(sets),
    )


def config_path(root: Path, config: str) -> str:
    """Return the path of a config relative to the root of the source tree."""
    path = config_file(root, config)
    if path is None:
        raise ConfigError(f"no plugin contains the config {config}.toml; add it to plugins/resizekit_*/configs")
    return path.relative_to(root).as_posix()


def measuring_command(name: str, sets: Mapping[str, Figures]) -> str:
    """Return the command that reproduces the measurements."""
    folders = dict.fromkeys(label.removesuffix(f" {figures.factor}") for label, figures in sets.items())
    steps = dict.fromkeys(str(figures.times) for figures in sets.values() if figures.times)
    times = f" --times {','.join(steps)}" if steps else ""
    return f"resizekit evaluate {' '.join(folders)} --weights {name}{times} --precision float32"


def initial_weights(training: Mapping[str, Any]) -> str | None:
    """Return name and digest of the initial weights, or None for a training from scratch."""
    if "start_digest" not in training:
        return None
    return f"{training['start']} ({training['start_digest'][:12]})"


def data_types(file: Path) -> str:
    """Return the data types of a weights file, such as "float16"."""
    from safetensors import safe_open

    with safe_open(file, framework="pt") as tensors:
        kinds = {tensors.get_slice(name).get_dtype() for name in tensors.keys()}  # noqa: SIM118
    return " and ".join(sorted({"F16": "float16", "F32": "float32"}.get(kind, kind) for kind in kinds))


def compare(new: Record, old: Record | None, floors: Floors) -> tuple[bool, str]:
    """Decide whether to ship new weights, and give the reason.

    They are shipped if low reaches its minimum on each set and the mean PSNR of high over the sets is higher than that
    of the shipped weights. They are also shipped if the shipped weights were trained with a different config.

    Args:
        new: Record of the new weights.
        old: Record of the shipped weights, or None.
        floors: Minimum PSNR of low in dB by set.
    """
    low = [
        f"low {figures.main('low'):.2f} on {label_of(which, factor)} is below {floor:g}"
        for which, factor, figures in new.rows()
        if (floor := floor_of(floors, which, factor)) > figures.main("low")
    ]
    if old is None:
        return not low, ", ".join(low) or "no shipped weights of this name"
    if old.digest == new.digest:
        return False, "the same weights are already shipped"
    if missing := [which for which in old.sets if which not in new.sets]:
        return False, f"not measured on {', '.join(missing)} like the shipped weights: pass these with --sets"
    if old.config != new.config:
        return True, ", although ".join([f"the shipped weights were trained with config {old.config}", *low])
    if low:
        return False, ", ".join(low)
    mean, shipped = (fmean(record.sets[which].main("high") for which in old.sets) for record in (new, old))
    return mean > shipped, f"mean high {mean:.3f} dB, shipped {shipped:.3f} dB"


def floor_of(floors: Floors, which: str, factor: str | None) -> float:
    """Return the minimum PSNR of low on a set, for one factor if the floors contain it."""
    keys = label_of(which, factor), which, "others"
    return next((floors[key] for key in keys if key in floors), float("-inf"))


def ship(file: Path, record: Record, root: Path) -> list[Path]:
    """Copy weights and record to their plugin, update cards and tables, and return the changed texts.

    New weights go to the plugin of the config.
    """
    plugin = plugin_of(root, "weights", f"{record.name}.json") or (root / config_path(root, record.config)).parents[1]
    folder = plugin / "weights"
    folder.mkdir(exist_ok=True)
    with atomic_write(folder / f"{record.name}.safetensors", overwrite=True) as temporary:
        shutil.copyfile(file, temporary)
    record.write(folder)
    return cards.write(root)
