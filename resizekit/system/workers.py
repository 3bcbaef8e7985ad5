"""Run items in worker processes. A process that dies fails its item only."""

import multiprocessing
import os
import pickle
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Generic, TypeAlias, TypeVar

from resizekit.errors import ResizeKitError

__all__ = ["Send", "WorkerDiedError", "run_in_workers", "start_early"]

Item = TypeVar("Item")
Result = TypeVar("Result")
Send: TypeAlias = Callable[[object], None]
"""Sends a message to the process that started the workers."""

_METHOD = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
"""A server process imports the modules once and forks each worker; forking a process with threads can deadlock."""


class WorkerDiedError(ResizeKitError):
    """A worker process was killed or crashed while it processed an item."""


def start_early(modules: Sequence[str]) -> None:
    """Start the server from which workers are forked, so that it imports modules while this process continues.

    Args:
        modules: Names of the modules that the workers need.
    """
    if _METHOD == "forkserver":
        multiprocessing.get_context(_METHOD).set_forkserver_preload(list(modules))
    _start_server()


def _start_server() -> None:
    """Start the server unless it runs. Ctrl-C and SIGTERM do not end it: the process that started it does.

    If a signal ended the server, this process could no longer wait for the workers to end.
    """
    if _METHOD != "forkserver":
        return
    from multiprocessing import forkserver, resource_tracker

    resource_tracker.ensure_running()
    can_change = threading.current_thread() is threading.main_thread()
    numbers = (signal.SIGINT, signal.SIGTERM) if can_change else ()
    previous = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}  # which the server inherits
    try:
        forkserver.ensure_running()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def run_in_workers(
    run: Callable[[Item, Send], Result],
    items: Iterable[Item],
    *,
    workers: int,
    prepare: Callable[[Send], None],
    on_message: Callable[[Item | None, object], None],
) -> Generator[tuple[Item, Result | WorkerDiedError]]:
    """Call a function for each item in worker processes.

    Args:
        run: The function. It, the items and the results must be picklable.
        items: Its arguments.
        workers: Number of processes.
        prepare: Called once in each process, before its first item.
        on_message: Called in this process for each message, with the item that the sender processes.

    Yields:
        (item, result) in the order of completion. If its process dies, the result is a `WorkerDiedError`.
        All processes are killed if the caller stops, or if an exception is raised.

    Raises:
        ResizeKitError: A process ends before it has begun to work.
        Exception: Any error that `run` raises.
    """
    _start_server()
    queue = deque(items)
    pool: list[_Worker[Item]] = []
    try:
        while queue or pool:
            while queue and len(pool) < workers:  # also replaces a worker that died
                pool.append(_Worker(run, prepare))
            for ready in wait([worker.connection for worker in pool]):
                worker = next(worker for worker in pool if worker.connection is ready)
                try:
                    kind, value = worker.connection.recv()
                except (EOFError, OSError, pickle.UnpicklingError):
                    pool.remove(worker)
                    worker.process.join()
                    if not worker.has_begun:
                        raise ResizeKitError(
                            "a worker process could not start: use --jobs 1 (in Python: jobs=1)"
                        ) from None
                    if worker.item is not None:
                        yield (
                            worker.item,
                            WorkerDiedError(
                                "its process died, possibly out of memory: use fewer --jobs (in Python: jobs=)"
                            ),
                        )
                    continue
                if kind == "message":
                    on_message(worker.item, value)
                    continue
                if kind == "raised":
                    raise value
                worker.has_begun = True
                item, worker.item = worker.item, None
                if queue:
                    worker.begin(queue.popleft())
                else:
                    pool.remove(worker)
                    worker.dismiss()
                if item is not None:
                    yield item, value
    finally:
        for worker in pool:
            worker.process.kill()
        for worker in pool:
            worker.process.join()


class _Worker(Generic[Item]):
    """A process, seen from the process that started it."""

    def __init__(self, run: Callable[[Item, Send], object], prepare: Callable[[Send], None]) -> None:
        context: Any = multiprocessing.get_context(_METHOD)
        self.connection, other_end = context.Pipe()
        self.process: BaseProcess = context.Process(target=_work, args=(other_end, run, prepare), daemon=True)
        self.item: Item | None = None
        self.has_begun = False
        self.process.start()
        other_end.close()  # so that the end of the process closes the pipe

    def begin(self, item: Item) -> None:
        """Send the next item."""
        self.item = item
        with suppress(OSError):  # the process has just died, which the next `recv` reports
            self.connection.send(item)

    def dismiss(self) -> None:
        """End an idle process."""
        self.connection.close()
        self.process.kill()
        self.process.join()


def _work(
    connection: "Connection[Any, Any]", run: Callable[[Any, Send], object], prepare: Callable[[Send], None]
) -> None:
    """Process items until the pipe is closed: the program of a worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.dup2(2, 1)  # what a library prints must not end up in the output of the command
    threading.Thread(target=_end_with_parent, daemon=True).start()

    def send(message: object) -> None:
        connection.send(("message", message))

    try:
        prepare(send)
        connection.send(("ready", None))
        while True:
            connection.send(("result", run(connection.recv(), send)))
    except (EOFError, BrokenPipeError):
        return
    except Exception as error:  # an error that the caller does not expect ends all workers there
        connection.send(("raised", error))


def _end_with_parent() -> None:
    """End this process when the process that started it has ended, even if that one was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
