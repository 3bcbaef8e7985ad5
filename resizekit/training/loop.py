"""The loop: crops in, weights out, interruptible at any step.

crops(seed, step) ─► codec ─► loss ─► Adam ─► averaged weights ─► state every few minutes ─► weights at the end
"""

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from resizekit.assemble import Recipe, assemble, resolve
from resizekit.checkpoint import Header, save
from resizekit.codec import Codec
from resizekit.config import RunConfig
from resizekit.device import pick_device, pick_precision
from resizekit.errors import ConfigError, MissingExtraError
from resizekit.evaluation.measure import measure
from resizekit.training.data import Crops, load_pictures
from resizekit.training.interrupt import Interrupt
from resizekit.training.log import open_log
from resizekit.training.schedule import legs, rate
from resizekit.training.state import load_state, save_state

__all__ = ["Progress", "Result", "train"]

Progress = Callable[[int, Mapping[str, float]], None]
"""Called after each step with the number of steps done and the newest figures."""


@dataclass(frozen=True)
class Result:
    """What a training left behind."""

    weights: Path | None
    """The averaged weights; None if the run was interrupted."""
    steps: int
    header: Header | None
    skipped: list[str]
    """Pictures that could not be used, with the reasons."""


def train(
    run: RunConfig,
    out: Path,
    *,
    device: str = "auto",
    progress: Progress = lambda step, figures: None,
) -> Result:
    """Train the codec of a config into the folder `out`: `state.safetensors` while it runs, `weights.safetensors` last.

    A folder that holds a state of the same config is resumed exactly.  Ctrl-C writes the state and returns.  Raises
    `ConfigError` for a config or data that do not fit, `MissingExtraError` without `accelerate`.
    """
    try:
        from accelerate import Accelerator
        from accelerate.state import AcceleratorState
    except ImportError:
        raise MissingExtraError('training needs accelerate: pip install "resizekit[train]"') from None
    config = run.train
    chosen = pick_device(device)
    half = pick_precision(config.precision, chosen) == "bfloat16"
    AcceleratorState._reset_state()  # a process may train more than once, with other settings
    accelerator = Accelerator(cpu=chosen.type == "cpu", mixed_precision="bf16" if half else "no")
    recipe = Recipe(task=run.task, config=run.config, network=run.network, compression=run.compression)
    task, settings = resolve(recipe)
    torch.manual_seed(config.seed)
    codec = assemble(recipe).to(device=accelerator.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    codec.train()
    data = load_pictures(config.data, codec.channels)
    held_out = load_pictures(config.validation, codec.channels) if config.validation else None

    optimizer = torch.optim.Adam(codec.parameters(), lr=config.lr, betas=config.betas, fused=True)
    average = AveragedModel(codec, multi_avg_fn=_warming_average(config.ema))
    stages = list(task.curriculum(codec, settings))
    plan = legs(stages, config.steps)
    for leg in plan:
        _check_patch(leg.stage.codec, leg.stage.patch or config.patch)

    out.mkdir(parents=True, exist_ok=True)
    state = out / "state.safetensors"
    identity = run.model_dump(mode="json", exclude={"train": {"data", "validation", "log", "checkpoint_minutes"}})
    step, seconds = 0, 0.0
    if state.exists():
        counters = load_state(state, codec, average.module, optimizer)
        if counters.get("config") != identity:
            raise ConfigError(f"{state} belongs to another config; use another --out folder or remove it")
        step, seconds = int(str(counters["step"])), float(str(counters["seconds"]))
        average.n_averaged.fill_(step)
    prepared: Any = accelerator.prepare(optimizer)

    def write_state() -> None:
        if accelerator.is_main_process:
            counters = {
                "step": step,
                "seconds": seconds + time.monotonic() - began,
                "config": identity,
            }
            save_state(state, codec, average.module, optimizer, counters)

    began = written = time.monotonic()
    figures: dict[str, float] = {}
    with ExitStack() as stack:
        interrupt = stack.enter_context(Interrupt())
        log = stack.enter_context(open_log(config.log, out, resumed_at=step))
        for leg in plan:
            if step >= leg.end:
                continue
            loss_of = leg.stage.loss or task.loss(leg.stage.codec.spec, settings)
            model: Any = accelerator.prepare_model(leg.stage.codec)
            crops = Crops(
                data.pictures,
                patch=leg.stage.patch or config.patch,
                seed=config.seed,
                device=accelerator.device,
            )
            share = accelerator.process_index, accelerator.num_processes
            while step < leg.end and not interrupt.asked:
                for group in optimizer.param_groups:
                    group["lr"] = rate(step, config, leg)
                high = crops.batch(step, leg.stage.batch or config.batch, part=share)
                loss = loss_of(model(high), high)
                prepared.zero_grad()
                accelerator.backward(loss)
                if config.clip is not None:
                    accelerator.clip_grad_norm_(codec.parameters(), config.clip)
                prepared.step()
                average.update_parameters(codec)
                step += 1
                if step % 50 == 0 or step == config.steps:
                    figures["loss"] = loss.item()
                    figures["lr"] = rate(step - 1, config, leg)
                    figures["seconds"] = seconds + time.monotonic() - began
                if held_out and (step % config.validate_every == 0 or step == config.steps):
                    figures |= _validate(average.module, held_out.pictures)
                    log(step, figures)
                elif step % config.validate_every == 0:
                    log(step, figures)
                progress(step, figures)
                if time.monotonic() - written > 60 * config.checkpoint_minutes:
                    write_state()
                    written = time.monotonic()
        write_state()
    if step < config.steps or not accelerator.is_main_process:
        return Result(None, step, None, data.skipped)
    weights = out / "weights.safetensors"
    told = {
        "steps": step,
        "seconds": round(seconds + time.monotonic() - began, 1),
        "pictures": len(data.pictures),
        "batch": config.batch,
        "patch": config.patch,
        "lr": config.lr,
        "seed": config.seed,
        "precision": "bfloat16" if half else "float32",
    }
    metrics: dict[str, float] = {name: round(figures[name], 3) for name in ("high_rgb", "low_rgb") if name in figures}
    header = save(_plain(average.module), weights, metrics=metrics, training=told)
    return Result(weights, step, header, data.skipped)


def _warming_average(decay: float) -> Callable[..., None]:
    """An exponential average that follows closely at first, so that a short run's average is not its first steps."""

    def update(averaged: Any, current: Any, count: Any) -> None:
        n = float(count)
        get_ema_multi_avg_fn(min(decay, (1 + n) / (10 + n)))(averaged, current, count)  # type: ignore[no-untyped-call]

    return update


def _plain(module: nn.Module) -> Codec:
    assert isinstance(module, Codec)
    return module.eval()


def _check_patch(codec: Codec, patch: int) -> None:
    rows, columns = codec.spec.s.numerator, codec.spec.r.numerator
    if patch % rows or patch % columns:
        raise ConfigError(f"train.patch = {patch}: crops are divided by {rows} and {columns}; use a multiple of both")


def _validate(module: nn.Module, pictures: list[torch.Tensor]) -> dict[str, float]:
    """Mean PSNR of whole pictures, cropped at the upper left to what the factors divide."""
    codec = _plain(module)
    rows = []
    for picture in pictures:
        c, h, w = codec.spec.crop(tuple(picture.shape))
        rows.append(measure(codec, picture[:c, :h, :w].permute(1, 2, 0).contiguous().numpy()))
    codec.train()
    return {name: fmean(row[name] for row in rows) for name in ("high_rgb", "low_rgb")}
