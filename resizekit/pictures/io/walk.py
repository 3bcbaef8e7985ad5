"""List the files in a folder and its subfolders; linked folders are followed, but each folder is visited once."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

__all__ = ["files_below"]


def files_below(
    folder: Path, *, depth: int | None = None, leaves_out: Callable[[Path], bool] = lambda _: False
) -> Iterator[Path]:
    """Yield everything in a folder and its subfolders that is not a folder, and folders that cannot be read.

    A folder with several names, such as a symbolic link to a folder that is searched too, is visited once. Names
    without links come first. The order is otherwise not defined.

    Args:
        folder: The folder to search.
        depth: Largest number of nested subfolders; None: any.
        leaves_out: Returns whether to ignore a subfolder.
    """
    visited: set[tuple[int, int]] = set()
    folders, links = [(folder, 0)], list[tuple[Path, int]]()
    while folders or links:
        here, level = folders.pop() if folders else links.pop(0)
        try:
            status = here.stat()
            if (status.st_dev, status.st_ino) in visited:
                continue
            visited.add((status.st_dev, status.st_ino))
            with os.scandir(here) as entries:
                names = sorted((entry.name, _is_folder(entry), entry.is_symlink()) for entry in entries)
        except OSError:  # no permission, or deleted meanwhile
            yield here
            continue
        for name, is_folder, is_link in names:
            path = here / name
            if not is_folder:
                yield path
            elif (depth is None or level < depth) and not leaves_out(path):
                (links if is_link else folders).append((path, level + 1))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # such as a link to itself: only this entry cannot be used
        return False
