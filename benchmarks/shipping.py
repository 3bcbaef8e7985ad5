"""From a finished training to shipped weights: what they cost, whether they are better, and putting them in place."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

import cards
from plan import Floors
from records import Figures, Part, Record, Training, config_file, told_as

from resizekit.errors import ConfigError
from resizekit.evaluation.cost import multiply_adds
from resizekit.recipes.assemble import assemble
from resizekit.recipes.checkpoint import Header, read_header
from resizekit.recipes.config import RunConfig
from resizekit.system.atomic_write import atomic_write

__all__ = ["describe", "ship", "verdict"]


def parts(header: Header, run: RunConfig | None) -> list[Part]:
    """Give the parts of a training: the phases of its config, or a single one."""
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
    """Put together all that is said of a file of weights; `run` is the config that it was trained with.

    Raises `ConfigError` for a config that no plugin in the tree `root` has.
    """
    header = read_header(file)
    codec = assemble(header.recipe).eval()
    told = header.training
    command = f"resizekit train {where(root, config)} --data FOLDERS --validation FOLDER"
    # the time is another machine's matter, the steps are not
    if run is not None and (run.train.budget is not None or run.train.steps != told["steps"]):
        command += f" --steps {told['steps']}"
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
        stored=stored(file),
        training=Training(
            command=command,
            steps=told["steps"],
            seconds=told["seconds"],
            steps_before=told.get("steps_before", 0),
            seconds_before=told.get("seconds_before", 0.0),
            start=begun(told),
            pictures=told["pictures"],
            parts=parts(header, run),
            seed=told["seed"],
            precision=told["precision"],
            hardware=hardware,
        ),
        command=measured(name, sets),
        sets=dict(sets),
    )


def where(root: Path, config: str) -> str:
    """Say where a config lies, seen from the tree's root."""
    path = config_file(root, config)
    if path is None:
        raise ConfigError(f"no plugin has a config {config}.toml; put it into plugins/resizekit_*/configs")
    return path.relative_to(root).as_posix()


def measured(name: str, sets: Mapping[str, Figures]) -> str:
    """Say what measures such figures."""
    folders = dict.fromkeys(label.removesuffix(f" {figures.factor}") for label, figures in sets.items())
    depths = dict.fromkeys(str(figures.times) for figures in sets.values() if figures.times)
    several = f" --times {','.join(depths)}" if depths else ""
    return f"resizekit evaluate {' '.join(folders)} --weights {name}{several} --precision float32"


def begun(told: Mapping[str, Any]) -> str | None:
    """Say which weights a training began with."""
    return f"{told['start']} ({told['start_digest'][:12]})" if "start_digest" in told else None


def stored(file: Path) -> str:
    """Say in which type a file holds its tensors."""
    from safetensors import safe_open

    with safe_open(file, framework="pt") as held:
        kinds = {held.get_slice(name).get_dtype() for name in held.keys()}  # noqa: SIM118
    return " and ".join(sorted({"F16": "float16", "F32": "float32"}.get(kind, kind) for kind in kinds))


def verdict(new: Record, old: Record | None, floors: Floors) -> tuple[bool, str]:
    """Tell whether to ship `new` in the place of `old`, and why.

    Yes if its mean high PSNR over the sets is larger while low keeps its floor on every set, or if what is shipped
    comes from another config.
    """
    low = [
        f"low {figures.main('low'):.2f} on {told_as(which, factor)} is below {floor:g}"
        for which, factor, figures in new.rows()
        if (floor := floor_of(floors, which, factor)) > figures.main("low")
    ]
    if old is None:
        return not low, ", ".join(low) or "the first of this name"
    if old.digest == new.digest:
        return False, "these very weights are shipped"
    if missing := [which for which in old.sets if which not in new.sets]:
        return False, f"not measured on {', '.join(missing)}, and what is shipped is: name these with --sets"
    if old.config != new.config:
        return True, ", although ".join([f"what was shipped is of config {old.config}", *low])
    if low:
        return False, ", ".join(low)
    ours, theirs = (fmean(record.sets[which].main("high") for which in old.sets) for record in (new, old))
    return ours > theirs, f"mean high {ours:.3f} dB, shipped {theirs:.3f} dB"


def floor_of(floors: Floors, which: str, factor: str | None) -> float:
    """Give what low must keep on a set, at one depth where floors say so."""
    keys = told_as(which, factor), which, "others"
    return next((floors[key] for key in keys if key in floors), float("-inf"))


def ship(file: Path, record: Record, root: Path) -> list[Path]:
    """Put weights and record beside the plugin's config, card and README in place; gives the texts that changed."""
    folder = (root / where(root, record.config)).parents[1] / "weights"
    folder.mkdir(exist_ok=True)
    with atomic_write(folder / f"{record.name}.safetensors") as beside:
        shutil.copyfile(file, beside)
    record.write(folder)
    return cards.write(root)
