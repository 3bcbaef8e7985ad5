"""The engine of folder runs: outcomes, worker processes and their ends."""

import os
import signal
import time
from pathlib import Path

import pytest
import torch

from resizekit.errors import ImageError, UsageError
from resizekit.images.batch import Batch, Job
from resizekit.system.atomic_write import atomic_write, check_target


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    """Let other processes import this module, whatever the command that started the tests."""
    monkeypatch.syspath_prepend(Path(__file__).parents[2])


def act(job, report):
    """Do what the name of the source requests; with several processes, this runs in a worker."""
    report.part(1, 2)
    verb = job.source.name
    if verb.startswith("bad"):
        raise ImageError(f"{job.source} is bad")
    if verb.startswith("bug"):
        raise KeyError("bug")
    check_target(job.output)
    with atomic_write(job.output, overwrite=False) as temporary:
        if verb.startswith("die"):
            os.kill(os.getpid(), signal.SIGKILL)
        if verb.startswith("hang"):
            time.sleep(100)
        temporary.write_text(verb)
    return {"pid": os.getpid(), "threads": torch.get_num_threads()}


def jobs_in(folder, *names):
    return [Job(Path(name), folder / "out" / f"{name}.txt") for name in names]


def written(folder):
    return sorted(path.name for path in (folder / "out").iterdir())


@pytest.mark.parametrize("workers", [1, 2])
def test_failures_are_outcomes(tmp_path, workers):
    events = []
    jobs = jobs_in(tmp_path, "a", "bad", "b")
    outcomes = list(Batch(workers=workers).run(jobs, act, lambda job, event, _: events.append((job, event))))
    by_name = {outcome.job.source.name: outcome for outcome in outcomes}
    assert {name: outcome.status for name, outcome in by_name.items()} == {"a": "done", "bad": "failed", "b": "done"}
    assert str(by_name["bad"].error) == "bad is bad"
    assert written(tmp_path) == ["a.txt", "b.txt"]
    assert {event for _, event in events} == {"begin", "part"}
    assert {job for job, _ in events} == set(jobs)
    assert ({by_name[name].result["pid"] for name in "ab"} == {os.getpid()}) == (workers == 1)


def test_dead_worker_fails_its_picture_only(tmp_path):
    names = ["die1", "a", "die2", "b", "c"]
    outcomes = list(Batch(workers=2, threads=3).run(jobs_in(tmp_path, *names), act))
    assert {outcome.job.source.name: outcome.status for outcome in outcomes} == {
        name: "failed" if "die" in name else "done" for name in names
    }
    error = next(str(outcome.error) for outcome in outcomes if outcome.job.source.name == "die1")
    assert error == "die1: its process died, possibly out of memory: use fewer --jobs (in Python: jobs=)"
    assert {outcome.result["threads"] for outcome in outcomes if outcome.result} == {3}
    assert written(tmp_path) == ["a.txt", "b.txt", "c.txt"], "no temporary file of the dead processes"


def test_stopping_kills_the_workers_and_deletes_their_files(tmp_path, ctrl_c):
    begun, stopped_at = set(), []

    def stop_when_both_write(job, event, _):
        if event == "part":
            begun.add(job.source.name)
        if begun >= {"hang1", "hang2"}:
            give_up = time.monotonic() + 60
            while len(list((tmp_path / "out").glob(".hang*.part"))) < 2 and time.monotonic() < give_up:
                time.sleep(0.01)
            stopped_at.append(time.monotonic())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(Batch(workers=2).run(jobs_in(tmp_path, "a", "hang1", "hang2"), act, stop_when_both_write))
    assert time.monotonic() - stopped_at[0] < 10, "without waiting for the processes"
    assert written(tmp_path) == ["a.txt"]


def test_unexpected_error_of_a_worker_is_raised(tmp_path):
    with pytest.raises(KeyError, match="bug"):
        list(Batch(workers=2).run(jobs_in(tmp_path, "bug", "a"), act))


def test_existing_outputs_are_skipped(tmp_path):
    jobs = jobs_in(tmp_path, "a", "b")
    assert [outcome.status for outcome in Batch().run(jobs[:1], act)] == ["done"]
    assert [outcome.status for outcome in Batch(skip_existing=True).run(jobs, act)] == ["skipped", "done"]
    outcomes = list(Batch().run(jobs, act))
    assert [outcome.status for outcome in outcomes] == ["failed", "failed"]
    assert all(isinstance(outcome.error, UsageError) for outcome in outcomes)


def test_skipped_pictures_leave_no_abandoned_file(tmp_path):
    jobs = jobs_in(tmp_path, "a", "b")
    list(Batch().run(jobs, act))
    abandoned = tmp_path / "out" / ".a.txt.4194305.0123abcd.part"  # no process has this number: Linux allows 4194304
    abandoned.touch()
    assert [outcome.status for outcome in Batch(skip_existing=True).run(jobs, act)] == ["skipped", "skipped"]
    assert written(tmp_path) == ["a.txt", "b.txt"]


def test_output_of_another_process_counts_as_skipped(tmp_path):
    def lose(job, report):
        job.output.write_text("other")
        return act(job, report)

    outcomes = list(Batch(skip_existing=True).run(jobs_in(tmp_path, "a"), lose))
    assert [(outcome.status, outcome.error) for outcome in outcomes] == [("skipped", None)]


def test_empty_new_folders_are_removed(tmp_path):
    (tmp_path / "old").mkdir()
    jobs = [Job(Path("bad"), tmp_path / name / "x.txt") for name in ("old", "new/deep")]
    assert [outcome.status for outcome in Batch().run(jobs, act)] == ["failed", "failed"]
    assert [path.name for path in tmp_path.iterdir()] == ["old"]


def test_lack_of_memory_fails_one_picture(tmp_path):
    def run(job, report):
        if job.source.name == "large":
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")
        return act(job, report)

    outcomes = Batch().run(jobs_in(tmp_path, "large", "a"), run)
    assert [outcome.status for outcome in outcomes] == ["failed", "done"]
