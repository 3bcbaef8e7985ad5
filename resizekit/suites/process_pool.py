"""Many small pieces of work in this process or in several, each answered as soon as it is done."""

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

Work = TypeVar("Work")
Answer = TypeVar("Answer")


def run_in_processes(
    run: Callable[[Work], Answer], pieces: Sequence[Work], jobs: int
) -> Generator[tuple[Work, Answer | ResizeKitError]]:
    """Give (piece, answer) in the order in which they are done; an error of ours is an answer, any other is raised.

    With several jobs, `run` and the pieces must be such that pickle takes them; what runs is ended when the caller
    stops.  Raises `ResizeKitError` if a job ends by itself.
    """
    if jobs == 1 or len(pieces) < 2:
        for piece in pieces:
            yield piece, _tried(run, piece)
        return
    others = set(multiprocessing.active_children())
    threads = max(1, (os.cpu_count() or 1) // jobs)
    context = multiprocessing.get_context("spawn")  # a fork of a process with threads may hang
    pool = ProcessPoolExecutor(min(jobs, len(pieces)), context, _begin, (threads,))
    try:
        futures = {pool.submit(_tried, run, piece): piece for piece in pieces}
        for future in as_completed(futures):
            yield futures[future], future.result()
    except BrokenProcessPool:
        raise ResizeKitError(
            "a job ended by itself, perhaps for want of memory; take fewer --jobs: the same command goes on"
        ) from None
    except BaseException:
        for child in set(multiprocessing.active_children()) - others:
            child.terminate()
        raise
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _begin(threads: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started this one
    torch.set_num_threads(threads)
    keep_freed_memory()


def _tried(run: Callable[[Work], Answer], piece: Work) -> Answer | ResizeKitError:
    try:
        return run(piece)
    except ResizeKitError as error:
        return error
