"""One short training for each guide weight: what the restored picture gains, the small one loses (4.2, figure 4)."""

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
from resizekit.images.io.find import find_pictures
from resizekit.images.io.write import write_picture
from resizekit.images.picture import Picture
from resizekit.recipes.checkpoint import load
from resizekit.recipes.config import RunConfig
from resizekit.storage.formats import Pixels
from resizekit.system.atomic_write import atomic_write
from resizekit.system.device import pick_device
from resizekit.training.loop import Progress, train
from resizekit.training.session import difference, identity

__all__ = ["Sweep"]

_EQUAL = 100.0
"""dB that stand for pictures without any difference, whose PSNR is infinite."""


class _Told(BaseModel):
    """The file of results."""

    model_config = ConfigDict(extra="ignore")

    config: dict[str, Any]
    sets: list[str]
    points: list[Point]


class Sweep:
    """The points of one config, each trained alike but for its guide weight, in a file that grows by them.

    Runs and small pictures lie in the folder of the file's name without its suffix.  A file of the same config and sets
    is gone on with: what it holds stays.  Raises `UsageError` for one of others, or that is none of ours.
    """

    def __init__(self, run: RunConfig, sets: Sequence[Path], out: Path, *, compression: str = "none") -> None:
        if run.train.target_low_psnr is not None:
            raise ConfigError("train.target_low_psnr steers the guide weight, which a sweep sets; leave it out")
        if out.suffix.lower() != ".json":
            raise UsageError(f"{out} is to hold JSON: end its name in .json")
        if not out.parent.is_dir():
            raise UsageError(f"the folder {out.parent} does not exist; make it first")
        list(find_pictures(sets))  # a name that means nothing is told before the first training
        if compression != run.config.get("compression", "uint8"):  # its options are of no use to another
            run = run.model_copy(update={"compression": {}})
        settings = {key: value for key, value in run.config.items() if key != "guide_weight"}
        alone = run.train.model_copy(update={"validation": ()})  # the points are measured on the sets
        self.run = run.model_copy(update={"config": settings | {"compression": compression}, "train": alone})
        self.sets, self.out, self.folder = sets, out, out.with_suffix("")
        self.points: dict[float, Point] = self._kept()

    def add(
        self, guide_weight: float, *, device: str = "auto", progress: Progress = lambda step, figures: None
    ) -> bool:
        """Train and measure a point, unless it is there, and write the file; False if the training was interrupted.

        Raises what `train` and `evaluate_folder` raise.
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

        def how(codec: Codec, high: Pixels) -> Mapping[str, float]:
            if not samples:
                samples.append(to_display(roundtrip(codec, high)[0]))
            return measure(codec, high)

        measured = [
            evaluate_folder(codec, path, value_range=run.train.value_range, measure_with=how) for path in self.sets
        ]
        small = folder / "small.png"
        write_picture(small, Picture(pixels=samples[0]), overwrite=True)
        rows = [row for one in measured for row in one.each.values()]
        self.points[guide_weight] = Point(
            guide_weight=guide_weight,
            high=min(_EQUAL, fmean(row["high_rgb"] for row in rows)),
            low=min(_EQUAL, fmean(row["low_rgb"] for row in rows)),
            sets={one.name: {name: min(_EQUAL, value) for name, value in one.mean.items()} for one in measured},
            steps=result.steps,
            digest=codec.digest,
            small=small.relative_to(self.out.parent).as_posix(),
        )
        self._write()
        return True

    def in_order(self) -> list[Point]:
        """Give the points, smallest guide weight first."""
        return [self.points[weight] for weight in sorted(self.points)]

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "resizekit": version("resizekit"),
            "config": identity(self.run),
            "sets": self._names,
            "points": [point.model_dump(mode="json") for point in self.in_order()],
        }

    @property
    def _names(self) -> list[str]:
        return [path.resolve().name for path in self.sets]

    def _write(self) -> None:
        with atomic_write(self.out) as beside:
            beside.write_text(json.dumps(self.as_dict(), indent=1, allow_nan=False) + "\n", encoding="utf-8")

    def _kept(self) -> dict[float, Point]:
        if not self.out.exists():
            return {}
        try:
            told = _Told.model_validate_json(self.out.read_text(encoding="utf-8"))
        except (ValidationError, ValueError) as error:
            reason = " ".join(str(error).split())[:120]
            raise UsageError(f"{self.out} holds no results of a sweep ({reason}); name another --out") from None
        theirs, ours = identity(told.config), identity(self.run)
        if theirs != ours:
            raise UsageError(f"{self.out} belongs to another config{difference(theirs, ours)}; name another --out")
        if told.sets != self._names:
            raise UsageError(f"{self.out} was measured on {', '.join(told.sets)}; name these --sets, or another --out")
        return {point.guide_weight: point for point in told.points}
