"""Packs: the same training as from the files, written atomically, from files and from memory."""

import io
import json
import re
import shutil
import tarfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import resizekit
from resizekit.errors import ConfigError, ImageError, UsageError
from resizekit.recipes.config import RunConfig, validate
from resizekit.training import Steps
from resizekit.training.crops import Crops
from resizekit.training.data import collect_pictures
from resizekit.training.loop import train
from resizekit.training.pack_file import PackFile


@pytest.fixture
def data(pictures, tmp_path):
    """Return a folder with colour, grey, transparent, 16-bit, small and broken pictures."""
    folder = shutil.copytree(pictures, tmp_path / "data")
    random = np.random.default_rng(9)
    Image.fromarray(random.integers(0, 256, (33, 47), np.uint8)).save(folder / "grey.png")
    Image.fromarray(random.integers(0, 256, (40, 40, 4), np.uint8)).save(folder / "transparent.png")
    Image.fromarray(random.integers(0, 65536, (36, 40), np.uint16)).save(folder / "deep.png")
    Image.fromarray(random.integers(0, 256, (9, 50, 3), np.uint8)).save(folder / "narrow.png")
    (folder / "broken.png").write_bytes(b"no picture")
    return folder


def arrays(pictures):
    return [np.array(pictures[i]) for i in range(len(pictures))]


def assert_equal(first, second):
    assert len(first) == len(second)
    assert all(np.array_equal(a, b) for a, b in zip(arrays(first), arrays(second), strict=True))
    assert np.array_equal(first.digests, second.digests)


@pytest.mark.parametrize("task", ["sr", "colorize"])
def test_training_from_a_pack_equals_one_from_the_folder(data, tmp_path, task):
    def run(source, out):
        settings = {"data": [source], "steps": 4, "batch": 2, "patch": 16, "precision": "float32", "log": "none"}
        raw = {"task": task, "network": {"width": 8, "blocks": 1}, "train": settings}
        return train(validate(RunConfig, raw, where="test"), tmp_path / out, device="cpu")

    resizekit.training.pack([data], tmp_path / "a.pack")
    folder, pack = run(data, "folder"), run(tmp_path / "a.pack", "pack")
    assert folder.header.digest == pack.header.digest
    assert folder.header.training["pictures"] == pack.header.training["pictures"] == (6 if task == "sr" else 4)


def test_training_resumes_from_a_pack_without_a_warning(recipe, data, straight, tmp_path, interrupt_after):
    resizekit.training.pack([data], tmp_path / "a.pack")
    expected = straight(recipe(data=[data], steps=6))[1].header.digest
    train(recipe(data=[data], steps=6), tmp_path / "run", progress=interrupt_after(3))
    assert train(recipe(data=[tmp_path / "a.pack"], steps=6), tmp_path / "run").header.digest == expected


@pytest.mark.parametrize(("channels", "folds", "smallest"), [(3, False, 1), (3, True, 1), (1, False, 1), (3, True, 36)])
def test_pack_holds_the_pictures_that_a_folder_gives(data, tmp_path, channels, folds, smallest):
    packed = resizekit.training.pack([data], tmp_path / "a.pack", channels=channels)
    settings = {"folds": folds, "smallest": smallest}
    folder, _ = collect_pictures([data], channels, **settings)
    pack, skipped = collect_pictures([tmp_path / "a.pack"], channels, **settings)
    assert pack.is_mapped
    assert not folder.is_mapped
    assert_equal(pack, folder)
    assert packed.bytes == (tmp_path / "a.pack").stat().st_size
    (line,) = packed.skipped
    assert line.startswith(f"{data / 'broken.png'} is not a picture")
    assert PackFile(tmp_path / "a.pack").skipped == packed.skipped
    named = [f"{tmp_path / 'a.pack'}: 2 of its pictures: each is grey"] if folds else []
    small = {1: 0, 36: 3}[smallest]
    named += [f"{tmp_path / 'a.pack'}: {small} of its pictures: each has a side below"] if small else []
    assert len(skipped) == len(named)
    assert all(line.startswith(start) for line, start in zip(skipped, named, strict=True))


def test_packs_and_folders_can_be_combined(data, pictures, tmp_path):
    resizekit.training.pack([data], tmp_path / "a.pack")
    resizekit.training.pack(pictures, tmp_path / "b.pack")
    joined, _ = collect_pictures([tmp_path / "a.pack", pictures, tmp_path / "b.pack"], 3)
    sources = pictures, data, pictures  # files first
    expected = [picture for source in sources for picture in arrays(collect_pictures([source], 3)[0])]
    for picture, other in zip(arrays(joined), expected, strict=True):
        assert np.array_equal(picture, other)


