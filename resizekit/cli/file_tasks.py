"""The work of `resizekit down` and `resizekit up` on one picture, in this process or in another."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from resizekit.cli.plans import plan_row, plan_text
from resizekit.codec.refine.effort import Effort
from resizekit.images.advice import Advice
from resizekit.images.batch import Job, Report
from resizekit.images.files import down_file, plan_file, up_file
from resizekit.images.max_bytes import MaxBytes
from resizekit.images.run_options import RunOptions
from resizekit.images.target_size import TargetSize
from resizekit.pictures.value_range import ValueRange

__all__ = ["DownTask", "UpTask"]


@dataclass(frozen=True, kw_only=True)
class DownTask:
    """Makes one picture small. The fields are the arguments of `down_file`."""

    weights: str | Path | None
    task: str | None
    compression: str | None
    target: TargetSize | None
    value_range: ValueRange | None
    frame: int | None
    effort: Effort
    max_bytes: MaxBytes | None
    options: RunOptions

    def __call__(self, job: Job, report: Report) -> dict[str, Any]:
        """Make the picture small, and describe the result."""
        gained = 0.0

        def on_gain(decibels: float) -> None:
            nonlocal gained
            gained = decibels
            report.gain(decibels)

        advice: list[Advice] = []
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
        fields = manifest.model_dump(mode="json", exclude_none=True)
        row: dict[str, Any] = {"in": str(job.source), "out": str(job.output), "manifest": fields}
        if advice:
            row["advice"] = [reason.kind for reason in advice]
        notes = []
        if self.effort.level:
            row["effort_gain"] = gained
            notes.append(f"{job.source}: restored {gained:+.2f} dB by effort {self.effort.level}")
        if self.max_bytes is not None:
            from resizekit.evaluation.full_size import against_full_size  # most commands need no evaluation

            compared = against_full_size(
                job.source,
                job.output,
                weights=self.weights,
                value_range=self.value_range,
                frame=self.frame,
                tile=self.options.tile,
                device=self.options.device,
                precision=self.options.precision,
            )
            if compared is not None:
                row["full_size"] = compared.as_dict()
                if self.weights is None:
                    notes.append(f"{job.source}: weights {manifest.weights}")
                notes += [f"{job.source}: {line}" for line in compared.lines()]
        reasons = {reason.kind: reason.text for reason in advice}
        return {"row": row, "text": str(job.output), "notes": notes, "advice": reasons}

    def plan(self, job: Job, report: Report) -> dict[str, Any]:
        """Describe what would be done, without writing a file."""
        resize, name = plan_file(
            job.source,
            weights=self.weights,
            task=self.task,
            compression=self.compression,
            target=self.target,
            value_range=self.value_range,
            frame=self.frame,
            suffix=job.output.suffix,
            has_quality=self.max_bytes is not None,
        )
        return {"row": plan_row(job.source, resize, name), "text": plan_text(job.source, resize, name)}


@dataclass(frozen=True, kw_only=True)
class UpTask:
    """Restores one picture. The fields are the arguments of `up_file`."""

    weights: str | Path | None
    size: str | None
    force: bool
    quality: int | None
    options: RunOptions

    def __call__(self, job: Job, report: Report) -> dict[str, Any]:
        """Restore the picture, and describe the result."""
        options = replace(self.options, progress=report.part)
        manifest = up_file(
            job.source,
            job.output,
            weights=self.weights,
            quality=self.quality,
            size=self.size,
            force=self.force,
            options=options,
        )
        row = {"in": str(job.source), "out": str(job.output), "size": list(manifest.size)}
        return {"row": row | {"precision": self.options.resolved_precision}, "text": str(job.output)}
