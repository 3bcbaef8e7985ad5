"""All that a plugin author needs of pluggy: the name of the group and the marker.

    [project.entry-points.resizekit]
    mine = "my_package"

and in `my_package`, `@hookimpl` on any of the functions of `resizekit.plugin.hookspecs`.
"""

from typing import Final

import pluggy

__all__ = ["NAME", "hookimpl"]

NAME: Final = "resizekit"

hookimpl: Final = pluggy.HookimplMarker(NAME)
