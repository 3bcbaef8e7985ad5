"""Extreme scaling: apply one small network repeatedly, for factors from 2 to 128 and beyond (paper, section 3.2)."""

from resizekit_extreme.task import resizekit_register_tasks as resizekit_register_tasks
