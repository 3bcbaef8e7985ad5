"""The recipe of a codec: everything needed to build the same codec again, as plain data."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["CodecInfo", "Recipe"]


class CodecInfo(NamedTuple):
    """The names that a codec was built from, as manifests and checkpoints record them."""

    task: str = "unknown"
    network: str = "unknown"
    compression: str = "unknown"
    weights: str | None = None


class Recipe(BaseModel):
    """Everything needed to build a codec again: names and options, which JSON can store.

    Examples:
        >>> Recipe(task="sr", config={"spec": {"s": 2, "r": 2}}).times is None
        True
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: str
    """Name of an installed task."""
    config: dict[str, Any] = Field(default_factory=dict)
    """The task's config. In the recipe of a codec it is complete, with the names of network and compression."""
    network: dict[str, Any] = Field(default_factory=dict)
    """Options of the network that the config names."""
    encoder: dict[str, Any] = Field(default_factory=dict)
    """Options of the network that `config["encoder"]` names."""
    compression: dict[str, Any] = Field(default_factory=dict)
    """Options of the compression that the config names."""
    times: int | None = Field(None, ge=1, le=64)
    """How many times the networks are applied; None: as the task's config defines."""
    self_ensemble: bool = False
    """Whether decoding averages over the symmetries of the square."""
    weights: str | None = None
    """Name of the loaded weights; None: untrained."""

    @property
    def info(self) -> CodecInfo:
        """The names in a complete recipe."""
        return CodecInfo(self.task, self.config["network"], self.config["compression"], self.weights)

    def with_compression(self, name: str, options: Mapping[str, Any] | None = None) -> "Recipe":
        """Name another compression, with its default options or with others."""
        config = {**self.config, "compression": name}
        return self.model_copy(update={"config": config, "compression": dict(options or {})})
