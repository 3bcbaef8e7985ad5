"""The rules for plugins as pytest classes, for plugin authors; resizekit tests its own plugins with them.

from resizekit.testing import TaskConformance

class TestMine(TaskConformance):
    task = mine
"""

from resizekit.testing.calls import Call, Cases
from resizekit.testing.kernel import KernelConformance
from resizekit.testing.task import TaskConformance

__all__ = ["Call", "Cases", "KernelConformance", "TaskConformance"]
