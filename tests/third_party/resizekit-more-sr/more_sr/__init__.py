"""Offer weights for the task `sr` of resizekit. The test writes the weights file."""

from importlib.resources import files

from resizekit import TaskWeights, hookimpl, weights_from_folder


@hookimpl
def resizekit_register_weights():
    yield TaskWeights(task="sr", weights=weights_from_folder(files("more_sr") / "weights", ("more-x2",)))
