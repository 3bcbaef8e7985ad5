"""Progress bars on stderr, so that the output can be piped."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

__all__ = ["Count", "counted", "duration", "training_progress"]

_INTERVAL = 30.0
"""Maximum number of seconds between two lines of progress without a terminal."""


@contextmanager
def training_progress(console: Console) -> Iterator[Callable[[int, Mapping[str, float]], None]]:
    """Show steps, steps per second, time left and the newest metrics; without a terminal print a line at intervals.

    Yields:
        The function to call after each step, with the step and its metrics.
    """
    bar = Progress(
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
        TextColumn("{task.fields[metrics]}"),
        console=console,
        disable=not console.is_terminal,
        speed_estimate_period=60,
    )
    with bar:
        row = bar.add_task("training", total=None, rate="", metrics="")
        started, last_line = False, time.monotonic()

        def update(step: int, metrics: Mapping[str, float]) -> None:
            nonlocal started, last_line
            first = not started
            if first:  # the steps of an earlier run must not count for the speed of this one
                bar.reset(row, completed=step - 1, total=metrics["steps"])
                started = True
            speed = bar.tasks[0].speed
            words = "  ".join(f"{k} {v:.4g}" for k, v in metrics.items() if k not in ("lr", "seconds", "steps"))
            bar.update(row, completed=step, rate=f"{speed:.1f} steps/s" if speed else "", metrics=words)
            if bar.disable and (first or step % 100 == 0 or time.monotonic() - last_line > _INTERVAL):
                last_line = time.monotonic()
                console.print(f"step {step}/{metrics['steps']:.0f}  {words}", highlight=False, soft_wrap=True)

        yield update


class Count:
    """Progress over several items, with the progress inside the current items."""

    def __init__(self, bar: Progress, label: str, total: int, *, prints_lines: bool = False) -> None:
        self._bar, self._row, self._done, self._name = bar, bar.add_task(label, total=total), 0, label
        self._total, self._parts, self._prints_lines = total, dict[object, float](), prints_lines
        self._start = self._last_line = time.monotonic()
        self.gained = 0.0
        """What the refinement of the current item has gained so far, in dB."""

    def part(self, done: int, of: int, key: object = None) -> None:
        """Update the progress of a current item: `done` of `of` parts. The key names the item if there are several."""
        self._parts[key] = done / of
        self._show()

    def begin(self, name: str, key: object = None) -> None:
        """Start an item and show its name."""
        self._name, self.gained = name, 0.0
        self._parts[key] = 0.0
        self._bar.update(self._row, description=name)

    def gain(self, decibels: float) -> None:
        """Show what the refinement of the current item has gained so far."""
        self.gained = decibels
        self._bar.update(self._row, description=f"{self._name}, restored {decibels:+.2f} dB")

    def finish(self, key: object = None) -> None:
        """Finish an item."""
        self._parts.pop(key, None)
        self._done += 1
        self._show()

    def _show(self) -> None:
        completed = self._done + sum(self._parts.values())
        self._bar.update(self._row, completed=completed)
        now = time.monotonic()
        if self._prints_lines and now - self._last_line > _INTERVAL and 0 < completed < self._total:
            self._last_line = now
            left = duration((now - self._start) * (self._total / completed - 1))
            count = f"{self._done} of {self._total}, " if self._total > 1 else ""
            self._bar.console.print(f"{count}{100 * completed / self._total:.0f} %, about {left} left", highlight=False)


def duration(seconds: float) -> str:
    """Return a time as text, such as "45 s" or "3 min"."""
    return f"{seconds / 60:.0f} min" if seconds >= 120 else f"{seconds:.0f} s"


@contextmanager
def counted(console: Console, label: str, total: int, *, quiet: bool = False) -> Iterator[Count]:
    """Show a progress bar over `total` items, which disappears at the end; without a terminal, lines at intervals."""
    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        MofNCompleteColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
        console=console,
        transient=True,
        redirect_stdout=sys.stdout.isatty(),  # rich would write what is printed to stdout on stderr
        disable=quiet or not console.is_terminal,
    )
    with bar:
        yield Count(bar, label, total, prints_lines=not (quiet or console.is_terminal))
