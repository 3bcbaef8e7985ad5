"""`Down` and `Up` in pipelines of transforms, in networks, and in the workers of a data loader."""

import copy
import io
import pickle
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import PIL.Image
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

import resizekit

PIXELS = torch.randint(0, 256, (3, 33, 48), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def codec():
    return resizekit.load("sr-x2-fast")


@pytest.fixture
def trainable():
    torch.manual_seed(0)
    codec = resizekit.build("sr", network={"width": 4, "blocks": 1})
    with torch.no_grad():  # the last layers start as zeros
        for parameter in codec.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return codec


def torchvision():
    try:
        from torchvision import tv_tensors
        from torchvision.transforms import v2
    except ImportError:
        pytest.skip("torchvision is not installed")
    except RuntimeError as error:  # it has compiled operators
        pytest.skip(f"torchvision was built for another version of torch: {error}")
    return SimpleNamespace(tv_tensors=tv_tensors, v2=v2)


class Pictures(Dataset):
    """The same picture again and again, through a transform."""

    def __init__(self, transform):
        self.transform = transform

    def __len__(self):
        return 4

    def __getitem__(self, i):
        return self.transform(PIXELS.roll(i, 2))


# --- the same pixels ---------------------------------------------------------------------------


@pytest.mark.parametrize("effort", [0, 1])
def test_modules_equal_the_methods(codec, effort):
    low = resizekit.Down(codec, effort=effort)(PIXELS)
    assert torch.equal(low, codec.down(PIXELS, effort=effort))
    assert torch.equal(resizekit.Up(codec)(low), codec.up(low))
    assert torch.equal(resizekit.Up(codec)(low, size=(48, 33)), codec.up(low, size=(48, 33)))


def test_effort_out_of_range_is_refused_when_it_is_built(codec):
    with pytest.raises(resizekit.ResizeKitError, match="effort 7"):
        resizekit.Down(codec, effort=7)


def test_results_of_integers_can_be_changed_in_place(codec):
    low = codec.down(PIXELS)
    restored = codec.up(low)
    for image in (low, restored):
        assert not image.is_inference()
        image[0] = 0


COPIES = {
    "pickle": lambda module: pickle.loads(pickle.dumps(module)),  # noqa: S301
    "deepcopy": copy.deepcopy,
    "torch.save": lambda module: _saved(module),
}


def _saved(module):
    file = io.BytesIO()
    torch.save(module, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


@pytest.mark.parametrize("how", COPIES)
def test_copies_return_the_same_pixels(codec, how):
    down, up = COPIES[how](nn.ModuleList([resizekit.Down(codec, effort=1), resizekit.Up(codec)]))
    low = codec.down(PIXELS, effort=1)
    assert torch.equal(down(PIXELS), low)
    assert torch.equal(up(low), codec.up(low))


def test_state_dict_holds_the_weights(codec, trainable):
    down = resizekit.Down(trainable)
    other = resizekit.Down(resizekit.build("sr", network={"width": 4, "blocks": 1}))
    assert not torch.equal(other(PIXELS), down(PIXELS))
    other.load_state_dict(down.state_dict())
    assert torch.equal(other(PIXELS), down(PIXELS))
    assert list(down.state_dict()) == [f"codec.{name}" for name in trainable.state_dict()]


# --- frozen ------------------------------------------------------------------------------------


def test_weights_are_a_frozen_copy(trainable):
    down = resizekit.Down(trainable)
    low = down(PIXELS)
    with torch.no_grad():
        for parameter in trainable.parameters():
            parameter.add_(1)
    assert torch.equal(down(PIXELS), low)
    assert all(parameter.requires_grad for parameter in trainable.parameters())
    assert not any(parameter.requires_grad for parameter in down.parameters())
    assert trainable.training


def test_train_does_not_change_inference():
    codec = resizekit.build("sr", compression="round", network={"width": 4, "blocks": 1})
    high = PIXELS[None, :, :32] / 255
    model = nn.Sequential(resizekit.Down(codec), resizekit.Up(codec))
    assert not torch.equal(codec.down(high), model[0](high)), "a codec in training does not round"
    low, restored = model[0](high), model(high)
    model.train()
    assert model[0].training
    assert not any(module.training for module in model[0].codec.modules())
    assert torch.equal(model[0](high), low)
    assert torch.equal(model(high), restored)


def test_gradient_reaches_the_input_and_no_weight_changes(codec):
    down = resizekit.Down(codec)
    model = nn.Sequential(down, nn.Conv2d(3, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()).train()
    high = (PIXELS[None] / 255).requires_grad_()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.1)
    before = [parameter.clone() for parameter in model.parameters()]
    nn.functional.cross_entropy(model(high), torch.tensor([1])).backward()
    optimizer.step()
    assert high.grad.abs().sum() > 0
    changed = [not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True)]
    assert changed == [False] * len(list(down.parameters())) + [True, True]
    assert down.codec.digest == codec.digest


# --- data loaders ------------------------------------------------------------------------------


@pytest.mark.parametrize("context", ["spawn", "fork"])
@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
def test_data_loader_workers_return_the_same_pixels(codec, context, monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[2])  # the workers import this module
    loader = DataLoader(
        Pictures(resizekit.Down(codec)), batch_size=2, num_workers=1, multiprocessing_context=context, timeout=100
    )
    expected = torch.stack([codec.down(PIXELS.roll(i, 2)) for i in range(4)])
    assert torch.equal(torch.cat(list(loader)), expected)


# --- other libraries ---------------------------------------------------------------------------


def test_torchvision_keeps_the_type_and_passes_labels(codec):
    tv = torchvision()
    image, expected = tv.tv_tensors.Image(PIXELS), codec.down(PIXELS)
    low = tv.v2.Compose([resizekit.Down(codec), tv.v2.RandomHorizontalFlip(1.0)])(image)
    assert (type(low), low.dtype) == (tv.tv_tensors.Image, torch.uint8)
    assert torch.equal(low, expected.flip(2))
    low, label = tv.v2.Lambda(resizekit.Down(codec), tv.tv_tensors.Image)(image, 3)
    assert (type(low), label) == (tv.tv_tensors.Image, 3)
    assert torch.equal(low, expected)
    restored = resizekit.Up(codec)(low)
    assert (type(restored), restored.shape) == (tv.tv_tensors.Image, (3, 34, 48))


def test_torchvision_keeps_floats_videos_and_pil_images(codec):
    tv = torchvision()
    down = tv.v2.Compose([resizekit.Down(codec)])
    video = tv.tv_tensors.Video(PIXELS[None].repeat(2, 1, 1, 1))
    assert (type(down(video)), down(video).shape) == (tv.tv_tensors.Video, (2, 3, 17, 24))
    image = down(tv.tv_tensors.Image(PIXELS / 255))
    assert (type(image), image.dtype) == (tv.tv_tensors.Image, torch.float32)
    assert down(PIL.Image.new("RGBA", (48, 33))).mode == "RGBA"


def test_albumentations_transforms_arrays(codec, monkeypatch):
    monkeypatch.setenv("NO_ALBUMENTATIONS_UPDATE", "1")
    albumentations = pytest.importorskip("albumentations", reason="albumentations is not installed")
    array, down = PIXELS.permute(1, 2, 0).numpy(), resizekit.Down(codec)

    class Small(albumentations.ImageOnlyTransform):
        def apply(self, img, **_):
            return down(img)

    pipeline = albumentations.Compose([Small(p=1), albumentations.HorizontalFlip(p=1)])
    assert np.array_equal(pipeline(image=array)["image"], codec.down(array)[:, ::-1])


def test_kornia_sequence_passes_gradients(codec):
    kornia = pytest.importorskip("kornia.augmentation", reason="kornia is not installed")
    high = (PIXELS[None] / 255).requires_grad_()
    low = kornia.ImageSequential(kornia.RandomHorizontalFlip(p=1.0), resizekit.Down(codec))(high)
    assert torch.equal(low, codec.down(high.flip(3)))
    low.sum().backward()
    assert high.grad.abs().sum() > 0
