"""An encoder and a decoder with everything between them. Computes low and restored from high, with gradients.

    high ─► encoder ─►(+ guide)─► compression ─► low ─► decoder ─► restored
       └──► guide ────────┘

With `times` above 1, the encoder runs `times` times, then the compression once, then the decoder `times` times.
"""

from collections.abc import Callable, Mapping
from numbers import Integral
from typing import Any, NamedTuple, Self, cast

import torch
from torch import Tensor, nn

from resizekit.codec.digest import digest
from resizekit.codec.guides import Guide, as_fusable
from resizekit.codec.recipe import CodecInfo, Recipe
from resizekit.codec.traits import Traits, apply_step
from resizekit.errors import ResizeShapeError, UsageError
from resizekit.nn import LowResolutionNet, high_channels, self_ensemble, to_float
from resizekit.spec import ResizeSpec
from resizekit.storage import CompressionModule, Storage, as_compression
from resizekit.system.precisions import Precision

__all__ = ["FindCompression", "NetworkPair", "Resized", "channels_last"]

FindCompression = Callable[[str, Mapping[str, Any]], nn.Module]
"""Builds an installed compression by name, with the default of each option that is not given."""


class Resized(NamedTuple):
    """The result of one pass down and up; all float, nominally in [0, 1]."""

    low: Tensor
    """`b c h w`, as it will be read back from storage."""
    guide: Tensor
    """`b c h w`, the target for low."""
    restored: Tensor
    """`b (t c) (s h) (r w)`, not clamped."""
    encoded: Tensor | None = None
    """`b c h w`: low before the compression; None: not known."""


def _unknown_compression(name: str, options: Mapping[str, Any]) -> nn.Module:
    raise UsageError(f"compression {name!r}: this codec was not built from a recipe; pass a compression module instead")


