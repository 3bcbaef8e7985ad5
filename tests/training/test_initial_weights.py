"""Start a training from trained weights: copied layers, recorded provenance, refused networks."""

import pytest
import torch

from resizekit import load
from resizekit.errors import ConfigError, ResizeKitError
from resizekit.training.loop import train


def wider(run):
    return run.model_copy(update={"network": {"width": 16, "blocks": 1}})


def test_start_weights_and_their_provenance_are_recorded(recipe, straight, tmp_path):
    folder, first = straight(recipe())
    weights = str(folder / "weights.safetensors")
    result = train(recipe(start=weights, steps=1, lr=1e-9, ema=0.0), tmp_path / "more")
    after, before = load(result.weights), load(weights)
    for weight, start_weight in zip(after.parameters(), before.parameters(), strict=True):
        torch.testing.assert_close(weight, start_weight, atol=1e-6, rtol=0)
    training = result.header.training
    assert (training["start"], training["start_digest"]) == ("weights", first.header.digest)
    assert (training["steps_before"], training["seconds_before"]) == (first.steps, first.header.training["seconds"])
    third = train(recipe(start=str(result.weights), steps=1), tmp_path / "third").header.training
    assert third["steps_before"] == first.steps + 1
    assert result.header.digest != first.header.digest


def test_provenance_survives_a_change_of_the_start_file(recipe, straight, tmp_path, interrupt_after):
    folder, first = straight(recipe())
    weights = tmp_path / "changing.safetensors"
    weights.write_bytes((folder / "weights.safetensors").read_bytes())
    more = recipe(start=str(weights))
    train(more, tmp_path / "run", progress=interrupt_after(2))
    weights.write_bytes(train(recipe(seed=5, steps=1), tmp_path / "other").weights.read_bytes())
    assert train(more, tmp_path / "run").header.training["start_digest"] == first.header.digest
    weights.unlink()
    assert train(more, tmp_path / "run").header.training["start_digest"] == first.header.digest, (
        "not needed for a resume"
    )


def test_start_weights_of_a_different_network_are_refused(recipe, straight, tmp_path):
    folder, _ = straight(recipe())
    with pytest.raises(ConfigError, match=r"train\.start = .*belong to a different network than the config's"):
        train(wider(recipe(start=str(folder / "weights.safetensors"))), tmp_path / "run")
    with pytest.raises(ResizeKitError, match="no weights 'nope'"):
        train(recipe(start="nope"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_start_strict_false_copies_only_matching_layers(recipe, straight, tmp_path):
    folder, _ = straight(recipe())
    weights = str(folder / "weights.safetensors")
    grey = recipe(start=weights, start_strict=False, steps=1, lr=1e-9, ema=0.0)
    grey = grey.model_copy(update={"config": grey.config | {"channels": 1}})
    after, before = (load(name).state_dict() for name in (train(grey, tmp_path / "more").weights, weights))
    matching = {name for name in before if before[name].shape == after[name].shape}
    assert 0 < len(matching) < len(before)
    for name in matching:
        torch.testing.assert_close(after[name], before[name], atol=1e-6, rtol=0)
    different = grey.model_copy(update={"network": {"width": 5, "blocks": 0}})
    with pytest.raises(ConfigError, match="no layer matches the config's network"):
        train(different, tmp_path / "different")
