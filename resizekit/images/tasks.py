"""The work of a run on one picture: `down_file` or `up_file` with its arguments, in this process or in another."""

from dataclasses import dataclass, replace
from pathlib import Path

from resizekit.codec import Codec
from resizekit.codec.refine.effort import Effort
from resizekit.images.advice import Advice
from resizekit.images.batch import Job, Report
from resizekit.images.files import down_file, up_file
from resizekit.images.max_bytes import MaxBytes
from resizekit.images.run_options import RunOptions
from resizekit.images.target_size import TargetSize
from resizekit.pictures.manifest import Manifest
from resizekit.pictures.value_range import ValueRange

__all__ = ["DownWork", "SmallFile", "UpWork"]


@dataclass(frozen=True, kw_only=True)
class SmallFile:
    """What `down` made of one picture."""

    manifest: Manifest
    """The manifest in the small file."""
    gain: float = 0.0
    """Gain in PSNR of the effort over effort 0, in dB."""
    advice: tuple[Advice, ...] = ()
    """Reasons not to make this picture small."""


@dataclass(frozen=True, kw_only=True)
class DownWork:
    """Makes one picture small. The fields are the arguments of `down_file`."""

    weights: str | Path | Codec | None = None
    task: str | None = None
    compression: str | None = None
    target: TargetSize | None = None
    value_range: ValueRange | None = None
    frame: int | None = None
    effort: int | Effort = 0
    max_bytes: int | MaxBytes | None = None
    options: RunOptions = RunOptions()

    def __call__(self, job: Job, report: Report) -> SmallFile:
        """Make the picture small."""
        gains, advice = [0.0], list[Advice]()

        def on_gain(decibels: float) -> None:
            gains.append(decibels)
            report.gain(decibels)

        manifest = down_file(
            job.source,
            job.output,
            weights=self.weights,
            task=self.task,
            compression=self.compression,
            target=self.target,
            value_range=self.value_range,
            frame=self.frame,
            effort=self.effort,
            max_bytes=self.max_bytes,
            options=replace(self.options, progress=report.part, on_gain=on_gain, on_advice=advice.append),
        )
        return SmallFile(manifest=manifest, gain=gains[-1], advice=tuple(advice))


@dataclass(frozen=True, kw_only=True)
class UpWork:
    """Restores one picture. The fields are the arguments of `up_file`."""

    weights: str | Path | Codec | None = None
    size: tuple[int, int] | str | None = None
    force: bool = False
    quality: int | None = None
    options: RunOptions = RunOptions()

    def __call__(self, job: Job, report: Report) -> Manifest:
        """Restore the picture."""
        return up_file(
            job.source,
            job.output,
            weights=self.weights,
            quality=self.quality,
            size=self.size,
            force=self.force,
            options=replace(self.options, progress=report.part),
        )
