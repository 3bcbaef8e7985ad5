"""The networks of the paper *Task-Aware Image Downscaling*, trained again: weights for `sr` and `colorize`."""

from resizekit_weights_paper.packaged import resizekit_register_weights as resizekit_register_weights