def test_images_in_memory_equal_their_files(data, tmp_path):
    names = ["0.png", "1.png", "grey.png", "narrow.png"]
    files = resizekit.training.pack([data / name for name in names], tmp_path / "files.pack")
    images = (Image.open(data / name) for name in names)
    pils = resizekit.training.pack(images, tmp_path / "images.pack")
    values = resizekit.training.pack((np.array(Image.open(data / name)) for name in names), tmp_path / "arrays.pack")
    assert files.pictures == pils.pictures == values.pictures == 4
    contents = {path.name: path.read_bytes() for path in tmp_path.glob("*.pack")}
    assert contents["files.pack"] == contents["images.pack"] == contents["arrays.pack"]


def test_images_in_memory_that_cannot_be_used_are_numbered(tmp_path):
    broken = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(broken, "png")
    sources = [
        Image.new("LAB", (8, 8)),
        np.zeros((8, 8, 3), np.float32),
        Image.open(io.BytesIO(broken.getvalue()[:2000])),
        np.zeros((8, 8, 4), np.uint8),
        np.zeros((8, 8), np.uint8),
    ]
    packed = resizekit.training.pack(sources, tmp_path / "a.pack")
    assert packed.pictures == 1
    assert [line.split(":")[0].split(" has")[0] for line in packed.skipped] == [f"picture {n}" for n in (1, 2, 3, 4)]
    assert "use image.convert('RGB')" in packed.skipped[0]
    assert all("\n" not in line for line in packed.skipped)


def test_cubes_and_deep_pictures_are_rounded_to_8_bits(tmp_path):
    random = np.random.default_rng(0)
    deep, floats = random.integers(0, 65536, (8, 10, 31), np.uint16), random.random((6, 7, 31), np.float32)
    np.save(tmp_path / "a.npy", deep)
    np.save(tmp_path / "b.npy", floats)
    sources = [tmp_path / "a.npy", tmp_path / "b.npy"]
    packed = resizekit.training.pack(sources, tmp_path / "a.pack", channels=31)
    assert (packed.pictures, len(packed.skipped)) == (1, 1)
    assert "--value-range" in packed.skipped[0]
    resizekit.training.pack(sources[1], tmp_path / "b.pack", channels=31, value_range=(0, 1))
    pictures, _ = collect_pictures([tmp_path / "a.pack", tmp_path / "b.pack"], 31)
    assert np.abs(np.int64(pictures[0]) - deep / 257).max() <= 0.5
    assert np.array_equal(pictures[1], np.rint(floats * np.float32(255)).astype(np.uint8))


def test_other_number_of_channels_names_the_option(data, tmp_path):
    resizekit.training.pack(data, tmp_path / "a.pack")
    with pytest.raises(ConfigError, match=r"3 channels, and the codec takes 1: write it again with --channels 1"):
        collect_pictures([tmp_path / "a.pack"], 1)
    with pytest.raises(ConfigError, match=r"no usable picture in .*a\.pack .*7 of its pictures: each has a side below"):
        collect_pictures([tmp_path / "a.pack"], 3, smallest=100)


def test_failed_pack_leaves_no_file_and_keeps_the_old_one(data, tmp_path):
    out = tmp_path / "out" / "a.pack"
    out.parent.mkdir()

    def failing():
        yield np.zeros((8, 8, 3), np.uint8)
        raise RuntimeError("the source failed")

    with pytest.raises(RuntimeError, match="the source failed"):
        resizekit.training.pack(failing(), out)
    assert not list(out.parent.iterdir())
    resizekit.training.pack(data, out)
    before = out.read_bytes()
    with pytest.raises(UsageError, match=r"a\.pack exists: .*--overwrite"):
        resizekit.training.pack(data, out)
    with pytest.raises(RuntimeError, match="the source failed"):
        resizekit.training.pack(failing(), out, overwrite=True)
    with pytest.raises(ConfigError, match=r"no usable picture for .*a\.pack \(1 skipped, for example: "):
        resizekit.training.pack(data / "broken.png", out, overwrite=True)
    assert [path.name for path in out.parent.iterdir()] == ["a.pack"]
    assert out.read_bytes() == before


def test_overwritten_pack_does_not_change_one_that_is_in_use(data, tmp_path):
    out = tmp_path / "a.pack"
    resizekit.training.pack(data, out)
    pictures, _ = collect_pictures([out], 3)
    expected = arrays(pictures)
    resizekit.training.pack(np.zeros((8, 8, 3), np.uint8), out, overwrite=True)
    assert all(np.array_equal(a, b) for a, b in zip(arrays(pictures), expected, strict=True))
    assert len(collect_pictures([out], 3)[0]) == 1


@pytest.mark.parametrize("name", ["a.bin", "pack", "a.pack.txt"])
def test_other_suffix_is_refused(data, tmp_path, name):
    with pytest.raises(UsageError, match=r"name a file that ends in \.pack"):
        resizekit.training.pack(data, tmp_path / name)


def test_missing_source_is_refused(tmp_path):
    with pytest.raises(ImageError, match="no file or folder"):
        resizekit.training.pack(tmp_path / "absent", tmp_path / "a.pack")
    with pytest.raises(ImageError, match=r"cannot read .*absent\.pack"):
        collect_pictures([tmp_path / "absent.pack"], 3)


