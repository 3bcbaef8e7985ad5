"""Run many small jobs in this process or in several, and yield each result as soon as it is ready."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

import torch

from resizekit.errors import ResizeKitError
from resizekit.system.malloc import keep_freed_memory

__all__ = ["run_in_processes"]

Item = TypeVar("Item")
Result = TypeVar("Result")


def run_in_processes(
    run: Callable[[Item], Result], items: Sequence[Item], jobs: int
) -> Generator[tuple[Item, Result | ResizeKitError]]:
    """Call a function for each item, in up to `jobs` processes.

    Args:
        run: The function. With several processes, it and the items must be picklable.
        items: Its arguments.
        jobs: Number of processes; 1: run in this process.

    Yields:
        (item, result) in the order of completion. A `ResizeKitError` is a result; any other error is raised.
        Running processes are terminated if the caller stops.

    Raises:
        ResizeKitError: If a worker process dies.
    """
    if jobs == 1 or len(items) < 2:
        for item in items:
            yield item, _run_or_error(run, item)
        return
    existing = set(multiprocessing.active_children())
    threads = max(1, (os.cpu_count() or 1) // jobs)
    context = multiprocessing.get_context("spawn")  # forking a process with threads can deadlock
    pool = ProcessPoolExecutor(min(jobs, len(items)), context, _initialize, (threads,))
    try:
        futures = {pool.submit(_run_or_error, run, item): item for item in items}
        for future in as_completed(futures):
            yield futures[future], future.result()
    except BrokenProcessPool:
        raise ResizeKitError(
            "a worker process died, possibly out of memory; use fewer --jobs and run the same command again to continue"
        ) from None
    except BaseException:
        for child in set(multiprocessing.active_children()) - existing:
            child.terminate()
        raise
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _initialize(threads: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent process handles Ctrl-C
    torch.set_num_threads(threads)
    keep_freed_memory()


def _run_or_error(run: Callable[[Item], Result], item: Item) -> Result | ResizeKitError:
    try:
        return run(item)
    except ResizeKitError as error:
        return error
