"""Learned tensor resizing: make an image small in a way that a matching network can undo.

    codec = resizekit.load("sr-x2")
    low = codec.down(image)
    image = codec.up(low)

Every name below is loaded when it is first used, so that `import resizekit` costs next to nothing.
"""

from typing import TYPE_CHECKING

from resizekit.system.lazy import lazy_names

if TYPE_CHECKING:
    from resizekit import losses as losses
    from resizekit import ops as ops
    from resizekit.api import build as build
    from resizekit.api import from_toml as from_toml
    from resizekit.api import tasks as tasks
    from resizekit.checkpoint import load as load
    from resizekit.checkpoint import save as save
    from resizekit.codec import guides as guides
    from resizekit.codec.codec import Codec as Codec
    from resizekit.codec.codec import Resized as Resized
    from resizekit.errors import ResizeKitError as ResizeKitError
    from resizekit.images.files import down_file as down_file
    from resizekit.images.files import up_file as up_file
    from resizekit.images.wanted import Wanted as Wanted
    from resizekit.ops.kernel import Kernel as Kernel
    from resizekit.plugin import hookimpl as hookimpl
    from resizekit.shipped import shipped_weights as shipped_weights
    from resizekit.spec import ResizeSpec as ResizeSpec
    from resizekit.storage.formats import Storage as Storage
    from resizekit.suite import Printed as Printed
    from resizekit.suite import Suite as Suite
    from resizekit.suite import SuiteColumn as SuiteColumn
    from resizekit.suite import SuiteSet as SuiteSet
    from resizekit.task import Compression as Compression
    from resizekit.task import Mixture as Mixture
    from resizekit.task import Network as Network
    from resizekit.task import NoOptions as NoOptions
    from resizekit.task import Stage as Stage
    from resizekit.task import Task as Task
    from resizekit.task import TaskConfig as TaskConfig
    from resizekit.task import Weights as Weights

_WHERE = {
    "Codec": "resizekit.codec.codec",
    "Compression": "resizekit.task",
    "Kernel": "resizekit.ops.kernel",
    "Mixture": "resizekit.task",
    "Network": "resizekit.task",
    "NoOptions": "resizekit.task",
    "Printed": "resizekit.suite",
    "ResizeKitError": "resizekit.errors",
    "ResizeSpec": "resizekit.spec",
    "Resized": "resizekit.codec.codec",
    "Stage": "resizekit.task",
    "Storage": "resizekit.storage.formats",
    "Suite": "resizekit.suite",
    "SuiteColumn": "resizekit.suite",
    "SuiteSet": "resizekit.suite",
    "Task": "resizekit.task",
    "TaskConfig": "resizekit.task",
    "Wanted": "resizekit.images.wanted",
    "Weights": "resizekit.task",
    "build": "resizekit.api",
    "down_file": "resizekit.images.files",
    "from_toml": "resizekit.api",
    "guides": "resizekit.codec.guides",
    "hookimpl": "resizekit.plugin",
    "load": "resizekit.checkpoint",
    "losses": "resizekit.losses",
    "ops": "resizekit.ops",
    "save": "resizekit.checkpoint",
    "shipped_weights": "resizekit.shipped",
    "tasks": "resizekit.api",
    "up_file": "resizekit.images.files",
}

__all__ = sorted(_WHERE)
__getattr__, __dir__ = lazy_names(__name__, _WHERE)
