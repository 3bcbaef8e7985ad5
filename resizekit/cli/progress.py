"""Progress on anything that takes a while, on stderr so that output can be piped."""

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

__all__ = ["Count", "counted", "training_progress"]

_QUIET = 30.0
"""Seconds after which a training says how far it is."""


@contextmanager
def training_progress(console: Console) -> Iterator[Callable[[int, Mapping[str, float]], None]]:
    """Show steps, steps a second, time left and the newest figures; without a terminal a plain line now and then."""
    bar = Progress(
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
        TextColumn("{task.fields[figures]}"),
        console=console,
        disable=not console.is_terminal,
        speed_estimate_period=60,
    )
    with bar:
        row = bar.add_task("training", total=None, rate="", figures="")
        begun, told = False, time.monotonic()

        def update(step: int, figures: Mapping[str, float]) -> None:
            nonlocal begun, told
            first = not begun
            if not begun:  # steps of an earlier run are no steps of this minute
                bar.reset(row, completed=step - 1, total=figures["steps"])
                begun = True
            speed = bar.tasks[0].speed
            words = "  ".join(f"{k} {v:.4g}" for k, v in figures.items() if k not in ("lr", "seconds", "steps"))
            bar.update(row, completed=step, rate=f"{speed:.1f} steps/s" if speed else "", figures=words)
            if bar.disable and (first or step % 100 == 0 or time.monotonic() - told > _QUIET):
                told = time.monotonic()
                console.print(f"step {step}/{figures['steps']:.0f}  {words}", highlight=False, soft_wrap=True)

        yield update


class Count:
    """How many of several things are done, and how far the present one is."""

    def __init__(self, bar: Progress, label: str, total: int) -> None:
        self._bar, self._row, self._done = bar, bar.add_task(label, total=total), 0

    def part(self, done: int, of: int) -> None:
        """Tell how far the present one is: so many tiles of so many."""
        self._bar.update(self._row, completed=self._done + done / of)

    def begin(self, name: str) -> None:
        """Tell which one begins."""
        self._bar.update(self._row, description=name)

    def finish(self) -> None:
        """Tell that the present one is done."""
        self._done += 1
        self._bar.update(self._row, completed=self._done)


@contextmanager
def counted(console: Console, label: str, total: int) -> Iterator[Count]:
    """Show a bar over `total` things that goes away when they are done."""
    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        MofNCompleteColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        yield Count(bar, label, total)
