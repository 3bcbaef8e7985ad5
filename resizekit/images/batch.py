"""Process many pictures, in this process or in several, and yield the outcome of each as soon as it is known."""

import os
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Generic, Literal, Protocol, TypeAlias, TypeVar, cast

import torch

from resizekit.errors import ImageError, ResizeKitError, UsageError
from resizekit.system.malloc import keep_freed_memory
from resizekit.system.temporary import remove_abandoned
from resizekit.system.threads import available_cpus
from resizekit.system.workers import Send, WorkerDiedError, run_in_workers

__all__ = ["Batch", "Job", "Outcome", "Report", "Task", "Watch", "concerns_one_picture"]

Result = TypeVar("Result")


@dataclass(frozen=True)
class Job:
    """A picture to process."""

    source: Path
    output: Path


class Report(Protocol):
    """Receives the progress of one picture."""

    def part(self, done: int, of: int) -> None:
        """Receive the progress: `done` of `of` parts."""

    def gain(self, decibels: float) -> None:
        """Receive what the refinement has gained so far."""


Task: TypeAlias = Callable[[Job, Report], Result]
"""Processes one picture and returns data about it; with several processes, it and the data must be picklable."""

Watch: TypeAlias = Callable[[Job | None, str, tuple[Any, ...]], None]
"""Receives events: the job that they belong to if any, then "begin", "part", "gain" or "warning", and its values."""


@dataclass(frozen=True, kw_only=True)
class Outcome(Generic[Result]):
    """The outcome of one picture."""

    job: Job
    """The files: `job.source` and `job.output`."""
    status: Literal["done", "skipped", "failed"]
    """Whether the output was written, existed before, or could not be written."""
    seconds: float = 0.0
    """Time of the work on this picture."""
    result: Result | None = None
    """What the work returned, if it is done."""
    error: Exception | None = None
    """The reason, if it failed."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """How to process many pictures.

    Examples:
        >>> jobs = [Job(Path("a.png"), Path("a.txt")), Job(Path("b.png"), Path("b.txt"))]
        >>> [outcome.status for outcome in Batch().run(jobs, lambda job, report: {"size": 1})]
        ['done', 'done']
    """

    workers: int = 1
    """Number of processes; 1: only this process."""
    threads: int | None = None
    """Threads of PyTorch in each process; None: the cores divided by the number of processes."""
    skip_existing: bool = False
    """Skip pictures whose output exists."""
    make_folders: bool = True
    """Create missing folders for the outputs. Those that stay empty are removed at the end."""

    def run(
        self, jobs: Iterable[Job], task: Task[Result], watch: Watch = lambda job, event, values: None
    ) -> Generator[Outcome[Result]]:
        """Process pictures. An error of one picture is its outcome and does not affect the others.

        Args:
            jobs: The pictures.
            task: Processes one of them.
            watch: Receives the progress.

        Yields:
            An outcome per picture: first those that are skipped, then the others in the order of completion.
            Close the generator to stop: running processes are killed, and their temporary files are deleted.
        """
        remaining, jobs = [], list(jobs)
        for folder in {job.output.parent for job in jobs}:
            remove_abandoned(folder)  # a run that writes nothing would leave the files of a killed process
        for job in jobs:
            if self.skip_existing and os.path.lexists(job.output):
                yield Outcome(job=job, status="skipped")
            else:
                remaining.append(job)
        parents = dict.fromkeys(job.output.parent for job in remaining) if self.make_folders else {}
        with _folders(parents):
            several = self.workers > 1 and len(remaining) > 1
            outcomes = self._in_workers(remaining, task, watch) if several else self._here(remaining, task, watch)
            for outcome in outcomes:
                yield self._settled(outcome)

    def _settled(self, outcome: Outcome[Result]) -> Outcome[Result]:
        """Count a picture as skipped if another process has written its output meanwhile."""
        exists = isinstance(outcome.error, UsageError) and os.path.lexists(outcome.job.output)
        return replace(outcome, status="skipped", error=None) if self.skip_existing and exists else outcome

    def _here(self, jobs: Sequence[Job], task: Task[Result], watch: Watch) -> Generator[Outcome[Result]]:
        if self.threads is not None:
            torch.set_num_threads(self.threads)
        for job in jobs:
            yield _run_one(task, job, partial(watch, job))

    def _in_workers(self, jobs: Sequence[Job], task: Task[Result], watch: Watch) -> Generator[Outcome[Result]]:
        workers = min(self.workers, len(jobs))
        threads = self.threads or max(1, available_cpus() // workers)
        busy: set[Job] = set()
        warnings: set[object] = set()

        def on_message(job: Job | None, message: object) -> None:
            event, values = cast(tuple[str, tuple[Any, ...]], message)
            if event == "begin" and job is not None:
                busy.add(job)
            if event == "warning" and values in warnings:  # each process reports it
                return
            warnings.add(values)
            watch(job, event, values)

        outcomes = run_in_workers(
            partial(_run_in_worker, task),
            jobs,
            workers=workers,
            prepare=partial(_prepare, threads),
            on_message=on_message,
        )
        try:
            for job, outcome in outcomes:
                busy.discard(job)
                if isinstance(outcome, WorkerDiedError):
                    remove_abandoned(job.output.parent)
                    yield Outcome(job=job, status="failed", error=ImageError(f"{job.source}: {outcome}"))
                else:
                    yield outcome
        finally:
            outcomes.close()
            for folder in {job.output.parent for job in busy}:
                remove_abandoned(folder)


def concerns_one_picture(error: Exception) -> bool:
    """Return whether an error is the outcome of one picture; any other error ends the run."""
    if isinstance(error, RuntimeError):  # torch reports a lack of memory so
        return "memory" in str(error)
    return isinstance(error, ResizeKitError | OSError | MemoryError)


class _Reporter:
    """Sends the progress of one picture as events."""

    def __init__(self, send: Callable[[str, tuple[Any, ...]], None]) -> None:
        self._send = send

    def part(self, done: int, of: int) -> None:
        self._send("part", (done, of))

    def gain(self, decibels: float) -> None:
        self._send("gain", (decibels,))


def _run_one(task: Task[Result], job: Job, send: Callable[[str, tuple[Any, ...]], None]) -> Outcome[Result]:
    send("begin", ())
    start = time.perf_counter()
    try:
        result = task(job, _Reporter(send))
    except Exception as error:
        if not concerns_one_picture(error):
            raise
        return Outcome(job=job, status="failed", seconds=time.perf_counter() - start, error=error)
    return Outcome(job=job, status="done", seconds=time.perf_counter() - start, result=result)


def _run_in_worker(task: Task[Result], job: Job, send: Send) -> Outcome[Result]:
    return _run_one(task, job, lambda event, values: send((event, values)))


def _prepare(threads: int, send: Send) -> None:
    """Set up a worker process."""
    import warnings

    def show(message: object, *_: object, **__: object) -> None:
        send(("warning", (str(message),)))

    warnings.showwarning = show
    torch.set_num_threads(threads)
    keep_freed_memory()


@contextmanager
def _folders(folders: Iterable[Path]) -> Generator[None]:
    """Create folders, and at the end remove those of them that are empty."""
    created = []
    try:
        for folder in folders:
            missing = [path for path in (folder, *folder.parents) if not os.path.lexists(path)]
            created += missing
            with suppress(OSError):  # the picture that needs the folder reports the problem
                folder.mkdir(parents=True, exist_ok=True)
        yield
    finally:
        for folder in sorted(created, key=lambda path: len(path.parts), reverse=True):
            with suppress(OSError):  # not empty
                folder.rmdir()
