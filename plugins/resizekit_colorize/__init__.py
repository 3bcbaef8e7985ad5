"""Channels: a colour picture kept as a grey one, and any other number of channels folded (sections 3.3 and 4.3)."""

from resizekit_colorize.task import resizekit_register_tasks as resizekit_register_tasks
