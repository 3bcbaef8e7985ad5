"""What is known of shipped weights: the JSON beside each file; model cards and README are written from it.

Configs and weights lie in the folders of the plugins: `plugins/resizekit_*/{configs,weights}`.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from plan import PLAN
from pydantic import BaseModel, ConfigDict, ValidationError

from resizekit.errors import ConfigError
from resizekit.system.atomic_write import atomic_write

__all__ = [
    "ROOT", "Figures", "Part", "Record", "Training", "config_file", "plugin_of", "plugins", "read_record",
    "read_records", "told_as",
]  # fmt: skip

ROOT = Path(__file__).parents[1]


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class Figures(_Data):
    """Mean PSNR in dB over one set, as `resizekit evaluate` gives it; grey weights have no RGB."""

    pictures: int
    high_rgb: float | None = None
    high_y: float
    low_rgb: float | None = None
    low_y: float
    bicubic_rgb: float | None = None
    bicubic_y: float
    times: int | None = None
    """How often the networks were applied, where a record tells of several depths."""
    factor: str | None = None
    """What that makes, such as "x8"."""
    equal: dict[str, int] | None = None
    """Of how many pictures a figure, such as "bicubic_rgb", is infinite, and so left out of its mean; None: of none."""

    def main(self, side: str) -> float:
        """Give the figure that counts, "high" or "low": RGB, or Y where there is no colour."""
        colour: float | None = getattr(self, f"{side}_rgb")
        grey: float = getattr(self, f"{side}_y")
        return grey if colour is None else colour


class Part(_Data):
    """A part of a training with crops of its own."""

    share: float
    batch: int
    patch: int


class Training(_Data):
    """How weights came about."""

    command: str
    steps: int
    seconds: float
    pictures: int
    steps_before: int = 0
    """Of the weights that it began with, and of what these began with; 0 if with nothing learned."""
    seconds_before: float = 0.0
    start: str | None = None
    """What it began with."""
    parts: list[Part]
    """One after another; a training without phases is a single part."""
    seed: int
    precision: str
    hardware: str | None = None
    """None: nobody noted it."""


class Record(_Data):
    """All that is said of one file of weights."""

    name: str
    summary: str
    task: str
    digest: str
    config: str
    """Name of the config that it was trained from."""
    network: str
    alone: bool = False
    """Whether the decoder stands alone: low is its guide."""
    compression: str
    spec: str
    border: int
    """Pixels left out on each side where Y is measured."""
    channels: int
    parameters: int
    kmac_per_pixel: float
    """Thousand multiply-adds of both ways, for each pixel of the high picture."""
    bytes: int
    stored: str
    training: Training
    command: str
    """What measured the figures."""
    sets: dict[str, Figures]
    """By set; by set and factor, such as "B100 x8", where a record tells of several depths."""

    @property
    def as_png(self) -> bool:
        """Whether low is an ordinary PNG of 8 bits."""
        return self.compression in ("uint8", "round")

    @property
    def deep(self) -> bool:
        """Whether it tells of several depths."""
        return any(figures.factor for figures in self.sets.values())

    def rows(self) -> Iterator[tuple[str, str | None, Figures]]:
        """Give (set, factor or None, figures)."""
        for label, figures in self.sets.items():
            yield label.removesuffix(f" {figures.factor}"), figures.factor, figures

    def write(self, folder: Path) -> None:
        """Write NAME.json into a folder; what is unknown is left out."""
        told = json.loads(self.model_dump_json(exclude_none=True))
        with atomic_write(folder / f"{self.name}.json") as beside:
            beside.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


def told_as(which: str, factor: str | None) -> str:
    """Give the key of figures in `Record.sets`."""
    return which if factor is None else f"{which} {factor}"


def plugins(root: Path) -> list[Path]:
    """Name the folders of all plugins in a tree."""
    return sorted(path for path in (root / "plugins").glob("resizekit_*") if path.is_dir())


def plugin_of(root: Path, kind: str, file: str) -> Path | None:
    """Find the plugin that has a file in its folder "configs" or "weights"; `ConfigError` if two of them do."""
    found = [plugin for plugin in plugins(root) if (plugin / kind / file).is_file()]
    if len(found) > 1:
        raise ConfigError(f"{found[0] / kind / file} and {found[1] / kind / file} have one name; rename one of them")
    return found[0] if found else None


def config_file(root: Path, name: str) -> Path | None:
    """Find the config of a name, whichever plugin has it."""
    plugin = plugin_of(root, "configs", f"{name}.toml")
    return plugin and plugin / "configs" / f"{name}.toml"


def read_record(root: Path, name: str) -> Record | None:
    """Read NAME.json, whichever plugin has it; None if there is none, `ConfigError` for one that is broken."""
    plugin = plugin_of(root, "weights", f"{name}.json")
    if plugin is None:
        return None
    path = plugin / "weights" / f"{name}.json"
    try:
        return Record.model_validate_json(path.read_text(encoding="utf-8"))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise ConfigError(f"{path}: {key}: {first['msg']}; restore it from the repository") from None


def read_records(root: Path) -> list[Record]:
    """Read every record of a tree, in the order of the plan; what nobody plans comes last."""
    names = {path.stem for plugin in plugins(root) for path in (plugin / "weights").glob("*.json")}
    order = [name for name in PLAN if name in names] + sorted(names - set(PLAN))
    return [record for name in order if (record := read_record(root, name)) is not None]