class NetworkPair(nn.Module):
    """An encoder, a decoder, and the guide and compression between them, for training; `Codec` adds inference.

    Args:
        step: Factors of one application of the networks.
        low_channels: Channels of low.
        encoder: `b (t c) (s h) (r w) -> b c h w`. None: low is the guide itself.
        decoder: `b c h w -> b (t c) (s h) (r w)`.
        guide: Makes the guide for a spec.
        compression: How low is stored: a `CompressionModule`, or any module for an 8-bit PNG.
        traits: Capabilities of the networks, and whether the encoder adds to the guide.
        recipe: What the codec was built from. It also sets `times` and `self_ensemble`. None: built by hand, so the
            codec cannot be saved.

    Raises:
        UsageError: If the step changes the channels and is repeated, or the factors become too large.
    """

    find_compression: FindCompression = staticmethod(_unknown_compression)
    """Builds a compression by name; set when a codec is assembled from a recipe."""

    def __init__(
        self,
        *,
        step: ResizeSpec,
        low_channels: int,
        encoder: nn.Module | None,
        decoder: nn.Module,
        guide: Callable[[ResizeSpec], Guide],
        compression: nn.Module,
        traits: Traits | None = None,
        recipe: Recipe | None = None,
    ) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.compression: CompressionModule = as_compression(compression)
        self.step, self.low_channels, self.channels = step, low_channels, high_channels(step, low_channels)
        self.traits = Traits() if traits is None else traits
        self.recipe = recipe
        self.precision: Precision = "float32"
        self.receptive_fields: dict[str, int] = {}
        """Measured receptive fields, shared by all codecs with the same networks."""
        self._make_guide = guide
        times = None if recipe is None else recipe.times
        self._configure(1 if times is None else times, recipe is not None and recipe.self_ensemble)

    def _configure(self, times: int, ensemble: bool) -> None:
        self.times, self.self_ensemble = times, ensemble
        self.spec = _repeated(self.step, times)
        self._build_guides()

    def _build_guides(self) -> None:
        self.guide, self.step_guide = (as_fusable(self._make_guide(spec)) for spec in (self.spec, self.step))

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the guides: a plugin may make them from local functions, which cannot be pickled."""
        return {name: value for name, value in self.__dict__.items() if name not in ("guide", "step_guide")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._build_guides()

    def replace(
        self,
        *,
        times: int | None = None,
        compression: str | nn.Module | None = None,
        self_ensemble: bool | None = None,
    ) -> Self:
        """Make a codec with the same networks and shared weights, and some settings changed.

        Args:
            times: How many times the networks are applied.
            compression: Name of an installed compression, with its default options unless the codec uses it already. A
                module instead of a name leaves the result without a recipe: it cannot be saved or write files.
            self_ensemble: Whether decoding averages over flips and quarter turns, EDSR's "+": slightly better for
                decoders trained on bicubic images, and eight times slower. It harms images from an encoder, which
                stores information that depends on the orientation. If height and width have different factors, only
                the four flips are used.

        Returns:
            A new codec in the same training mode and precision.

        Raises:
            UnknownNameError: If no installed compression has that name.
            UsageError: If the step cannot be repeated that often.
        """
        module, recipe = self.compression, self.recipe
        if isinstance(compression, str):
            if recipe is None or compression != recipe.info.compression:
                module = as_compression(self.find_compression(compression, {}))
                recipe = recipe and recipe.with_compression(compression)
        elif compression is not None:
            module, recipe = as_compression(compression), None
        times = self.times if times is None else times
        ensemble = self.self_ensemble if self_ensemble is None else self_ensemble
        if recipe is not None:
            recipe = recipe.model_copy(update={"times": times, "self_ensemble": ensemble})
        twin = type(self)(
            step=self.step,
            low_channels=self.low_channels,
            encoder=self.encoder,
            decoder=self.decoder,
            guide=self._make_guide,
            compression=module,
            traits=self.traits,
            recipe=recipe,
        )
        if recipe is None:  # otherwise the recipe has configured it
            twin._configure(times, ensemble)
        twin.precision, twin.receptive_fields = self.precision, self.receptive_fields
        twin.find_compression = self.find_compression
        twin.training = self.training  # not `train`, which would set the mode of the shared networks
        if twin.compression is not self.compression:
            twin.compression.train(self.training)
        return twin

    def at(self, times: int) -> Self:
        """Make a codec that applies the same networks `times` times; see `replace`."""
        return self.replace(times=times)

    def with_compression(self, compression: str | nn.Module) -> Self:
        """Make a codec of the same networks with another compression; see `replace`."""
        return self.replace(compression=compression)

    def at_quality(self, quality: int) -> Self:
        """Make a codec of the same networks whose files have another quality; other options stay.

        Args:
            quality: One of `codec.compression.qualities`.

        Raises:
            UsageError: If the compression has no qualities, or not this one.
        """
        qualities, recipe = self.compression.qualities, self.recipe
        if recipe is None or qualities is None:
            raise UsageError(f"compression {self.info.compression!r} has no quality: use another, such as avif")
        if isinstance(quality, bool) or not isinstance(quality, Integral) or quality not in qualities:
            raise UsageError(f"quality {quality!r}: expected an integer from {qualities[0]} to {qualities[-1]}")
        name, options = recipe.info.compression, {**recipe.compression, "quality": int(quality)}
        twin = self.replace(compression=self.find_compression(name, options))
        twin.recipe = recipe.with_compression(name, options)
        return twin

    @property
    def info(self) -> CodecInfo:
        """The names of task, network, compression and weights; "unknown" for a codec without a recipe."""
        return CodecInfo() if self.recipe is None else self.recipe.info

    @property
    def digest(self) -> str:
        """SHA-256 over the weights, the same for every file that holds them."""
        return digest(self)

    @property
    def device(self) -> torch.device:
        """Where the weights are; the CPU if there are none."""
        return next((parameter.device for parameter in self.parameters()), torch.device("cpu"))

    @property
    def storage(self) -> Storage:
        """The file format of low."""
        return self.compression.storage

    def forward(self, high: Tensor) -> Resized:
        """Run encoder, compression and decoder, as in training.

        Args:
            high: `b (t c) (s h) (r w)`, float in [0, 1] or uint8.
        """
        delta, base = self._descend(high)
        low = self._compress(delta, base)
        if self.encoder is None:
            guide = delta
        else:
            guide = base if base is not None and self.times == 1 else self.guide(to_float(high))
        return Resized(low, guide, self.decode(low), delta if base is None else base + delta)

    def encode(self, high: Tensor) -> Tensor:
        """Run the encoder without the compression: `b (t c) (s h) (r w) -> b c h w`, float.

        Args:
            high: Float in [0, 1], or uint8.
        """
        delta, base = self._descend(high)
        return delta if base is None else base + delta

    def compress(self, low: Tensor) -> Tensor:
        """Apply the compression to the output of `encode`: `b c h w -> b c h w`, low as it will be read back."""
        return self._compress(low, None)

    def decode(self, low: Tensor) -> Tensor:
        """Run the decoder: `b c h w -> b (t c) (s h) (r w)`, float, not clamped.

        Args:
            low: Float in [0, 1].
        """
        if self.self_ensemble:
            return self_ensemble(lambda x: self._ascend(channels_last(x)), low, turned=self.step.s == self.step.r)
        return self._ascend(low)

    def _ascend(self, low: Tensor) -> Tensor:
        return self._up(self._up_to(self.times - 1, low), self.times - 1)

    def _up(self, x: Tensor, i: int) -> Tensor:
        """Apply the decoder as step `i`."""
        return apply_step(self.decoder, self.traits.decoder, x, first=i == 0, last=i == self.times - 1)

    def _up_to(self, steps: int, low: Tensor) -> Tensor:
        """Apply the first `steps` steps up, each on the same memory layout as a single step gets."""
        for i in range(steps):
            low = channels_last(self._up(low, i))
        return low

    def _descend(self, high: Tensor) -> tuple[Tensor, Tensor | None]:
        """Go down up to the last sum, and return its two parts: a compression can add them in its own pass."""
        self._check_high(high)
        if self.encoder is None:
            return self.guide(to_float(high)), None
        delta, base = self._down(self.encoder, high, 0)
        for i in range(1, self.times):
            between = delta if base is None else base + delta
            delta, base = self._down(self.encoder, channels_last(between), i)
        return delta, base

    def _down(self, encoder: nn.Module, x: Tensor, i: int) -> tuple[Tensor, Tensor | None]:
        """Apply the encoder as step `i`: its output, and the guide to be added."""
        traits = self.traits
        if not traits.residual:
            last = i == self.times - 1
            return apply_step(encoder, traits.encoder, x, first=i == 0, last=last), None
        if traits.encoder.accepts_uint8 and x.dtype == torch.uint8:
            low_resolution = cast(LowResolutionNet, encoder)
            if self.step_guide.fuses_with(low_resolution.down):
                unshuffled, base = self.step_guide.with_unshuffled(x, shift=low_resolution.shift)
                return low_resolution.shuffle_output(low_resolution.forward_low_resolution(unshuffled)), base
        x = to_float(x)
        return encoder(x), self.step_guide(x)

    def _compress(self, delta: Tensor, base: Tensor | None) -> Tensor:
        if self.compression.adds_guide:
            return cast(Tensor, self.compression(delta, base))
        return cast(Tensor, self.compression(delta if base is None else base + delta))

    def _check_high(self, high: Tensor) -> None:
        self.spec.low_shape(high.shape[1:])
        if high.shape[1] != self.channels:
            grey = ": repeat the grey channel, or use weights for grey" if high.shape[1] == 1 else ""
            raise ResizeShapeError(f"high has {high.shape[1]} channels; this codec takes {self.channels}{grey}")


def channels_last(x: Tensor) -> Tensor:
    """Lay `b c h w` out as `b h w c`, the layout that convolutions on a CPU are fastest in.

    `contiguous(memory_format=...)` accepts several strides where an axis has length 1, and a convolution picks its
    algorithm by the strides: equal pixels would then differ in the last bit. A flat view makes the strides unique.
    """
    if torch.compiler.is_exporting():  # the runtime of the exported graph chooses its own layout
        return x
    b, c, h, w = x.shape
    return x.permute(0, 2, 3, 1).reshape(-1).view(b, h, w, c).permute(0, 3, 1, 2)


def _repeated(step: ResizeSpec, times: int) -> ResizeSpec:
    """Compute `step ** times`, or raise an error with the largest number of steps that works."""
    if type(times) is not int or times < 1:
        raise UsageError(f"times={times!r}: expected an integer of 1 or more")
    if times > 1 and step.t != 1:
        raise UsageError(f"times={times}: a step with t={step.t} changes the channels and cannot be repeated")
    try:
        return step**times
    except ValueError:
        most = next((n for n in range(min(times, 64), 0, -1) if _is_spec(step, n)), 1)
        raise UsageError(f"times={times}: the factors of {step} become too large; use at most {most}") from None


def _is_spec(step: ResizeSpec, times: int) -> bool:
    try:
        return bool(step**times)
    except ValueError:
        return False
