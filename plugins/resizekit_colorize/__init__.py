"""Channel resizing: store a colour image in grey, or reduce any number of channels (paper, sections 3.3 and 4.3)."""

from resizekit_colorize.task import resizekit_register_tasks as resizekit_register_tasks
