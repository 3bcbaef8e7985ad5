"""A codec with the encoder of another network, or without an encoder."""

import pytest
import torch

from resizekit import build, from_toml, load, save
from resizekit.codec import Recipe
from resizekit.errors import ConfigError, UnknownNameError
from resizekit.recipes.assemble import assemble

SMALL = {"width": 4, "blocks": 1}


def names(module):
    return {name: tuple(p.shape) for name, p in module.named_parameters()}


def test_encoder_of_another_network_takes_its_own_options():
    plain = build("sr", network=SMALL)
    codec = build("sr", network={"name": "wavelet", "width": 8}, encoder={"name": "tad", **SMALL})
    assert names(codec.encoder) == names(plain.encoder)
    assert names(codec.decoder) == names(build("sr", network={"name": "wavelet", "width": 8}).decoder)
    assert codec.info.network == "wavelet"


@pytest.mark.parametrize(("encoder", "network", "adds"), [("tad", "invertible", True), ("invertible", "tad", False)])
def test_encoder_decides_whether_the_guide_is_added(encoder, network, adds):
    assert build("sr", network=network, encoder=encoder).traits.residual is adds


def test_encoder_none_uses_the_guide_as_low():
    codec = build("sr", network=SMALL, encoder="none").eval()
    assert codec.encoder is None
    out = codec(torch.rand(1, 3, 8, 8))
    torch.testing.assert_close(out.low, out.guide, atol=0.5 / 255 + 1e-6, rtol=0)


def test_saved_mixed_codec_loads_equal(tmp_path):
    codec = build("sr", network={"name": "wavelet", "width": 8}, encoder={"name": "tad", **SMALL})
    header = save(codec, tmp_path / "mixed.safetensors")
    again = load(tmp_path / "mixed.safetensors")
    assert again.digest == header.digest == codec.digest
    assert names(again) == names(codec)


def test_recipe_without_encoder_key_still_builds():
    old = Recipe.model_validate({"task": "sr", "config": {"network": "tad"}, "network": SMALL, "compression": {}})
    assert names(assemble(old)) == names(build("sr", network=SMALL))


def test_toml_config_sets_the_encoder(tmp_path):
    (tmp_path / "c.toml").write_text("task = 'sr'\n[config]\nnetwork = 'vdsr'\nencoder = 'tad'\n[encoder]\nwidth = 4\n")
    codec = from_toml(tmp_path / "c.toml")
    assert codec.encoder.head.first.out_channels == 4


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"encoder": "vdsr"}, ConfigError, "network 'vdsr' has no encoder: use another, or 'none'"),
        ({"encoder": "vast"}, UnknownNameError, "no network 'vast' is installed"),
        ({"encoder": {"width": 4}}, ConfigError, r"\[encoder\] has options, but config.encoder is not set"),
        ({"encoder": {"name": "none", "width": 4}}, ConfigError, r"\[encoder\] of no network: unknown key 'width'"),
        ({"encoder": {"name": "tad", "depth": 4}}, ConfigError, r"\[encoder\] of tad: unknown key 'depth'"),
    ],
    ids=str,
)
def test_invalid_encoder_is_refused_in_one_line(options, error, text):
    with pytest.raises(error, match=text) as caught:
        build("sr", **options)
    assert len(str(caught.value).splitlines()) == 1
