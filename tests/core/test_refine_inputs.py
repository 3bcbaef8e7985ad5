"""Refinement: which efforts, targets, networks and compressions it accepts, and which it refuses."""

import numpy as np
import pytest
import torch
from torch import nn

from resizekit import build, load
from resizekit.codec.refine import Effort
from resizekit.codec.traits import Traits
from resizekit.errors import UsageError
from resizekit.nn import to_float
from resizekit.ops.quantize import SCALE
from resizekit.storage.compressions import CompressionModule, Float


def test_refinement_works_with_weights_from_inference_mode(crop_for):
    with torch.inference_mode():
        codec = build("sr", network={"width": 8, "blocks": 1}).eval()
    assert codec.down_codes(crop_for(codec, 32), effort=1).shape == (1, 3, 16, 16)


@pytest.mark.parametrize("effort", [-1, 5, True, 1.5, "2", None])
def test_effort_out_of_range_is_refused(effort):
    with pytest.raises(UsageError, match="expected an integer from 0 to 4"):
        load("sr-x2-fast").down(np.zeros((4, 4, 3), np.uint8), effort=effort)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((0, 40.0), "effort of 1 or more"), ((1, float("nan")), "between 0 and 200"), ((1, -3.0), "between 0 and 200")],
)
def test_target_low_psnr_out_of_range_is_refused(arguments, message):
    with pytest.raises(UsageError, match=message):
        Effort(*arguments)


def test_effort_refuses_codecs_that_cannot_be_refined():
    codec = build("sr", network={"width": 8, "blocks": 1})
    high = np.zeros((8, 8, 3), np.uint8)
    with pytest.raises(UsageError, match=r"training mode; call codec.eval\(\)"):
        codec.down(high, effort=1)
    with pytest.raises(UsageError, match="compression 'none' stores no file"):
        codec.eval().with_compression("none").down(torch.zeros(1, 3, 8, 8), effort=1)
    with pytest.raises(UsageError, match="stores no file"):
        codec.with_compression(Float()).down(torch.zeros(1, 3, 8, 8), effort=1)


class NoGradient(nn.Module):
    def forward(self, low):
        return low.detach().repeat_interleave(2, 2).repeat_interleave(2, 3)


def test_effort_names_networks_without_a_gradient():
    codec = build("sr", network={"width": 8, "blocks": 1}).eval()
    codec.decoder = NoGradient().eval()
    codec.traits = Traits()
    with pytest.raises(UsageError, match="gives no gradient"):
        codec.down(np.full((8, 8, 3), 90, np.uint8), effort=Effort(1, target_low_psnr=30))


class ThroughNumpy(nn.Module):
    def forward(self, low):
        return torch.from_numpy(low.numpy()).repeat_interleave(2, 2).repeat_interleave(2, 3)


def test_effort_names_networks_that_leave_pytorch():
    codec = build("sr", network={"width": 8, "blocks": 1}).eval()
    codec.decoder, codec.traits = ThroughNumpy().eval(), Traits()
    with pytest.raises(UsageError, match=r"gives no gradient \(Can't call numpy"):
        codec.down(np.full((8, 8, 3), 90, np.uint8), effort=Effort(1, target_low_psnr=30))


def test_targets_that_a_lossy_file_cannot_reach_are_refused(crop_for):
    codec = load("sr-x2-jpeg75")
    photo = crop_for(codec)
    message = r"target_low_psnr 60 is not possible: the guide itself has \d\d(\.\d)? dB in a JPEG"
    with pytest.raises(UsageError, match=message):
        codec.down_codes(photo, effort=Effort(1, target_low_psnr=60))
    with pytest.raises(UsageError, match=message):
        codec.down_pixels(photo[0].permute(1, 2, 0).numpy(), effort=Effort(1, target_low_psnr=60))


def test_effort_takes_integers_of_numpy():
    assert Effort(np.int64(1), np.float32(38)) == Effort(1, 38.0)
    assert type(Effort(np.int64(1)).level) is int


class Saturated(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, low):
        return (1.05 * self.inner(low) - 0.025).clamp(0, 1)


def test_a_gradient_of_zero_for_a_white_picture_is_no_error():
    codec = load("sr-x2-fast")
    codec.decoder, codec.traits = Saturated(codec.decoder).eval(), Traits(encoder=codec.traits.encoder)
    white = torch.full((1, 3, 32, 32), 254, dtype=torch.uint8)
    assert codec.down_codes(white, effort=1).equal(codec.down_codes(white))


def test_a_network_in_training_mode_is_refused_and_stays_so():
    codec = load("sr-x2-fast")
    codec.decoder.train()
    with pytest.raises(UsageError, match="training mode"):
        codec.down(np.zeros((8, 8, 3), np.uint8), effort=1)
    assert codec.decoder.training
    assert codec.replace(times=2).decoder.training


def test_effort_keeps_the_dtype_of_tensors(crop_for):
    codec = load("sr-x2-fast").double()
    high = to_float(crop_for(codec, 16)).double()
    assert codec.down_tensor(high, effort=1).dtype == codec.down_tensor(high).dtype


def test_a_gradient_of_zero_is_refused(crop_for):
    class Rounded(CompressionModule):
        def forward(self, low):
            return (low.clamp(0, 1) * 255).round() * SCALE

    codec = load("sr-x2-fast").with_compression(Rounded())
    with pytest.raises(UsageError, match="the gradient is 0 everywhere"):
        codec.down_codes(crop_for(codec, 32), effort=1)


def test_smaller_is_refused_where_it_has_no_meaning():
    with pytest.raises(UsageError, match="smaller needs an effort of 1 or more"):
        Effort(0, smaller=True)
    with pytest.raises(UsageError, match="the bits of a JPEG, which is lossy, are not known"):
        load("sr-x2-jpeg75").down(np.zeros((32, 32, 3), np.uint8), effort=Effort(1, smaller=True))
