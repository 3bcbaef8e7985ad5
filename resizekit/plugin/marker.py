"""The entry-point group and the hook marker: everything that a plugin needs from pluggy.

Register your module in `pyproject.toml`:

    [project.entry-points.resizekit]
    mine = "my_package"

In `my_package`, put `@hookimpl` on any of the functions of `resizekit.plugin.hookspecs`.
"""

from typing import Final

import pluggy

__all__ = ["NAME", "hookimpl"]

NAME: Final = "resizekit"
"""Name of the entry-point group."""

hookimpl: Final = pluggy.HookimplMarker(NAME)
"""Decorator that marks a function as an implementation of a hook."""
