"""A resumed training names changed pictures, and does not mind moved or renamed files."""

import shutil

import numpy as np
import pytest
from PIL import Image

from resizekit.training.loop import train
from resizekit.training.pictures import Pictures, fingerprint
from resizekit.training.resume import ResumeWarning


@pytest.fixture
def data(pictures, tmp_path):
    return shutil.copytree(pictures, tmp_path / "data")


def add(folder):
    Image.new("RGB", (32, 32)).save(folder / "3.png")


def remove(folder):
    (folder / "2.png").unlink()


def edit(folder):
    with Image.open(folder / "1.png") as image:
        pixels = np.array(image)
    Image.fromarray(255 - pixels).save(folder / "1.png")


@pytest.mark.parametrize(("change", "now"), [(add, 4), (remove, 2), (edit, 3)], ids=["add", "remove", "edit"])
def test_changed_pictures_are_named_and_training_continues(recipe, data, tmp_path, interrupt_after, change, now):
    config, out = recipe(data=[data], steps=6), tmp_path / "run"
    train(config, out, progress=interrupt_after(2))
    change(data)
    message = (
        rf"^the training pictures or their order have changed since step 2 \(3 pictures then, {now} now\); "
        r"the training continues with the current pictures$"
    )
    with pytest.warns(ResumeWarning, match=message) as warned:
        assert train(config, out, progress=interrupt_after(4)).steps == 4
    assert len(warned) == 1
    assert train(config, out).steps == 6  # the new state knows the current pictures: a warning would be an error


def test_moved_and_renamed_pictures_are_the_same(recipe, data, tmp_path, interrupt_after, straight, pictures):
    out = tmp_path / "run"
    train(recipe(data=[data], steps=6), out, progress=interrupt_after(2))
    moved = data.rename(tmp_path / "moved")
    for path in list(moved.iterdir()):
        path.rename(moved / f"photo-{path.name}")
    result = train(recipe(data=[moved], steps=6), out)
    assert result.header.digest == straight(recipe(data=[pictures], steps=6))[1].header.digest


def test_finish_does_not_need_the_same_pictures(recipe, data, tmp_path, interrupt_after):
    config, out = recipe(data=[data], steps=6), tmp_path / "run"
    train(config, out, progress=interrupt_after(2))
    add(data)
    assert train(config, out, finish=True).steps == 2


def test_fingerprint_depends_on_order_shape_and_values():
    a, b = np.zeros((100, 100, 3), np.uint8), np.ones((100, 100, 3), np.uint8)
    lists = ([a, b], [b, a], [a], [a, b, b], [a.reshape(50, 200, 3), b], [a, b + 1])
    assert len({fingerprint(Pictures.of(pictures).digests) for pictures in lists}) == len(lists)
    assert fingerprint(Pictures.of([a.copy(), b.copy()]).digests) == fingerprint(Pictures.of([a, b]).digests)