def test_command_prints_sizes_and_skipped_files(cli, data, tmp_path):
    out = tmp_path / "a.pack"
    done = cli("pack", data, out)
    assert done.code == 0
    assert done.err.splitlines()[0] == "8 pictures, about 0.0 MB decoded"
    assert f"skipped: {data / 'broken.png'} is not a picture" in done.err
    assert done.out == f"{out}  7 pictures, 0.0 MB, 1 skipped\n"
    again = cli("pack", data, out)
    assert again.code == 2
    assert "--overwrite" in again.err
    assert cli("pack", data, out, "--overwrite", "--channels", "1").code == 0
    assert PackFile(out).channels == 1


def test_info_describes_a_pack(cli, data, tmp_path):
    out = tmp_path / "a.pack"
    packed = resizekit.training.pack(data, out)
    fields = json.loads(cli("info", out, "--json").out)
    assert (fields["pictures"], fields["grey"], fields["bytes"]) == (7, 2, packed.bytes)
    assert (fields["version"], fields["channels"], fields["skipped"]) == (1, 3, packed.skipped)
    assert len(cli("info", out).out.splitlines()) == len(fields)


def traced(work):
    """Return the memory that remains and the peak, in bytes."""
    tracemalloc.start()
    try:
        result = work()
        return tracemalloc.get_traced_memory(), result
    finally:
        tracemalloc.stop()


def test_folder_takes_the_memory_of_its_pixels_once(recipe, tmp_path):
    sides = (500, 600)
    for i in range(6):
        Image.fromarray(np.full((*sides, 3), i, np.uint8)).save(tmp_path / f"{i}.png")
    pixels = 6 * 500 * 600 * 3
    (remaining, peak), pictures = traced(lambda: collect_pictures([tmp_path], 3)[0])
    assert pixels <= remaining < 1.1 * pixels
    assert peak < 1.1 * pixels + 2 * pixels / 6  # and the picture that is decoded
    steps = Steps.open(recipe(data=[tmp_path]), tmp_path / "run", device="cpu")
    assert isinstance(steps._session.source, type(pictures))  # no copy of all pictures in a tensor


def test_pack_takes_no_memory_for_its_pixels(tmp_path):
    resizekit.training.pack([np.zeros((3000, 3000, 3), np.uint8)], tmp_path / "a.pack")

    def draw():
        pictures, _ = collect_pictures([tmp_path / "a.pack"], 3)
        return Crops(pictures, patch=32, seed=0).batch(0, 4)

    (_, peak), batch = traced(draw)
    assert batch.shape == (4, 3, 32, 32)
    assert peak < 1_000_000


def test_pack_larger_than_the_disk_is_refused_before_it_is_written(cli, data, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(10, 5, 1000))
    done = cli("pack", data, tmp_path / "a.pack")
    assert done.code == 2
    assert "has 0.0 GB free" in done.err
    assert not (tmp_path / "a.pack").exists()


def documented(having):
    """Return the block of the documentation that contains a text."""
    page = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")
    (source,) = [block for block in re.findall(r"^```py\n(.*?)^```", page, re.DOTALL | re.MULTILINE) if having in block]
    assert sum(bool(line) for line in source.splitlines()) <= 10
    return source


def test_documented_paths_can_be_packed(data, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    data.rename(tmp_path / "photos")
    (tmp_path / "more-photos").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "more-photos" / "a.png")
    exec(documented("more-photos"), {})  # noqa: S102 - a block of the project\'s own page
    assert capsys.readouterr().out.startswith("8 ")


def test_documented_webdataset_shard_can_be_packed(data, tmp_path, monkeypatch):
    names = ["0.png", "1.png", "2.png"]
    monkeypatch.chdir(tmp_path)
    with tarfile.open("shard-000000.tar", "w") as tar:
        for name in names:
            tar.add(data / name, name)
            info = tarfile.TarInfo(f"{name}.json")
            tar.addfile(info, io.BytesIO())
    exec(documented("tarfile"), {})  # noqa: S102 - a block of the project\'s own page
    assert_equal(collect_pictures([tmp_path / "photos.pack"], 3)[0], collect_pictures([data / n for n in names], 3)[0])


def test_documented_hugging_face_dataset_can_be_packed(data, tmp_path, monkeypatch):
    for name in ("HF_HOME", "HF_DATASETS_CACHE"):
        monkeypatch.setenv(name, str(tmp_path / "cache"))
    datasets = pytest.importorskip("datasets", reason="needs the package datasets")
    files = [str(data / name) for name in ("0.png", "1.png", "grey.png")]
    rows = datasets.Dataset.from_dict({"image": files}).cast_column("image", datasets.Image())
    monkeypatch.setattr(datasets, "load_dataset", lambda name, split: rows)
    monkeypatch.chdir(tmp_path)
    exec(documented("load_dataset"), {})  # noqa: S102 - a block of the project\'s own page
    assert_equal(collect_pictures([tmp_path / "photos.pack"], 3)[0], collect_pictures(map(Path, files), 3)[0])
