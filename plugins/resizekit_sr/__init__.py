"""Spatial super-resolution: shrink a photograph in height and width, then restore it (paper, section 4.1)."""

from resizekit_sr.networks import resizekit_register_networks as resizekit_register_networks
from resizekit_sr.paper import resizekit_register_suites as resizekit_register_suites
from resizekit_sr.task import resizekit_register_tasks as resizekit_register_tasks
