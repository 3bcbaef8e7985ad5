"""Extreme scaling: one small network applied again and again, from x2 to x128 and beyond (section 3.2)."""

from resizekit_extreme.task import resizekit_register_tasks as resizekit_register_tasks
