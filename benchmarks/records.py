"""Records of shipped weights: the JSON file next to each weights file, from which model cards and tables are written.

Configs are in the folders of the plugins, `plugins/resizekit_*/configs`. Weights are next to them in `weights`, or in a
distribution of their own, `weights/*/resizekit_*/weights`.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from plan import PLAN
from pydantic import BaseModel, ConfigDict, ValidationError

from resizekit.errors import ConfigError
from resizekit.system.atomic_write import atomic_write

__all__ = [
    "ROOT", "Figures", "Part", "Record", "Refined", "Training", "config_file", "label_of", "plugin_of", "plugins",
    "read_record", "read_records",
]  # fmt: skip

ROOT = Path(__file__).parents[1]


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class Figures(_Data):
    """Mean PSNR in dB over one set, as in `resizekit evaluate`; weights with one channel have no RGB values."""

    pictures: int
    high_rgb: float | None = None
    high_y: float
    low_rgb: float | None = None
    low_y: float
    bicubic_rgb: float | None = None
    bicubic_y: float
    times: int | None = None
    """Number of steps, if the record contains several factors."""
    factor: str | None = None
    """Factor of these steps, such as "x8"."""
    equal: dict[str, int] | None = None
    """Number of pictures whose value is infinite and therefore excluded from the mean, by key such as "bicubic_rgb"."""

    def main(self, side: str) -> float:
        """Return the main value of a side, "high" or "low": RGB, or Y for weights with one channel."""
        colour: float | None = getattr(self, f"{side}_rgb")
        grey: float = getattr(self, f"{side}_y")
        return grey if colour is None else colour


class Part(_Data):
    """A phase of a training with its own crop size and batch."""

    share: float
    batch: int
    patch: int


class Training(_Data):
    """The training of some weights."""

    command: str
    steps: int
    seconds: float
    pictures: int
    steps_before: int = 0
    """Steps of all earlier trainings that led to the initial weights; 0 for a training from scratch."""
    seconds_before: float = 0.0
    start: str | None = None
    """Name and digest of the initial weights."""
    parts: list[Part]
    """The phases in order; one element for a training without phases."""
    seed: int
    precision: str
    hardware: str | None = None
    """None: unknown."""


class Refined(_Data):
    """Measurements with small pictures that were improved for the decoder (`resizekit evaluate --effort`)."""

    effort: int
    command: str
    """Command that measured the values."""
    sets: dict[str, Figures]
    """Measurements by label; sets that were not measured are missing."""


class Record(_Data):
    """Description of one weights file: network, training and measurements."""

    name: str
    summary: str
    task: str
    digest: str
    config: str
    """Name of the config of the training."""
    network: str
    alone: bool = False
    """Whether there is no encoder, so that low is the guide."""
    compression: str
    spec: str
    border: int
    """Pixels excluded on each side when Y is measured."""
    channels: int
    parameters: int
    kmac_per_pixel: float
    """Thousand multiply-adds of down and up together, per pixel of the high-resolution picture."""
    bytes: int
    stored: str
    training: Training
    command: str
    """Command that measured the values."""
    sets: dict[str, Figures]
    """Measurements by label, see `label_of`."""
    refined: Refined | None = None
    """Measurements at a higher effort; None: not measured."""

    @property
    def as_png(self) -> bool:
        """Whether low is stored as a PNG of 8 bits."""
        return self.compression in ("uint8", "round")

    @property
    def deep(self) -> bool:
        """Whether the record contains several factors."""
        return any(figures.factor for figures in self.sets.values())

    def rows(self) -> Iterator[tuple[str, str | None, Figures]]:
        """Yield (set, factor or None, measurements)."""
        for label, figures in self.sets.items():
            yield label.removesuffix(f" {figures.factor}"), figures.factor, figures

    def write(self, folder: Path) -> None:
        """Write NAME.json into a folder, without unknown values."""
        values = json.loads(self.model_dump_json(exclude_none=True))
        with atomic_write(folder / f"{self.name}.json", overwrite=True) as temporary:
            temporary.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def label_of(which: str, factor: str | None) -> str:
    """Return the key of measurements in `Record.sets`: the set, and its factor if there are several."""
    return which if factor is None else f"{which} {factor}"


def plugins(root: Path) -> list[Path]:
    """Return the folders of all plugins in a source tree: those of resizekit itself, then those with weights only."""
    folders = [*sorted(root.glob("plugins/resizekit_*")), *sorted(root.glob("weights/*/resizekit_*"))]
    return [path for path in folders if path.is_dir()]


def plugin_of(root: Path, kind: str, file: str) -> Path | None:
    """Return the folder of the plugin that contains a file, or None.

    Args:
        root: Root of the source tree.
        kind: "configs" or "weights".
        file: Name of the file.

    Raises:
        ConfigError: If two plugins contain a file of this name.
    """
    matches = [plugin for plugin in plugins(root) if (plugin / kind / file).is_file()]
    if len(matches) > 1:
        raise ConfigError(f"{matches[0] / kind / file} and {matches[1] / kind / file} have the same name; rename one")
    return matches[0] if matches else None


def config_file(root: Path, name: str) -> Path | None:
    """Return the path of a config in any plugin, or None."""
    plugin = plugin_of(root, "configs", f"{name}.toml")
    return plugin and plugin / "configs" / f"{name}.toml"


def read_record(root: Path, name: str) -> Record | None:
    """Read NAME.json from any plugin; None if no plugin contains it, `ConfigError` if it is broken."""
    plugin = plugin_of(root, "weights", f"{name}.json")
    if plugin is None:
        return None
    path = plugin / "weights" / f"{name}.json"
    try:
        return Record.model_validate_json(path.read_text(encoding="utf-8-sig"))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ConfigError(f"{path}: {key}: {first['msg']}; restore it from the repository") from None


def read_records(root: Path) -> list[Record]:
    """Read all records of a source tree, in the order of the plan; names that are not in the plan come last."""
    names = {path.stem for plugin in plugins(root) for path in (plugin / "weights").glob("*.json")}
    order = [name for name in PLAN if name in names] + sorted(names - set(PLAN))
    return [record for name in order if (record := read_record(root, name)) is not None]
