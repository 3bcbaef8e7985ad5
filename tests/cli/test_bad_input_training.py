"""Bad configs, data and outputs of a training: one line of error, and no partial files."""

import pytest

DATA, USAGE = 1, 2
TRAIN = 'task = "sr"\n[network]\nwidth = 8\nblocks = 1\n[train]\ndata = ["data"]\nsteps = 2\nbatch = 1\npatch = 16\n'
CONFIGS = {
    "empty": (b"", "key 'task' is missing"),
    "binary": (bytes(range(256)), "is not TOML"),
    "no TOML": (b"task = = 3", "is not TOML", "line 1"),
    "unknown task": (b'task = "nope"', "no task 'nope'", "sr"),
    "unknown network": (b'task = "sr"\n[config]\nnetwork = "nope"', "no network 'nope'", "tad"),
    "unknown compression": (b'task = "sr"\n[config]\ncompression = "nope"', "no compression 'nope'", "uint8"),
    "unknown table": (b'task = "sr"\n[trian]\nsteps = 3', "trian", "known keys", "train"),
    "unknown key": (TRAIN.replace("steps", "stepps").encode(), "train.stepps", "known keys", "steps"),
    "a budget that is no time": (TRAIN.encode() + b'budget = "soon"', "train.budget = 'soon'", "20 min"),
    "a phase without a share": (TRAIN.encode() + b"phases = [{ patch = 8 }]", "train.phases.0.share", "missing"),
    "an unknown norm": (
        TRAIN.replace("[net", '[config]\nguide_loss = "l3"\n[net').encode(),
        "guide_loss = 'l3'",
        "'rms'",
    ),
    "negative rate": (TRAIN.encode() + b"lr = -1", "train.lr = -1", "greater than 0"),
    "text for a number": (TRAIN.replace("steps = 2", 'steps = "many"').encode(), "train.steps = 'many'", "integer"),
    "no width": (TRAIN.replace("width = 8", "width = 0").encode(), "width = 0", "greater than or equal to 1"),
    "inexact factor": (TRAIN.replace("[net", "[config]\nspec = { s = 2.5 }\n[net").encode(), "spec.s", "exact", "3/2"),
    "patch": (TRAIN.replace("patch = 16", "patch = 15").encode(), "train.patch = 15", "multiple"),
    "patch too large": (TRAIN.replace("patch = 16", "patch = 64").encode(), "each side needs at least 64 pixels"),
    "no data": (TRAIN.replace('"data"', "").encode(), "--data"),
}


@pytest.mark.parametrize(("text", "words"), [(t, w) for t, *w in CONFIGS.values()], ids=CONFIGS)
def test_invalid_configs(cli, complains, nothing_new, picture, workdir, text, words):
    picture("data/a.png")
    (workdir / "run.toml").write_bytes(text)
    with nothing_new(workdir):
        complains(cli("train", "run.toml", "--device", "cpu"), USAGE, *words)


def test_impossible_training_inputs_and_outputs(cli, complains, nothing_new, picture, workdir):
    picture("data/a.png")
    (workdir / "run.toml").write_text(TRAIN)
    (workdir / "bare").mkdir()
    (workdir / "broken").mkdir()
    (workdir / "broken" / "a.png").write_bytes(b"no picture")
    with nothing_new(workdir):
        complains(cli("train", "absent.toml"), USAGE, "cannot read the config absent.toml")
        complains(cli("train", "data"), USAGE, "cannot read the config data", "directory")
        complains(cli("train", "run.toml", "--data", "absent"), DATA, "no file or folder absent")
        complains(cli("train", "run.toml", "--data", "bare"), USAGE, "no usable picture in bare")
        complains(cli("train", "run.toml", "--data", "broken"), USAGE, "1 skipped", "broken/a.png")
        complains(cli("train", "run.toml", "--validation", "bare"), USAGE, "no usable picture in bare")
        complains(cli("train", "run.toml", "--out", "run.toml"), USAGE, "cannot create the folder run.toml")
        complains(cli("train", "run.toml", "--device", "tpu"), USAGE, "'tpu'")
        complains(cli("train", "run.toml", "--budget", ""), USAGE, "command line: budget = ''", "20 min")
        complains(cli("schema", "nope"), USAGE, "no task 'nope'")
    (workdir / "out" / "log.csv").mkdir(parents=True)
    with nothing_new(workdir):
        complains(cli("train", "run.toml", "--out", "out"), DATA, "out/log.csv: Is a directory")
