"""The laws of what a plugin offers, as tests: for every plugin author, ourselves first.

from resizekit.testing import KernelConformance, TaskConformance

class TestMine(TaskConformance):
    task = mine
"""

from resizekit.testing.calls import Call, Cases
from resizekit.testing.kernel import KernelConformance
from resizekit.testing.task import TaskConformance

__all__ = ["Call", "Cases", "KernelConformance", "TaskConformance"]
