"""Train one side and freeze the other: decoders on bicubic, with an encoder, and on a frozen encoder's pictures."""

import pytest
import torch

from resizekit import load
from resizekit.errors import ConfigError
from resizekit.training.loop import train

DECODERS = {"edsr": {"width": 8, "blocks": 1}, "vdsr": {"width": 8, "layers": 3}, "tad": {"width": 8, "blocks": 1}}


def with_decoder(run, name, encoder=None, **settings):
    """Return the same config with a different decoder."""
    config = run.config | {"network": name} | settings | ({"encoder": encoder} if encoder else {})
    options = {"width": 8, "blocks": 1} if encoder not in (None, "none") else {}
    return run.model_copy(update={"config": config, "network": DECODERS[name], "encoder": options})


@pytest.fixture(scope="module")
def trained(tmp_path_factory, pictures):
    """Weights file of a trained pair."""
    from resizekit.recipes.config import RunConfig

    settings = {"data": [pictures], "steps": 6, "batch": 2, "patch": 16, "warmup": 2, "log": "none", "lr": 5e-3}
    run = RunConfig(task="sr", network={"width": 8, "blocks": 1}, train=settings)
    return train(run, tmp_path_factory.mktemp("pair")).weights


@pytest.mark.parametrize("name", DECODERS)
def test_decoder_learns_alone_on_bicubic_pictures(recipe, pictures, tmp_path, name):
    result = train(with_decoder(recipe(validation=[pictures]), name, "none"), tmp_path)
    codec = load(result.weights)
    assert codec.encoder is None
    assert result.header.metrics["low_rgb"] > 50  # equal to bicubic, except for rounding
    first = train(with_decoder(recipe(steps=1, lr=1e-12), name, "none"), tmp_path / "first")
    assert load(first.weights).digest != codec.digest


@pytest.mark.parametrize("name", ["edsr", "vdsr"])
def test_encoder_and_decoder_learn_jointly(recipe, tmp_path, name):
    few, more = (
        load(train(with_decoder(recipe(steps=steps), name, "tad"), tmp_path / str(steps)).weights) for steps in (1, 4)
    )
    for side in ("encoder", "decoder"):
        pairs = zip(getattr(few, side).parameters(), getattr(more, side).parameters(), strict=True)
        assert any(not torch.equal(before, after) for before, after in pairs), side


@pytest.mark.parametrize("name", ["edsr", "vdsr"])
@pytest.mark.parametrize("optimizer", ["adam", "muon"])
def test_frozen_encoder_keeps_every_bit(recipe, trained, tmp_path, name, optimizer):
    settings = {"start": str(trained), "start_side": "encoder", "freeze": "encoder", "optimizer": optimizer}
    run = with_decoder(recipe(**settings, steps=6, lr=5e-3, ema=0.9), name, "tad")
    result = train(run, tmp_path)
    codec, before = load(result.weights), load(trained)
    for trained_weight, weight in zip(codec.encoder.parameters(), before.encoder.parameters(), strict=True):
        assert torch.equal(trained_weight, weight)
    picture = torch.rand(1, 3, 16, 16)
    assert torch.equal(codec.down(picture), before.down(picture))
    training = result.header.training
    assert (training["freeze"], training["start_side"], training["start"]) == ("encoder", "encoder", trained.stem)


def test_resume_of_a_frozen_training_is_exact(recipe, trained, tmp_path, interrupt_after):
    settings = {"start": str(trained), "start_side": "encoder", "freeze": "encoder"}
    run = with_decoder(recipe(**settings, steps=6), "edsr", "tad")
    expected = train(run, tmp_path / "straight").header.digest
    assert train(run, tmp_path / "broken", progress=interrupt_after(3)).steps == 3
    assert train(run, tmp_path / "broken").header.digest == expected


def test_frozen_decoder_keeps_every_bit(recipe, trained, tmp_path):
    codec, before = load(train(recipe(start=str(trained), freeze="decoder"), tmp_path).weights), load(trained)
    assert all(torch.equal(*pair) for pair in zip(codec.decoder.parameters(), before.decoder.parameters(), strict=True))
    assert codec.digest != before.digest


def test_start_side_copies_only_that_side(recipe, trained, tmp_path):
    run = recipe(start=str(trained), start_side="decoder", steps=1, lr=1e-12, ema=0.0)
    codec, before = load(train(run, tmp_path).weights), load(trained)
    torch.testing.assert_close(codec.decoder.state_dict(), before.decoder.state_dict(), atol=1e-6, rtol=0)
    tail = codec.encoder.tail.weight
    assert tail.abs().max() < 1e-6 < before.encoder.tail.weight.abs().max()


@pytest.mark.parametrize(
    ("config", "change", "message"),
    [
        (
            {},
            {"freeze": "encoder", "start": None},
            "train.freeze = 'encoder' needs initial weights, but train.start is not set",
        ),
        ({}, {"start_side": "encoder", "start": None}, "train.start_side = 'encoder' needs initial weights, .*set it"),
        ({"encoder": "none"}, {"freeze": "encoder"}, "the encoder of this codec has no weights"),
        ({"encoder": "none"}, {"freeze": "decoder"}, "nothing to train"),
        ({}, {"freeze": "encoder", "target_low_psnr": 38.0}, "target_low_psnr needs an encoder that is trained"),
        (
            {"encoder": "none"},
            {"start": None, "target_low_psnr": 38.0},
            "needs an encoder that is trained; remove target_low_psnr",
        ),
        ({"channels": 1}, {"freeze": "encoder"}, "the encoder of these weights does not match the config's"),
        (
            {},
            {"freeze": "encoder", "start_side": "decoder"},
            "the encoder of these weights does not match the config's",
        ),
        (
            {"channels": 1},
            {"start_side": "encoder", "start_strict": True},
            "these weights belong to a different network",
        ),
    ],
    ids=str,
)
def test_invalid_freeze_is_refused_before_anything_is_written(recipe, trained, tmp_path, config, change, message):
    run = recipe(config, **{"start": str(trained), "start_strict": False} | change)
    with pytest.raises(ConfigError, match=message) as caught:
        train(run, tmp_path / "run")
    assert len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_freeze_is_refused_if_both_sides_share_their_weights(recipe, tmp_path):
    run = recipe({"network": "invertible"}, steps=1).model_copy(update={"network": {"width": 8, "couplings": 1}})
    start = train(run, tmp_path / "own").weights
    settings = run.train.model_copy(update={"start": str(start), "freeze": "encoder"})
    with pytest.raises(ConfigError, match="encoder and decoder of network 'invertible' share their weights"):
        train(run.model_copy(update={"train": settings}), tmp_path / "run")
