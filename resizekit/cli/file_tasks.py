"""The work of `resizekit down` and `resizekit up` on one picture, in this process or in another."""

from dataclasses import dataclass
from typing import Any

from resizekit.cli.plans import plan_row, plan_text
from resizekit.codec import Codec
from resizekit.codec.refine.effort import Effort
from resizekit.images.batch import Job, Report
from resizekit.images.files import plan_file
from resizekit.images.tasks import DownWork, UpWork

__all__ = ["DownTask", "UpTask"]


@dataclass(frozen=True)
class DownTask:
    """Makes one picture small, and describes the result for printing."""

    work: DownWork

    def __call__(self, job: Job, report: Report) -> dict[str, Any]:
        """Make the picture small, and describe the result."""
        work, small = self.work, self.work(job, report)
        fields = small.manifest.model_dump(mode="json", exclude_none=True)
        row: dict[str, Any] = {"in": str(job.source), "out": str(job.output), "manifest": fields}
        if small.advice:
            row["advice"] = [reason.kind for reason in small.advice]
        notes = []
        if (effort := Effort.of(work.effort)).level:
            row["effort_gain"] = small.gain
            notes.append(f"{job.source}: restored {small.gain:+.2f} dB by effort {effort.level}")
        if work.max_bytes is not None:
            from resizekit.evaluation.full_size import against_full_size  # most commands need no evaluation

            assert not isinstance(work.weights, Codec), "the command line names weights"
            compared = against_full_size(
                job.source,
                job.output,
                weights=work.weights,
                value_range=work.value_range,
                frame=work.frame,
                tile=work.options.tile,
                device=work.options.device,
                precision=work.options.precision,
            )
            if compared is not None:
                row["full_size"] = compared.as_dict()
                if work.weights is None:
                    notes.append(f"{job.source}: weights {small.manifest.weights}")
                notes += [f"{job.source}: {line}" for line in compared.lines()]
        reasons = {reason.kind: reason.text for reason in small.advice}
        return {"row": row, "text": str(job.output), "notes": notes, "advice": reasons}

    def plan(self, job: Job, report: Report) -> dict[str, Any]:
        """Describe what would be done, without writing a file."""
        work = self.work
        resize, name, estimate = plan_file(
            job.source,
            job.output,
            weights=work.weights,
            task=work.task,
            compression=work.compression,
            target=work.target,
            value_range=work.value_range,
            frame=work.frame,
            has_quality=work.max_bytes is not None,
            options=work.options,
        )
        rows = plan_row(job.source, resize, name, estimate)
        return {"row": rows, "text": plan_text(job.source, resize, name, estimate)}


@dataclass(frozen=True)
class UpTask:
    """Restores one picture, and describes the result for printing."""

    work: UpWork

    def __call__(self, job: Job, report: Report) -> dict[str, Any]:
        """Restore the picture, and describe the result."""
        manifest = self.work(job, report)
        row = {"in": str(job.source), "out": str(job.output), "size": list(manifest.size)}
        return {"row": row | {"precision": self.work.options.resolved_precision}, "text": str(job.output)}
