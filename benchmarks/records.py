"""What is known of shipped weights: the JSON beside each file; model cards and README are written from it."""

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from resizekit.atomic import written_beside
from resizekit.errors import ConfigError
from resizekit_sr.shipped import ORDER

__all__ = ["PLUGIN", "ROOT", "WEIGHTS", "Figures", "Part", "Record", "Training", "read_record", "read_records"]

ROOT = Path(__file__).parents[1]
PLUGIN = Path("plugins/resizekit_sr")
WEIGHTS = ROOT / PLUGIN / "weights"


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

    def write(self, folder: Path) -> None:
        """Write NAME.json into a folder; what is unknown is left out."""
        told = json.loads(self.model_dump_json(exclude_none=True))
        with written_beside(folder / f"{self.name}.json") as beside:
            beside.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


def read_record(folder: Path, name: str) -> Record | None:
    """Read NAME.json from a folder; None if there is none, `ConfigError` for one that is broken."""
    path = folder / f"{name}.json"
    if not path.exists():
        return None
    try:
        return Record.model_validate_json(path.read_text(encoding="utf-8"))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise ConfigError(f"{path}: {key}: {first['msg']}; restore it from the repository") from None


def read_records(folder: Path) -> list[Record]:
    """Read every record of a folder, in the order in which weights are offered."""
    return [record for name in ORDER if (record := read_record(folder, name)) is not None]
