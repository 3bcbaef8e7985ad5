"""What plugins offer: the marker for hooks, the records that hooks return, and the registry that collects them."""

from typing import TYPE_CHECKING

from resizekit.system.lazy import lazy_names

if TYPE_CHECKING:
    from resizekit.plugin.marker import NAME as NAME
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
    from resizekit.plugin.registry import Registry as Registry
    from resizekit.plugin.registry import installed as installed
    from resizekit.plugin.suite import Published as Published
    from resizekit.plugin.suite import Suite as Suite
    from resizekit.plugin.suite import SuiteColumn as SuiteColumn
    from resizekit.plugin.suite import SuiteSet as SuiteSet

_MODULES = {
    "Compression": "resizekit.plugin.records",
    "StageMixture": "resizekit.plugin.records",
    "NAME": "resizekit.plugin.marker",
    "Network": "resizekit.plugin.records",
    "NoOptions": "resizekit.plugin.records",
    "Published": "resizekit.plugin.suite",
    "Registry": "resizekit.plugin.registry",
    "Stage": "resizekit.plugin.records",
    "Suite": "resizekit.plugin.suite",
    "SuiteColumn": "resizekit.plugin.suite",
    "SuiteSet": "resizekit.plugin.suite",
    "Task": "resizekit.plugin.records",
    "TaskConfig": "resizekit.plugin.records",
    "TaskWeights": "resizekit.plugin.records",
    "Weights": "resizekit.plugin.records",
    "hookimpl": "resizekit.plugin.marker",
    "installed": "resizekit.plugin.registry",
    "weights_from_folder": "resizekit.plugin.packaged_weights",
}

__all__ = sorted(_MODULES)
__getattr__, __dir__ = lazy_names(__name__, _MODULES)
