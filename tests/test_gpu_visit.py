"""The script for a visit to a GPU: order, limits of time, and what a second call does."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))  # the benchmarks share modules without being a package

import gpu_visit  # noqa: E402
from gpu_visit import Step  # noqa: E402

SLOW = "import time; print('started', flush=True); time.sleep(60)"


def python(code):
    return (sys.executable, "-c", code)


@pytest.fixture
def visit(tmp_path, monkeypatch, capsys):
    """Run the script with some steps, and return its lines and visit.json."""

    def visit(*steps, **options):
        monkeypatch.setattr(gpu_visit, "checks", lambda *_: list(steps))
        monkeypatch.setattr(gpu_visit, "GRACE", 2)
        gpu_visit.main(tmp_path, **{"data": None, "validation": None, "device": "cpu", "tiny": True} | options)
        state = tmp_path / "visit.json"
        return capsys.readouterr().out.splitlines(), json.loads(state.read_text()) if state.exists() else {}

    return visit


def test_visit_runs_each_step_once_and_records_failures(visit, tmp_path):
    append = f"open({str(tmp_path / 'ran')!r}, 'a').write('x')"
    steps = Step("good", python(append), 1), Step("bad", python(f"{append}; raise SystemExit(3)"), 1)
    for _ in range(2):
        lines, state = visit(*steps, minutes=25, part_minutes=1)
    assert (tmp_path / "ran").read_text() == "xx"
    assert {name: one["exit_code"] for name, one in state.items()} == {"good": 0, "bad": 3}
    assert lines[-1].startswith("all is done")


def test_visit_interrupts_at_the_limit_and_continues_what_can_resume(visit, monkeypatch):
    steps = Step("too slow", python(SLOW), 0.5), Step("training", python(SLOW), 0.5, resumes=True)
    lines, state = visit(*steps, minutes=25, part_minutes=1)
    assert set(state) == {"too slow"}
    assert state["too slow"]["exit_code"] is None
    assert [line.split()[-1] for line in lines[:2]] == ["interrupted", "interrupted"]
    assert lines[-1] == "left: training; run the same command again"
    lines, state = visit(steps[0], Step("training", python("pass"), 9, resumes=True), minutes=25, part_minutes=1)
    assert state["training"]["exit_code"] == 0


def test_visit_starts_nothing_without_time_for_it(visit):
    lines, state = visit(Step("long", python("pass"), 600), minutes=25, part_minutes=0.05)
    assert not state
    assert lines == ["left: long; run the same command again"]


def test_visit_divides_the_time_among_existing_configs(tmp_path):
    steps = gpu_visit.trainings(tmp_path, 900, ("--device", "cpu"))
    listed = tomllib.loads(gpu_visit.TRAININGS.read_text())["training"]
    assert len(steps) == len(listed) >= 2
    assert sum(float(step.command[step.command.index("--budget") + 1].split()[0]) for step in steps) == 900
    for step in steps:
        assert Path(step.command[4]).is_file()
        assert step.resumes


def test_visit_measures_on_a_cpu_too(tmp_path):
    step = next(step for step in gpu_visit.checks(tmp_path, "cpu", True) if step.name == "latency")
    subprocess.run(step.command, check=True, capture_output=True)
    rows = json.loads((tmp_path / "latency.json").read_text())["rows"]
    assert {"float32", "bfloat16", "float16"} <= {row["how"] for row in rows}
    assert all(row["milliseconds"] > 0 for row in rows)
