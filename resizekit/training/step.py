"""One training step: draw crops, run the codec, compute the loss, update the weights."""

from collections.abc import Callable

import torch

from resizekit.nn import to_float
from resizekit.training.schedule import Segment, StepSettings, learning_rate
from resizekit.training.session import Session

__all__ = ["Step", "make_step"]

Step = Callable[[], torch.Tensor]
"""Performs one step of the optimizer and returns its loss, `()`, on the device."""


def make_step(session: Session, segment: Segment) -> Step:
    """Prepare the steps of a segment.

    Args:
        session: Training whose state the steps change.
        segment: Segment of the schedule that the steps belong to.

    Returns:
        A function that performs the next step of the session.
    """
    steps = [_make_step(session, settings) for settings in segment.settings]
    state, seed = session.state, session.run.train.seed
    return lambda: steps[segment.draw(seed, state.step)]()


def _make_step(session: Session, settings: StepSettings) -> Step:
    config, accelerator, state = session.run.train, session.accelerator, session.state
    model = accelerator.prepare_model(settings.stage.codec)
    if config.compile:
        mode = "reduce-overhead" if accelerator.device.type == "cuda" else "default"  # CUDA graphs
        model = torch.compile(model, mode=mode, dynamic=False)  # there are few crop sizes: compile each of them
    controllers = state.controllers.values()
    crops, criterion = session.crops(settings), session.loss(settings)
    share = accelerator.process_index, accelerator.num_processes

    def step() -> torch.Tensor:
        state.optimizer.set_rate(learning_rate(state.step, config, settings, session.steps))
        batch = crops.batch(state.step, settings.batch, share=share)
        out = model(batch)
        loss_function = criterion
        for controller in controllers:
            loss_function = controller.apply_to(loss_function)
        loss: torch.Tensor = loss_function(out, to_float(batch))
        state.optimizer.zero_grad()
        accelerator.backward(loss)
        if config.clip:
            accelerator.clip_grad_norm_(state.codec.parameters(), config.clip)
        state.update()
        for controller in controllers:  # all processes must change their weights by the same amount
            controller.update(accelerator.reduce(controller.measure(out, loss_function), "mean"))
        return loss.detach()

    return step
