"""Train once for each of several guide weights and measure both pictures (section 4.2 and Figure 4 of the paper).

A larger guide weight improves the small picture and degrades the restored one.
"""

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import fmean
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from resizekit.codec import Codec
from resizekit.errors import ConfigError, UsageError
from resizekit.evaluation.channels import to_display
from resizekit.evaluation.folder import evaluate_folder
from resizekit.evaluation.measure import measure, roundtrip
from resizekit.evaluation.tradeoff import Point
from resizekit.pictures.io.find import find_pictures
from resizekit.pictures.io.write import write_picture
from resizekit.pictures.picture import Picture
from resizekit.recipes.checkpoint import load
from resizekit.recipes.config import RunConfig
from resizekit.storage.formats import Pixels
from resizekit.system.atomic_write import atomic_write
from resizekit.system.device import pick_device
from resizekit.system.printable import escaped
from resizekit.training.config_identity import config_identity, first_difference
from resizekit.training.loop import Progress, train

__all__ = ["Sweep"]

_MAX_PSNR = 100.0
"""Value in dB that replaces the infinite PSNR of equal pictures."""


class _SweepFile(BaseModel):
    """Content of the results file."""

    model_config = ConfigDict(extra="ignore")

    config: dict[str, Any]
    sets: list[str]
    points: list[Point]


class Sweep:
    """Trainings of one config that differ only in the guide weight, with their results in a JSON file.

    The trainings and one small picture of each are stored in a folder named like the file without its suffix. If the
    file exists and belongs to the same config and sets, its points are reused.

    Args:
        run: Config to train; its own guide weight is ignored.
        sets: Folders of pictures to measure on.
        out: Results file; its name must end in .json.
        compression: Name of the compression of the small pictures.

    Raises:
        ConfigError: If the config sets `target_low_psnr`, which adjusts the guide weight.
        UsageError: If `out` is not a valid name, or contains different results.
        ImageError: If one of the sets does not exist.
    """

    def __init__(self, run: RunConfig, sets: Sequence[Path], out: Path, *, compression: str = "none") -> None:
        if run.train.target_low_psnr is not None:
            raise ConfigError(
                "train.target_low_psnr adjusts the guide weight, but a sweep sets it; remove target_low_psnr"
            )
        if out.suffix.lower() != ".json":
            raise UsageError(f"invalid results file {out}: expected a name that ends in .json")
        if not out.parent.is_dir():
            raise UsageError(f"the folder {out.parent} does not exist; make it first")
        list(find_pictures(sets))  # report a missing set before the first training
        if compression != run.config.get("compression", "uint8"):  # its options belong to the config's compression
            run = run.model_copy(update={"compression": {}})
        settings = {key: value for key, value in run.config.items() if key != "guide_weight"}
        without_validation = run.train.model_copy(update={"validation": ()})  # points are measured on the sets
        self.run = run.model_copy(
            update={"config": settings | {"compression": compression}, "train": without_validation}
        )
        self.sets, self.out, self.folder = sets, out, out.with_suffix("")
        self.points: dict[float, Point] = self._read()

    def add(
        self, guide_weight: float, *, device: str = "auto", progress: Progress = lambda step, metrics: None
    ) -> bool:
        """Train and measure one point, and write the results file. An existing point is not trained again.

        Args:
            guide_weight: Guide weight of the point.
            device: "auto", "cpu" or "cuda".
            progress: Called after each training step.

        Returns:
            Whether the point is complete; False if the training was interrupted.

        Raises:
            ResizeKitError: As `train` and `evaluate_folder`.
        """
        if guide_weight in self.points:
            return True
        folder = self.folder / f"{guide_weight:.12g}"
        run = self.run.model_copy(update={"config": self.run.config | {"guide_weight": guide_weight}})
        result = train(run, folder, device=device, progress=progress)
        if result.weights is None:
            return False
        codec = load(result.weights, device=pick_device(device))
        samples: list[Pixels] = []

        def measure_and_sample(codec: Codec, high: Pixels, *, alpha: Pixels | None) -> Mapping[str, float]:
            if not samples:
                samples.append(to_display(roundtrip(codec, high)[0]))
            return measure(codec, high, alpha=alpha)

        measured = [
            evaluate_folder(codec, path, value_range=run.train.value_range, measure_with=measure_and_sample)
            for path in self.sets
        ]
        small = folder / "small.png"
        write_picture(small, Picture(pixels=samples[0]), overwrite=True)
        rows = [row for table in measured for row in table.each.values()]
        self.points[guide_weight] = Point(
            guide_weight=guide_weight,
            high=min(_MAX_PSNR, fmean(row["high_rgb"] for row in rows)),
            low=min(_MAX_PSNR, fmean(row["low_rgb"] for row in rows)),
            sets={
                table.name: {name: min(_MAX_PSNR, value) for name, value in table.mean.items()} for table in measured
            },
            steps=result.steps,
            digest=codec.digest,
            small=small.relative_to(self.out.parent).as_posix(),
        )
        self._write()
        return True

    def in_order(self) -> list[Point]:
        """Return the points sorted by guide weight."""
        return [self.points[weight] for weight in sorted(self.points)]

    def as_dict(self) -> dict[str, Any]:
        """Return the content of the results file as JSON-compatible values."""
        return {
            "resizekit": version("resizekit"),
            "config": config_identity(self.run),
            "sets": self._set_names,
            "points": [point.model_dump(mode="json") for point in self.in_order()],
        }

    @property
    def _set_names(self) -> list[str]:
        return [path.resolve().name for path in self.sets]

    def _read(self) -> dict[float, Point]:
        """Read the points of an existing results file and check that they belong to this sweep."""
        if not self.out.exists():
            return {}
        try:
            content = _SweepFile.model_validate_json(self.out.read_text(encoding="utf-8-sig"))
        except (ValidationError, ValueError) as error:
            reason = escaped(error, 120)
            raise UsageError(
                f"{self.out} is not a results file of a sweep ({reason}); pass a different --out"
            ) from None
        stored, current = config_identity(content.config), config_identity(self.run)
        if stored != current:
            difference = first_difference(stored, current)
            raise UsageError(f"{self.out} belongs to a different config{difference}; pass a different --out")
        if content.sets != self._set_names:
            names = ", ".join(content.sets)
            raise UsageError(f"{self.out} was measured on {names}; pass these --sets or a different --out")
        return {point.guide_weight: point for point in content.points}

    def _write(self) -> None:
        with atomic_write(self.out, overwrite=True) as temporary:
            text = json.dumps(self.as_dict(), indent=1, allow_nan=False)
            temporary.write_text(text + "\n", encoding="utf-8")
