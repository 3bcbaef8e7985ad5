"""Do what needs a GPU in a limited time, in order of importance: tests, kernels, latency of codecs, trainings.

    python benchmarks/gpu_visit.py --out visit --minutes 25 --part-minutes 9 --data PICTURES --validation OTHERS

A call ends within `--part-minutes`. Call it again with the same arguments until it prints that everything is done:
visit.json in the folder holds what is finished, and a training continues from its last state. Trainings run one after
the other, in the time that is left of `--minutes`; each keeps a fixed part.
"""

import json
import signal
import subprocess
import sys
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from script import run_script

from resizekit.errors import UsageError
from resizekit.system.atomic_write import atomic_write

HERE = Path(__file__).parent
TRAININGS = HERE / "visit" / "trainings.toml"
GRACE = 30
"""Seconds in which an interrupted training writes its state."""
PARTS = 4
"""Parts of the benchmark of kernels."""
MEASURING = 10 * 60
"""Seconds of a visit that are not for trainings."""


@dataclass(frozen=True)
class Step:
    """One command of a visit."""

    name: str
    command: tuple[str, ...]
    seconds: float
    """Most that it may take; it is not started with less time left in this part, unless it can continue."""
    resumes: bool = False
    """Whether a second call continues an interrupted one."""


def checks(out: Path, device: str, tiny: bool) -> list[Step]:
    """List the tests and measurements."""
    pytest = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    size = ("--size", "64x48", "--rounds", "1") if tiny else ()
    weights = ["sr-x4-fast"] if tiny else ["tad-x2", "sr-x2", "sr-x2-fast", "sr-x4"]
    latency = [part for name in weights for part in ("--weights", name)]
    script = (sys.executable, str(HERE / "codec_latency.py"), *latency, "--device", device, *size)
    tests = (*pytest, str(HERE.parent / "tests/core/test_gpu.py" if tiny else HERE.parent / "tests"), "-m", "gpu")
    steps = [Step("tests", tests if device == "cpu" else (*tests, "--require-gpu"), 180)]
    steps += [Step("latency", (*script, "--out", str(out / "latency.json")), 150)]
    bench = (sys.executable, "-m", "resizekit", "bench", "--run", "--out", str(out / "kernels.json"))
    parts = ("1/40",) if tiny else tuple(f"{k + 1}/{PARTS}" for k in range(PARTS))
    return steps + [Step(f"kernels {part}", (*bench, "--part", part), 240, resumes=True) for part in parts]


def trainings(out: Path, seconds: float, options: tuple[str, ...]) -> list[Step]:
    """List the trainings, each with its share of the time."""
    listed = tomllib.loads(TRAININGS.read_text("utf-8"))["training"]
    total = sum(one["share"] for one in listed)
    steps = []
    for one in listed:
        config = (TRAININGS.parent / one["config"]).resolve()
        part = seconds * one["share"] / total
        command = (sys.executable, "-m", "resizekit", "train", str(config), "--out", str(out / config.stem))
        budget = ("--budget", f"{part:.0f} s")
        steps.append(Step(f"train {config.stem}", (*command, *budget, *options), part + 120, resumes=True))
    return steps


def run(step: Step, log: Path, seconds: float) -> int | None:
    """Run a step and write its output to a log; None: interrupted at the limit."""
    with log.open("a", encoding="utf-8") as file:
        process = subprocess.Popen(step.command, stdout=file, stderr=subprocess.STDOUT, cwd=HERE.parent)
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(GRACE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            return None


class Visit:
    """What is finished, in visit.json."""

    def __init__(self, out: Path) -> None:
        self._path = out / "visit.json"
        self.done: dict[str, Any] = json.loads(self._path.read_text("utf-8")) if self._path.exists() else {}

    def finish(self, name: str, seconds: float, code: int | None) -> None:
        self.done[name] = {"seconds": round(seconds, 1), "exit_code": code}
        with atomic_write(self._path, overwrite=True) as temporary:
            temporary.write_text(json.dumps(self.done, indent=2) + "\n", "utf-8")


def main(
    out: Annotated[Path, typer.Option(help="Folder for all results.")],
    minutes: Annotated[float, typer.Option(help="Time of the entire visit.")] = 25,
    part_minutes: Annotated[float, typer.Option(help="Time of this call.")] = 9,
    data: Annotated[
        list[Path] | None, typer.Option(help="Training pictures; without them, nothing is trained.")
    ] = None,
    validation: Annotated[list[Path] | None, typer.Option(help="Validation pictures.")] = None,
    device: Annotated[str, typer.Option(help="cuda, or cpu to try the script.")] = "cuda",
    tiny: Annotated[
        bool, typer.Option("--tiny", help="Small sizes and two training steps, to try the script.")
    ] = False,
) -> None:
    if bool(data) != bool(validation):
        raise UsageError("--data and --validation belong together: pass both or neither")
    out = out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    end, visit = time.monotonic() + 60 * part_minutes, Visit(out)
    steps = checks(out, device, tiny)
    if data and validation:
        options = tuple(part for path in data for part in ("--data", str(path.resolve())))
        options += tuple(part for path in validation for part in ("--validation", str(path.resolve())))
        options += ("--device", device)
        planned = trainings(out, max(60 * minutes - MEASURING, 60), options)
        steps += [_shortened(step) for step in planned] if tiny else planned
    for step in steps:
        left = end - time.monotonic() - GRACE
        if step.name in visit.done:
            continue
        if left < (20 if step.resumes else min(step.seconds, 30 * part_minutes)):  # a short part must start something
            break
        start = time.monotonic()
        code = run(step, out / "log.txt", min(left, step.seconds))
        if code is not None or not step.resumes:  # what takes too long is not tried again
            visit.finish(step.name, time.monotonic() - start, code)
        result = "interrupted" if code is None else "done" if code == 0 else f"exit code {code}"
        print(f"{step.name:24} {time.monotonic() - start:7.1f} s  {result}", flush=True)
    remaining = [step.name for step in steps if step.name not in visit.done]
    print(f"left: {', '.join(remaining)}; run the same command again" if remaining else f"all is done: {out}")


def _shortened(step: Step) -> Step:
    place = step.command.index("--budget")
    return Step(step.name, (*step.command[:place], "--steps", "2", *step.command[place + 2 :]), step.seconds, True)


if __name__ == "__main__":
    run_script(main)
