"""One side learns, the other stays: decoders on bicubic, with an encoder, on the small pictures of a trained one."""

import pytest
import torch

from resizekit import load
from resizekit.errors import ConfigError
from resizekit.training.loop import train

DECODERS = {"edsr": {"width": 8, "blocks": 1}, "vdsr": {"width": 8, "layers": 3}, "tad": {"width": 8, "blocks": 1}}


def with_decoder(run, name, encoder=None, **config):
    """The same run with another way up."""
    said = run.config | {"network": name} | config | ({"encoder": encoder} if encoder else {})
    options = {"width": 8, "blocks": 1} if encoder not in (None, "none") else {}
    return run.model_copy(update={"config": said, "network": DECODERS[name], "encoder": options})


@pytest.fixture(scope="module")
def trained(tmp_path_factory, pictures):
    """A trained pair to start with: the file."""
    from resizekit.recipes.config import RunConfig

    settings = {"data": [pictures], "steps": 6, "batch": 2, "patch": 16, "warmup": 2, "log": "none", "lr": 5e-3}
    run = RunConfig(task="sr", network={"width": 8, "blocks": 1}, train=settings)
    return train(run, tmp_path_factory.mktemp("pair")).weights


@pytest.mark.parametrize("name", DECODERS)
def test_on_bicubic_pairs_the_decoder_alone_learns(recipe, pictures, tmp_path, name):
    result = train(with_decoder(recipe(validation=[pictures]), name, "none"), tmp_path)
    codec = load(result.weights)
    assert codec.encoder is None
    assert result.header.metrics["low_rgb"] > 50  # bicubic's, but for rounding between its two passes
    first = train(with_decoder(recipe(steps=1, lr=1e-12), name, "none"), tmp_path / "first")
    assert load(first.weights).digest != codec.digest


@pytest.mark.parametrize("name", ["edsr", "vdsr"])
def test_jointly_with_an_encoder_both_learn(recipe, tmp_path, name):
    few, more = (
        load(train(with_decoder(recipe(steps=steps), name, "tad"), tmp_path / str(steps)).weights) for steps in (1, 4)
    )
    for side in ("encoder", "decoder"):
        pairs = zip(getattr(few, side).parameters(), getattr(more, side).parameters(), strict=True)
        assert any(not torch.equal(one, other) for one, other in pairs), side


@pytest.mark.parametrize("name", ["edsr", "vdsr"])
@pytest.mark.parametrize("optimizer", ["adam", "muon"])
def test_on_frozen_small_pictures_the_encoder_keeps_every_bit(recipe, trained, tmp_path, name, optimizer):
    settings = {"start": str(trained), "start_side": "encoder", "freeze": "encoder", "optimizer": optimizer}
    run = with_decoder(recipe(**settings, steps=6, lr=5e-3, ema=0.9), name, "tad")
    result = train(run, tmp_path)
    codec, before = load(result.weights), load(trained)
    for one, other in zip(codec.encoder.parameters(), before.encoder.parameters(), strict=True):
        assert torch.equal(one, other)
    picture = torch.rand(1, 3, 16, 16)
    assert torch.equal(codec.down(picture), before.down(picture))
    told = result.header.training
    assert (told["freeze"], told["start_side"], told["start"]) == ("encoder", "encoder", trained.stem)


def test_a_frozen_run_resumes_exactly(recipe, trained, tmp_path):
    import signal

    def at_three(step, figures):
        if step == 3:
            signal.raise_signal(signal.SIGINT)

    settings = {"start": str(trained), "start_side": "encoder", "freeze": "encoder"}
    run = with_decoder(recipe(**settings, steps=6), "edsr", "tad")
    wanted = train(run, tmp_path / "straight").header.digest
    assert train(run, tmp_path / "broken", progress=at_three).steps == 3
    assert train(run, tmp_path / "broken").header.digest == wanted


def test_a_decoder_may_be_what_stays(recipe, trained, tmp_path):
    codec, before = load(train(recipe(start=str(trained), freeze="decoder"), tmp_path).weights), load(trained)
    assert all(torch.equal(*pair) for pair in zip(codec.decoder.parameters(), before.decoder.parameters(), strict=True))
    assert codec.digest != before.digest


def test_a_side_alone_is_taken_from_the_start_whatever_else_would_fit(recipe, trained, tmp_path):
    run = recipe(start=str(trained), start_side="decoder", steps=1, lr=1e-12, ema=0.0)
    codec, before = load(train(run, tmp_path).weights), load(trained)
    torch.testing.assert_close(codec.decoder.state_dict(), before.decoder.state_dict(), atol=1e-6, rtol=0)
    tail = codec.encoder.tail.weight
    assert tail.abs().max() < 1e-6 < before.encoder.tail.weight.abs().max()


@pytest.mark.parametrize(
    ("config", "change", "words"),
    [
        ({}, {"freeze": "encoder", "start": None}, "train.freeze = 'encoder' speaks of the weights of train.start"),
        ({}, {"start_side": "encoder", "start": None}, "train.start_side = 'encoder' speaks of .*name some"),
        ({"encoder": "none"}, {"freeze": "encoder"}, "the encoder of this codec has no weights"),
        ({"encoder": "none"}, {"freeze": "decoder"}, "nothing is left to learn"),
        ({}, {"freeze": "encoder", "target_low_psnr": 38.0}, "steers low towards its guide, and no encoder learns"),
        ({"encoder": "none"}, {"start": None, "target_low_psnr": 38.0}, "no encoder learns here; leave it out"),
        ({"channels": 1}, {"freeze": "encoder"}, "the encoder of these weights is not the config's"),
        ({}, {"freeze": "encoder", "start_side": "decoder"}, "the encoder of these weights is not the config's"),
        ({"channels": 1}, {"start_side": "encoder", "start_strict": True}, "these weights are of other networks"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused_before_anything_is_written(recipe, trained, tmp_path, config, change, words):
    run = recipe(config, **{"start": str(trained), "start_strict": False} | change)
    with pytest.raises(ConfigError, match=words) as caught:
        train(run, tmp_path / "run")
    assert len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_sides_of_one_set_of_weights_cannot_part(recipe, tmp_path):
    run = recipe({"network": "invertible"}, steps=1).model_copy(update={"network": {"width": 8, "couplings": 1}})
    start = train(run, tmp_path / "own").weights
    settings = run.train.model_copy(update={"start": str(start), "freeze": "encoder"})
    with pytest.raises(ConfigError, match="both sides of network 'invertible' are one set of weights"):
        train(run.model_copy(update={"train": settings}), tmp_path / "run")
