"""Read the results of the kernel benchmarks: each case with the times of all its implementations.

pytest benchmarks/bench_kernels.py --benchmark-json=FILE  ─►  FILE  ─►  Timings  ─►  a table, a roofline
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from resizekit.errors import ResizeKitError
from resizekit.evaluation.untrusted_json import Label, first_error, read_untrusted

__all__ = ["RIVALS", "Comparison", "Implementation", "Timings", "read_timings"]

Implementation = Literal["kernel", "eager", "compile", "hand", "copy"]

RIVALS: tuple[Implementation, ...] = ("eager", "compile", "hand")
"""The implementations that a kernel should beat."""

_LARGEST = 64 * 2**20
_Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,100}$")]


class _Lenient(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class _Machine(_Lenient):
    processor: Label = ""


class _Line(_Lenient):
    """One row of any benchmark of pytest-benchmark."""

    extra_info: dict[str, Any] = {}
    stats: dict[str, Any]


class _File(_Lenient):
    machine_info: _Machine = _Machine()
    benchmarks: list[_Line]


class _Row(_Lenient):
    """One implementation of one case."""

    op: _Name
    case: _Name
    implementation: Implementation
    bytes: int = Field(gt=0, lt=2**63)
    median: float = Field(gt=1e-9, lt=1e6)
    of_copy: float | None = Field(None, gt=1e-9, lt=1e9)
    equal: bool | None = None
    gpu: Label | None = None
    torch: Label | None = None
    triton: Label | None = None
    commit: Label | None = None


_ROWS = TypeAdapter(list[_Row])


@dataclass(frozen=True)
class Comparison:
    """All times of one case of one op."""

    op: str
    case: str
    bytes: int
    """Bytes that must cross memory: inputs read once, outputs written once."""
    seconds: Mapping[Implementation, float]
    """Median seconds per launch."""
    copy: float | None
    """Seconds of a plain copy of as many bytes, measured in the same run."""
    unequal: tuple[Implementation, ...]
    """Implementations whose result differs from the reference."""

    def speedup(self, rival: Implementation) -> float | None:
        """Return how many times as fast as a rival the kernel is (below 1: slower); None if a time is missing."""
        if "kernel" not in self.seconds or rival not in self.seconds:
            return None
        return self.seconds[rival] / self.seconds["kernel"]

    def bandwidth(self, implementation: Implementation) -> float | None:
        """Return the bytes that must cross memory per second; None without a time."""
        return self.bytes / self.seconds[implementation] if implementation in self.seconds else None

    def of_copy(self, implementation: Implementation) -> float | None:
        """Return the fraction of the bandwidth of the copy; None without both times."""
        if self.copy is None or implementation not in self.seconds:
            return None
        return self.copy / self.seconds[implementation]

    @property
    def losses(self) -> tuple[Implementation, ...]:
        """The rivals that are faster than the kernel by at least half a percent."""
        ratios = {rival: self.speedup(rival) for rival in RIVALS}
        return tuple(rival for rival, ratio in ratios.items() if ratio is not None and round(ratio, 2) < 1)

    def as_dict(self) -> dict[str, object]:
        """Return plain data for JSON."""
        return {
            "op": self.op,
            "case": self.case,
            "bytes": self.bytes,
            "seconds": dict(self.seconds),
            "speedup": {rival: ratio for rival in RIVALS if (ratio := self.speedup(rival)) is not None},
            "gb_per_second": {name: self.bytes / time / 1e9 for name, time in self.seconds.items()},
            "of_copy": {name: self.of_copy(name) for name in self.seconds} if self.copy else {},
            "losses": list(self.losses),
            "unequal": list(self.unequal),
        }


@dataclass(frozen=True)
class Timings:
    """One run of the kernel benchmarks."""

    device: str
    """Name of the GPU, or of the processor if there was no GPU."""
    gpu: bool
    """Whether the benchmarks ran on a GPU."""
    versions: Mapping[str, str]
    """The versions of torch and triton and the commit, as far as the file contains them."""
    comparisons: tuple[Comparison, ...]
    """One for each case, in the order of the file."""

    def as_dict(self) -> dict[str, object]:
        """Return plain data for JSON."""
        run = {"device": self.device, "gpu": self.gpu, "versions": dict(self.versions)}
        return run | {"cases": [comparison.as_dict() for comparison in self.comparisons]}


def read_timings(path: Path) -> Timings:
    """Read a JSON file of pytest-benchmark and skip the rows of other benchmarks.

    Args:
        path: The file.

    Raises:
        ResizeKitError: The file is missing, too large, invalid or contains no kernel benchmarks.
    """
    file, rows = _read(path)
    if not rows:
        raise ResizeKitError(
            f"{path} contains no kernel benchmarks: create it with "
            "`pytest benchmarks/bench_kernels.py --benchmark-json=FILE`"
        )
    cases: dict[tuple[str, str], dict[Implementation, _Row]] = {}
    for row in rows:
        timed = cases.setdefault((row.op, row.case), {})
        if row.implementation in timed:
            raise ResizeKitError(
                f"{path} contains {row.op} {row.case} {row.implementation} twice: use the file of a single run"
            )
        timed[row.implementation] = row
    first = rows[0]
    versions = {"torch": first.torch, "triton": first.triton, "commit": first.commit}
    return Timings(
        device=first.gpu or file.machine_info.processor or "CPU",
        gpu=first.gpu is not None,
        versions={name: value for name, value in versions.items() if value},
        comparisons=tuple(_compare(op, case, timed) for (op, case), timed in cases.items()),
    )


def _read(path: Path) -> tuple[_File, list[_Row]]:
    text = read_untrusted(path, _LARGEST, "a JSON file of pytest-benchmark")
    try:
        file = _File.model_validate_json(text)
        lines = [line for line in file.benchmarks if "implementation" in line.extra_info]
        return file, _ROWS.validate_python([line.extra_info | {"median": line.stats.get("median")} for line in lines])
    except ValidationError as error:
        raise ResizeKitError(f"{path} is not a JSON file of pytest-benchmark ({first_error(error)})") from None


def _compare(op: str, case: str, timed: Mapping[Implementation, _Row]) -> Comparison:
    return Comparison(
        op=op,
        case=case,
        bytes=next(iter(timed.values())).bytes,
        seconds={name: row.median for name, row in timed.items()},
        copy=next((row.of_copy * row.median for row in timed.values() if row.of_copy), None),
        unequal=tuple(name for name, row in timed.items() if row.equal is False),
    )
