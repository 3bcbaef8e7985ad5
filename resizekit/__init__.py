"""Learned image resizing: downscale an image with one network, and restore it with a second network trained with it.

    codec = resizekit.load("sr-x2")
    low = codec.down(image)
    restored = codec.up(low)

Names are imported on first use, so `import resizekit` is fast.

Section, equation and table numbers in docstrings, such as (3.2), refer to the paper "Task-Aware Image Downscaling"
(Kim, Choi, Lim, Lee, ECCV 2018).
"""

import os
from typing import TYPE_CHECKING

from resizekit.system.lazy import lazy_names

if TYPE_CHECKING:
    from resizekit import losses as losses
    from resizekit import nn as nn
    from resizekit import ops as ops
    from resizekit import ray as ray
    from resizekit import storage as storage
    from resizekit import testing as testing
    from resizekit import training as training
    from resizekit.codec import guides as guides
    from resizekit.codec.codec import Codec as Codec
    from resizekit.codec.codec import Resized as Resized
    from resizekit.codec.refine.effort import Effort as Effort
    from resizekit.codec.transforms import Down as Down
    from resizekit.codec.transforms import Up as Up
    from resizekit.errors import ResizeKitError as ResizeKitError
    from resizekit.exporting.write import export as export
    from resizekit.images.batch import Outcome as Outcome
    from resizekit.images.budget import Budget as Budget
    from resizekit.images.files import down_file as down_file
    from resizekit.images.files import up_file as up_file
    from resizekit.images.in_memory import down_bytes as down_bytes
    from resizekit.images.in_memory import up_bytes as up_bytes
    from resizekit.images.many import down_many as down_many
    from resizekit.images.many import up_many as up_many
    from resizekit.images.run_options import RunOptions as RunOptions
    from resizekit.images.target_size import TargetSize as TargetSize
    from resizekit.ops.kernel import Kernel as Kernel
    from resizekit.plugin.marker import hookimpl as hookimpl
    from resizekit.plugin.packaged_weights import weights_from_folder as weights_from_folder
    from resizekit.plugin.records import Compression as Compression
    from resizekit.plugin.records import Network as Network
    from resizekit.plugin.records import NoOptions as NoOptions
    from resizekit.plugin.records import Stage as Stage
    from resizekit.plugin.records import StageMixture as StageMixture
    from resizekit.plugin.records import Task as Task
    from resizekit.plugin.records import TaskConfig as TaskConfig
    from resizekit.plugin.records import TaskWeights as TaskWeights
    from resizekit.plugin.records import Weights as Weights
    from resizekit.plugin.suite import Published as Published
    from resizekit.plugin.suite import Suite as Suite
    from resizekit.plugin.suite import SuiteColumn as SuiteColumn
    from resizekit.plugin.suite import SuiteSet as SuiteSet
    from resizekit.plugin.weights_names import list_weights as list_weights
    from resizekit.recipes.assemble import build as build
    from resizekit.recipes.assemble import from_toml as from_toml
    from resizekit.recipes.assemble import tasks as tasks
    from resizekit.recipes.checkpoint import load as load
    from resizekit.recipes.checkpoint import save as save
    from resizekit.spec import HW as HW
    from resizekit.spec import ResizeSpec as ResizeSpec
    from resizekit.storage.compressions import CompressionModule as CompressionModule
    from resizekit.storage.formats import Storage as Storage
    from resizekit.system.malloc import keep_freed_memory as keep_freed_memory

_WHERE = {
    "Budget": "resizekit.images.budget",
    "Codec": "resizekit.codec.codec",
    "Compression": "resizekit.plugin.records",
    "CompressionModule": "resizekit.storage.compressions",
    "Down": "resizekit.codec.transforms",
    "Effort": "resizekit.codec.refine.effort",
    "HW": "resizekit.spec",
    "Kernel": "resizekit.ops.kernel",
    "Network": "resizekit.plugin.records",
    "NoOptions": "resizekit.plugin.records",
    "Outcome": "resizekit.images.batch",
    "Published": "resizekit.plugin.suite",
    "ResizeKitError": "resizekit.errors",
    "ResizeSpec": "resizekit.spec",
    "Resized": "resizekit.codec.codec",
    "RunOptions": "resizekit.images.run_options",
    "Stage": "resizekit.plugin.records",
    "StageMixture": "resizekit.plugin.records",
    "Storage": "resizekit.storage.formats",
    "Suite": "resizekit.plugin.suite",
    "SuiteColumn": "resizekit.plugin.suite",
    "SuiteSet": "resizekit.plugin.suite",
    "TargetSize": "resizekit.images.target_size",
    "Task": "resizekit.plugin.records",
    "TaskConfig": "resizekit.plugin.records",
    "TaskWeights": "resizekit.plugin.records",
    "Up": "resizekit.codec.transforms",
    "Weights": "resizekit.plugin.records",
    "build": "resizekit.recipes.assemble",
    "down_bytes": "resizekit.images.in_memory",
    "down_file": "resizekit.images.files",
    "down_many": "resizekit.images.many",
    "export": "resizekit.exporting.write",
    "from_toml": "resizekit.recipes.assemble",
    "guides": "resizekit.codec.guides",
    "hookimpl": "resizekit.plugin.marker",
    "keep_freed_memory": "resizekit.system.malloc",
    "list_weights": "resizekit.plugin.weights_names",
    "load": "resizekit.recipes.checkpoint",
    "losses": "resizekit.losses",
    "nn": "resizekit.nn",
    "ops": "resizekit.ops",
    "ray": "resizekit.ray",
    "save": "resizekit.recipes.checkpoint",
    "storage": "resizekit.storage",
    "tasks": "resizekit.recipes.assemble",
    "testing": "resizekit.testing",
    "training": "resizekit.training",
    "up_bytes": "resizekit.images.in_memory",
    "up_file": "resizekit.images.files",
    "up_many": "resizekit.images.many",
    "weights_from_folder": "resizekit.plugin.packaged_weights",
}

__all__ = sorted(_WHERE)
__getattr__, __dir__ = lazy_names(__name__, _WHERE)

if os.environ.get("RESIZEKIT_KEEP_MEMORY") == "1":
    from resizekit.system import malloc

    malloc.keep_freed_memory()
    del malloc
